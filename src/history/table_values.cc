#include "history/table_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/types.h"
#include "codec/packed_value.h"
#include "feature/value.h"

namespace ms::history {
namespace {

using arrow::Array;
using Id = arrow::Type;

template <class T>
const T& as(const Array& array) {
  return static_cast<const T&>(array);
}

bool is_whole(Id::type id) { return id >= Id::UINT8 && id <= Id::INT64 && id != Id::UINT64; }
bool is_text(const arrow::DataType& type) {
  if (type.id() == Id::DICTIONARY) return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
  return type.id() == Id::STRING || type.id() == Id::LARGE_STRING;
}
bool has_elements(Id::type id) { return id == Id::LIST || id == Id::LARGE_LIST || id == Id::FIXED_SIZE_LIST; }

// How many digits an integer type may have.
int whole_digits(Id::type id) {
  switch (id) {
    case Id::INT8:
    case Id::UINT8:
      return 3;
    case Id::INT16:
    case Id::UINT16:
      return 5;
    case Id::INT32:
    case Id::UINT32:
      return 10;
    default:
      return 19;
  }
}

bool decimal_type_fits(const arrow::DataType& have, const Type& type) {
  const int whole = type.precision - type.scale;
  if (is_whole(have.id())) return whole_digits(have.id()) <= whole;
  if (have.id() != Id::DECIMAL128 && have.id() != Id::DECIMAL256) return false;
  const auto& decimal = static_cast<const arrow::DecimalType&>(have);
  return decimal.scale() >= 0 && decimal.scale() <= type.scale && decimal.precision() - decimal.scale() <= whole;
}

bool scalar_fits(const arrow::DataType& have, const Type& type) {
  const auto id = have.id();
  if (id == Id::NA) return true;
  switch (type.kind) {
    case TypeKind::kBool:
      return id == Id::BOOL;
    case TypeKind::kInt64:
      return is_whole(id);
    case TypeKind::kFloat64:
      return is_whole(id) || id == Id::FLOAT || id == Id::DOUBLE;
    case TypeKind::kString:
      return is_text(have);
    case TypeKind::kTimestamp:
      return id == Id::TIMESTAMP;
    case TypeKind::kDecimal:
      return decimal_type_fits(have, type);
    default:
      return false;
  }
}

int64_t whole_at(const Array& array, int64_t i) {
  switch (array.type_id()) {
    case Id::INT8:
      return as<arrow::Int8Array>(array).Value(i);
    case Id::INT16:
      return as<arrow::Int16Array>(array).Value(i);
    case Id::INT32:
      return as<arrow::Int32Array>(array).Value(i);
    case Id::UINT8:
      return as<arrow::UInt8Array>(array).Value(i);
    case Id::UINT16:
      return as<arrow::UInt16Array>(array).Value(i);
    case Id::UINT32:
      return as<arrow::UInt32Array>(array).Value(i);
    default:
      return as<arrow::Int64Array>(array).Value(i);
  }
}

double real_at(const Array& array, int64_t i) {
  if (array.type_id() == Id::DOUBLE) return as<arrow::DoubleArray>(array).Value(i);
  if (array.type_id() == Id::FLOAT) return as<arrow::FloatArray>(array).Value(i);
  return static_cast<double>(whole_at(array, i));
}

std::string_view text_at(const Array& array, int64_t i) {
  if (array.type_id() == Id::DICTIONARY) {
    const auto& coded = as<arrow::DictionaryArray>(array);
    return text_at(*coded.dictionary(), coded.GetValueIndex(i));
  }
  if (array.type_id() == Id::STRING) return as<arrow::StringArray>(array).GetView(i);
  return as<arrow::LargeStringArray>(array).GetView(i);
}

// In microseconds, finer ones cut off; nullopt: beyond int64.
std::optional<int64_t> time_at(const Array& array, int64_t i) {
  const int64_t value = as<arrow::TimestampArray>(array).Value(i);
  int64_t us = value;
  switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {
    case arrow::TimeUnit::SECOND:
      return __builtin_mul_overflow(value, kMicrosPerSecond, &us) ? std::nullopt : std::optional(us);
    case arrow::TimeUnit::MILLI:
      return __builtin_mul_overflow(value, kMicrosPerMilli, &us) ? std::nullopt : std::optional(us);
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return value / 1000 - (value % 1000 < 0 ? 1 : 0);
  }
  return std::nullopt;
}

// The units of a value whose type decimal_type_fits(): both kinds of decimals are little-endian, and what fits lies in 128 bits.
int128 decimal_units(const Array& array, int64_t i, const Type& type) {
  int128 units = 0;
  int scale = 0;
  if (is_whole(array.type_id())) {
    units = whole_at(array, i);
  } else {
    std::memcpy(&units, as<arrow::FixedSizeBinaryArray>(array).GetValue(i), sizeof units);
    scale = static_cast<const arrow::DecimalType&>(*array.type()).scale();
  }
  for (; scale < type.scale; ++scale) units *= 10;
  return units;
}

PackedElement element_at(const Array& array, int64_t i, const Type& type) {
  PackedElement e;
  if (array.type_id() == Id::NA || array.IsNull(i)) return e;
  e.is_null = false;
  switch (type.kind) {
    case TypeKind::kBool:
      e.i = as<arrow::BooleanArray>(array).Value(i);
      break;
    case TypeKind::kInt64:
      e.i = whole_at(array, i);
      break;
    case TypeKind::kFloat64:
      e.f = real_at(array, i);
      break;
    case TypeKind::kString:
      e.text = text_at(array, i);
      break;
    case TypeKind::kDecimal:
      e.d = decimal_units(array, i, type);
      break;
    default:
      if (const auto us = time_at(array, i)) e.i = *us;
      else e.is_null = true;
  }
  return e;
}

// Where the elements of a row lie, and the array that holds them.
struct Elements {
  std::shared_ptr<Array> array;
  int64_t from = 0, count = 0;
};
Elements elements_of(const Array& array, int64_t row) {
  const auto in = [row](const auto& list) { return Elements{list.values(), list.value_offset(row), list.value_length(row)}; };
  if (array.type_id() == Id::LIST) return in(as<arrow::ListArray>(array));
  if (array.type_id() == Id::LARGE_LIST) return in(as<arrow::LargeListArray>(array));
  return in(as<arrow::FixedSizeListArray>(array));
}

void pack_list(const Elements& elements, const Type& element, std::string& out) {
  PackedListWriter list(element.kind);
  for (int64_t i = 0; i < elements.count; ++i) list.add(element_at(*elements.array, elements.from + i, element));
  list.write(out);
}

// False: it has another length, or a null among its numbers.
bool pack_vector(const Elements& elements, uint32_t size, std::string& out) {
  if (elements.count != size) return false;
  for (int64_t i = 0; i < elements.count; ++i) {
    const PackedElement e = element_at(*elements.array, elements.from + i, TypeKind::kFloat64);
    if (e.is_null) return false;
    out.append(reinterpret_cast<const char*>(&e.f), sizeof e.f);
  }
  return true;
}

using Members = std::vector<std::pair<std::string_view, PackedElement>>;

Members members_of(const Array& array, int64_t row, const Type& element) {
  Members out;
  if (array.type_id() == Id::STRUCT) {
    const auto& object = as<arrow::StructArray>(array);
    for (int f = 0; f < object.num_fields(); ++f)
      out.emplace_back(object.type()->field(f)->name(), element_at(*object.field(f), row, element));
    return out;
  }
  const auto& map = as<arrow::MapArray>(array);
  for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i)
    out.emplace_back(text_at(*map.keys(), i), element_at(*map.items(), i, element));
  return out;
}

void pack_map(Members members, const Type& element, std::string& out) {
  std::vector<size_t> order(members.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) { return std::pair(members[i].first, i); });
  PackedListWriter names(TypeKind::kString), values(element.kind);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto& [name, value] = members[order[i]];
    if (i + 1 < order.size() && members[order[i + 1]].first == name) continue;  // the last counts
    names.add({.is_null = false, .text = name}), values.add(value);
  }
  names.write(out), values.write(out);
}

bool pack(const Array& array, int64_t row, const Type& type, std::string& out) {
  if (type == TypeKind::kVector) return pack_vector(elements_of(array, row), type.size, out);
  if (type == TypeKind::kList) pack_list(elements_of(array, row), type.element_type(), out);
  else pack_map(members_of(array, row, type.element_type()), type.element_type(), out);
  return true;
}

arrow::Status append_element(arrow::ArrayBuilder& builder, const Type& type, const PackedElement& e) {
  if (e.is_null) return builder.AppendNull();
  switch (type.kind) {
    case TypeKind::kBool:
      return static_cast<arrow::BooleanBuilder&>(builder).Append(e.i != 0);
    case TypeKind::kInt64:
      return static_cast<arrow::Int64Builder&>(builder).Append(e.i);
    case TypeKind::kFloat64:
      return static_cast<arrow::DoubleBuilder&>(builder).Append(e.f);
    case TypeKind::kString:
      return static_cast<arrow::StringBuilder&>(builder).Append(e.text);
    case TypeKind::kTimestamp:
      return static_cast<arrow::TimestampBuilder&>(builder).Append(e.i);
    default:
      return static_cast<arrow::Decimal128Builder&>(builder).Append(
          arrow::Decimal128(static_cast<int64_t>(e.d >> 64), static_cast<uint64_t>(e.d)));
  }
}

arrow::Status append_elements(arrow::ArrayBuilder& builder, const Type& type, const PackedList& list) {
  for (size_t i = 0; i < list.size(); ++i) ARROW_RETURN_NOT_OK(append_element(builder, type, list.at(i)));
  return arrow::Status::OK();
}

}  // namespace

bool array_fits(const arrow::DataType& have, const Type& type) {
  const auto id = have.id();
  if (id == Id::NA || is_scalar(type)) return scalar_fits(have, type);
  if (type == TypeKind::kMap) {
    if (id == Id::STRUCT)
      return std::ranges::all_of(have.fields(), [&](const auto& field) { return scalar_fits(*field->type(), type.element_type()); });
    if (id != Id::MAP) return false;
    const auto& map = static_cast<const arrow::MapType&>(have);
    return is_text(*map.key_type()) && scalar_fits(*map.item_type(), type.element_type());
  }
  if (!has_elements(id)) return false;
  if (type == TypeKind::kVector && id == Id::FIXED_SIZE_LIST &&
      static_cast<const arrow::FixedSizeListType&>(have).list_size() != static_cast<int32_t>(type.size))
    return false;
  return scalar_fits(*have.field(0)->type(), type.element_type());
}

RowFault vector_fault(const arrow::Array& array, uint32_t size) {
  if (array.type_id() == Id::NA) return {};
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) continue;
    const Elements elements = elements_of(array, row);
    if (elements.count != size) return {row, fmt::format("has {} numbers", elements.count)};
    if (elements.array->null_count() == 0) continue;
    for (int64_t i = 0; i < elements.count; ++i)
      if (elements.array->IsNull(elements.from + i)) return {row, "holds a null"};
  }
  return {};
}

void fill_array(const arrow::Array& array, int64_t from, size_t count, size_t at, Column& out, const KeepBytes& keep) {
  if (array.type_id() == Id::NA) return;
  std::string packed;
  for (size_t i = 0; i < count; ++i) {
    const int64_t row = from + static_cast<int64_t>(i);
    if (!out.valid(at + i)) continue;
    if (out.type == TypeKind::kDecimal) {
      out.decimals[at + i] = decimal_units(array, row, out.type);
      continue;
    }
    packed.clear();
    if (pack(array, row, out.type, packed)) out.strings[at + i] = keep(packed);
    else out.set_null(at + i);
  }
}

std::shared_ptr<arrow::DataType> arrow_type(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBool:
      return arrow::boolean();
    case TypeKind::kInt64:
      return arrow::int64();
    case TypeKind::kFloat64:
      return arrow::float64();
    case TypeKind::kString:
      return arrow::utf8();
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeKind::kDecimal:
      return arrow::decimal128(type.precision, type.scale);
    case TypeKind::kList:
      return arrow::list(arrow_type(type.element_type()));
    case TypeKind::kVector:
      return arrow::fixed_size_list(arrow::float64(), static_cast<int32_t>(type.size));
    case TypeKind::kMap:
      return arrow::map(arrow::utf8(), arrow_type(type.element_type()));
  }
  return nullptr;
}

arrow::Status append_bytes(arrow::ArrayBuilder& builder, const Type& type, std::string_view bytes) {
  switch (type.kind) {
    case TypeKind::kString:
      return append_element(builder, type, {.is_null = false, .text = bytes});
    case TypeKind::kDecimal:
      return append_element(builder, type, {.is_null = false, .d = feature::answer_decimal(bytes)});
    case TypeKind::kVector: {
      auto& vectors = static_cast<arrow::FixedSizeListBuilder&>(builder);
      ARROW_RETURN_NOT_OK(vectors.Append());
      auto& numbers = static_cast<arrow::DoubleBuilder&>(*vectors.value_builder());
      for (uint32_t i = 0; i < type.size; ++i) ARROW_RETURN_NOT_OK(numbers.Append(packed_vector_at(bytes, i)));
      return arrow::Status::OK();
    }
    case TypeKind::kMap: {
      auto& maps = static_cast<arrow::MapBuilder&>(builder);
      const PackedMap map(type.element, bytes);
      ARROW_RETURN_NOT_OK(maps.Append());
      ARROW_RETURN_NOT_OK(append_elements(*maps.key_builder(), TypeKind::kString, map.names));
      return append_elements(*maps.item_builder(), type.element_type(), map.values);
    }
    default: {
      auto& lists = static_cast<arrow::ListBuilder&>(builder);
      ARROW_RETURN_NOT_OK(lists.Append());
      return append_elements(*lists.value_builder(), type.element_type(), PackedList(type.element, bytes));
    }
  }
}

}  // namespace ms::history
