#include "codec/value_text.h"

#include "codec/packed_value.h"

namespace ms {
namespace {

constexpr int64_t kExactInDouble = int64_t{1} << 53;

void append_element(JsonOut& out, const Type& type, const PackedElement& e, bool numbers_as_strings) {
  if (e.is_null) return out.raw("null");
  switch (type.kind) {
    case TypeKind::kBool:
      return out.raw(e.i != 0 ? "true" : "false");
    case TypeKind::kFloat64:
      return out.number(e.f);
    case TypeKind::kString:
      return out.string(e.text);
    case TypeKind::kTimestamp:
      return out.time(e.i);
    case TypeKind::kDecimal:
      return append_decimal(out, e.d, type.scale, numbers_as_strings);
    default:
      return append_int64(out, e.i, numbers_as_strings);
  }
}

void append_list(JsonOut& out, const Type& element, const PackedList& list, bool numbers_as_strings) {
  out.put('[');
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out.put(',');
    append_element(out, element, list.at(i), numbers_as_strings);
  }
  out.put(']');
}

void append_map(JsonOut& out, const Type& element, const PackedMap& map, bool numbers_as_strings) {
  out.put('{');
  for (size_t i = 0; i < map.names.size(); ++i) {
    if (i > 0) out.put(',');
    out.string(map.names.at(i).text), out.put(':');
    append_element(out, element, map.values.at(i), numbers_as_strings);
  }
  out.put('}');
}

void append_vector(JsonOut& out, uint32_t size, std::string_view packed) {
  out.put('[');
  for (uint32_t i = 0; i < size; ++i) {
    if (i > 0) out.put(',');
    out.number(packed_vector_at(packed, i));
  }
  out.put(']');
}

}  // namespace

void append_int64(JsonOut& out, int64_t value, bool numbers_as_strings) {
  const bool quoted = numbers_as_strings && (value > kExactInDouble || value < -kExactInDouble);
  if (quoted) out.put('"');
  out.integer(value);
  if (quoted) out.put('"');
}

void append_decimal(JsonOut& out, int128 units, uint8_t scale, bool numbers_as_strings) {
  if (numbers_as_strings) out.put('"');
  out.decimal(units, scale);
  if (numbers_as_strings) out.put('"');
}

void append_nested(JsonOut& out, const Type& type, std::string_view packed, bool numbers_as_strings) {
  if (type == TypeKind::kVector) append_vector(out, type.size, packed);
  else if (type == TypeKind::kMap) append_map(out, type.element_type(), PackedMap(type.element, packed), numbers_as_strings);
  else append_list(out, type.element_type(), PackedList(type.element, packed), numbers_as_strings);
}

std::string nested_text(const Type& type, std::string_view packed) {
  std::string text;
  JsonOut out(text);
  out.room(nested_text_max(packed.size()));
  append_nested(out, type, packed, false);
  out.finish();
  return text;
}

}  // namespace ms
