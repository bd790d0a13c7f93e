#include "history/table.h"

#include <arrow/api.h>
#include <arrow/csv/api.h>
#include <arrow/io/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "codec/json_nested.h"
#include "history/arrow_pool.h"
#include "history/parquet_reader.h"
#include "history/table_values.h"

namespace ms::history {
namespace {

bool is_text(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING;
}

struct Loaded {
  std::shared_ptr<arrow::Table> table;
  std::shared_ptr<arrow::Schema> original;
};

Result<Loaded> read_parquet(const std::string& path, const std::optional<std::vector<std::string>>& columns, bool threads) {
  TRY_ASSIGN(const ParquetReader file, ParquetReader::open(path, columns, threads));
  ARROW_TRY(path, auto table, file.reader->ReadTable(file.columns));
  return Loaded{table, file.original};
}

Result<Loaded> read_csv(const std::string& path, const std::optional<std::vector<std::string>>& columns, bool threads,
                        const std::map<std::string, Type>& types) {
  ARROW_TRY(path, auto file, arrow::io::ReadableFile::Open(path));
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = threads;
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.strings_can_be_null = false;
  for (const auto& [name, type] : types)
    convert.column_types[name] = is_scalar(type) && type != TypeKind::kTimestamp ? arrow_type(type)
                                 : type == TypeKind::kTimestamp                  ? arrow::int64()
                                                                                 : arrow::utf8();
  ARROW_TRY(path, auto reader,
            arrow::csv::TableReader::Make(arrow::io::IOContext(arrow_pool()), file, read, arrow::csv::ParseOptions::Defaults(), convert));
  ARROW_TRY(path, auto table, reader->Read());
  if (!columns) return Loaded{table, table->schema()};
  std::vector<int> wanted;
  for (const std::string& name : *columns) {
    const int i = table->schema()->GetFieldIndex(name);
    if (i < 0) return invalid(no_such_column(path, name, table->ColumnNames()));
    wanted.push_back(i);
  }
  ARROW_TRY(path, auto chosen, table->SelectColumns(wanted));
  return Loaded{chosen, table->schema()};
}

// value * factor, or nullopt when it does not fit.
std::optional<int64_t> scaled(int64_t value, int64_t factor) {
  int64_t out;
  if (__builtin_mul_overflow(value, factor, &out)) return std::nullopt;
  return out;
}
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }

std::optional<int64_t> to_micros(int64_t value, arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return scaled(value, kMicrosPerSecond);
    case arrow::TimeUnit::MILLI: return scaled(value, kMicrosPerMilli);
    case arrow::TimeUnit::MICRO: return value;
    case arrow::TimeUnit::NANO: return floor_div(value, 1000);
  }
  return std::nullopt;
}
std::optional<int64_t> to_micros(int64_t value, feature::TimeUnit unit) {
  switch (unit) {
    case feature::TimeUnit::kSeconds: return scaled(value, kMicrosPerSecond);
    case feature::TimeUnit::kMillis: return scaled(value, kMicrosPerMilli);
    case feature::TimeUnit::kMicros: return value;
    case feature::TimeUnit::kRfc3339: return std::nullopt;
  }
  return std::nullopt;
}

std::string_view text_at(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::STRING) return static_cast<const arrow::StringArray&>(array).GetView(row);
  return static_cast<const arrow::LargeStringArray&>(array).GetView(row);
}
std::string_view dictionary_text_at(const arrow::DictionaryArray& array, int64_t row) {
  return text_at(*array.dictionary(), array.GetValueIndex(row));
}

// Calls use(value) with the number of a row as int64 or double; the array is of a numeric or boolean type.
template <class ArrayType, class Out>
void copy_numbers(const arrow::Array& array, int64_t from, size_t count, size_t at, Out* out) {
  const auto& typed = static_cast<const ArrayType&>(array);
  for (size_t i = 0; i < count; ++i) out[at + i] = static_cast<Out>(typed.Value(from + static_cast<int64_t>(i)));
}
template <class Out>
void copy_any_number(const arrow::Array& array, int64_t from, size_t count, size_t at, Out* out) {
  switch (array.type_id()) {
    case arrow::Type::INT8: return copy_numbers<arrow::Int8Array>(array, from, count, at, out);
    case arrow::Type::INT16: return copy_numbers<arrow::Int16Array>(array, from, count, at, out);
    case arrow::Type::INT32: return copy_numbers<arrow::Int32Array>(array, from, count, at, out);
    case arrow::Type::INT64: return copy_numbers<arrow::Int64Array>(array, from, count, at, out);
    case arrow::Type::UINT8: return copy_numbers<arrow::UInt8Array>(array, from, count, at, out);
    case arrow::Type::UINT16: return copy_numbers<arrow::UInt16Array>(array, from, count, at, out);
    case arrow::Type::UINT32: return copy_numbers<arrow::UInt32Array>(array, from, count, at, out);
    case arrow::Type::FLOAT: return copy_numbers<arrow::FloatArray>(array, from, count, at, out);
    case arrow::Type::DOUBLE: return copy_numbers<arrow::DoubleArray>(array, from, count, at, out);
    case arrow::Type::BOOL: return copy_numbers<arrow::BooleanArray>(array, from, count, at, out);
    default: CHECK(false);
  }
}
bool is_whole(arrow::Type::type id) {
  return (id >= arrow::Type::UINT8 && id <= arrow::Type::INT64) && id != arrow::Type::UINT64;
}

}  // namespace

struct Table::Piece {
  uint64_t first = 0;  // row of the table
  std::shared_ptr<arrow::Array> array;
};

Table::Table() = default;
Table::~Table() = default;

Result<std::shared_ptr<const Table>> Table::read(const std::string& path, const std::optional<std::vector<std::string>>& columns,
                                                 unsigned threads, const std::map<std::string, Type>& csv_types) {
  const bool parallel = threads > 1;
  if (parallel && arrow::GetCpuThreadPoolCapacity() != static_cast<int>(threads))
    (void)arrow::SetCpuThreadPoolCapacity(static_cast<int>(threads));
  TRY_ASSIGN(const Loaded loaded,
             path.ends_with(".csv") ? read_csv(path, columns, parallel, csv_types) : read_parquet(path, columns, parallel));
  return of(path, loaded.table, loaded.original);
}

Result<std::vector<std::string>> Table::csv_names(const std::string& path) {
  ARROW_TRY(path, auto file, arrow::io::ReadableFile::Open(path));
  ARROW_TRY(path, auto reader,
            arrow::csv::StreamingReader::Make(arrow::io::IOContext(arrow_pool()), file, arrow::csv::ReadOptions::Defaults(),
                                              arrow::csv::ParseOptions::Defaults(), arrow::csv::ConvertOptions::Defaults()));
  return reader->schema()->field_names();
}

Result<std::shared_ptr<const Table>> Table::of(const std::string& path, const std::shared_ptr<arrow::Table>& table,
                                               std::shared_ptr<arrow::Schema> original, uint64_t first_row) {
  std::shared_ptr<Table> out(new Table);
  out->path_ = path;
  out->original_ = std::move(original);
  out->first_row_ = first_row;
  // One dictionary per column instead of one per row group.
  ARROW_TRY(path, out->table_, arrow::DictionaryUnifier::UnifyTable(*table));
  out->rows_ = static_cast<uint64_t>(out->table_->num_rows());
  out->names_ = out->table_->ColumnNames();
  out->pieces_.resize(out->names_.size());
  for (size_t c = 0; c < out->names_.size(); ++c) {
    uint64_t first = 0;
    for (const auto& array : out->table_->column(static_cast<int>(c))->chunks()) {
      if (array->length() == 0) continue;
      out->pieces_[c].push_back({first, array});
      first += static_cast<uint64_t>(array->length());
    }
  }
  return out;
}

Result<size_t> Table::find(std::string_view name) const {
  const auto it = std::ranges::find(names_, name);
  if (it == names_.end()) return invalid(no_such_column(path_, name, names_));
  return static_cast<size_t>(it - names_.begin());
}

std::string Table::type_text(size_t column) const {
  return original_->GetFieldByName(names_[column])->type()->ToString();
}

bool Table::is_timestamp(size_t column) const {
  return table_->field(static_cast<int>(column))->type()->id() == arrow::Type::TIMESTAMP;
}

const Table::Piece& Table::piece_at(size_t column, uint64_t row) const {
  const auto& pieces = pieces_[column];
  const auto after = std::ranges::upper_bound(pieces, row, {}, &Piece::first);
  return *(after - 1);
}

Result<> Table::check(size_t column, const Type& type) const {
  const auto& have = *table_->field(static_cast<int>(column))->type();
  const auto id = have.id();
  if (id == arrow::Type::NA) return {};
  bool fits = false;
  switch (type) {
    case TypeKind::kBool: fits = id == arrow::Type::BOOL; break;
    case TypeKind::kInt64: fits = is_whole(id); break;
    case TypeKind::kFloat64: fits = is_whole(id) || id == arrow::Type::FLOAT || id == arrow::Type::DOUBLE; break;
    case TypeKind::kString:
      fits = is_text(have) || (id == arrow::Type::DICTIONARY &&
                                  is_text(*static_cast<const arrow::DictionaryType&>(have).value_type()));
      break;
    case TypeKind::kTimestamp: return check_time(column, std::nullopt);
    case TypeKind::kDecimal:
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap:
      fits = array_fits(have, type) || (is_csv() && !is_scalar(type) && is_text(have));
      break;
  }
  if (fits) return check_rows(column, type);
  return invalid(path_ + ": column '" + names_[column] + "' is " + type_text(column) + ", wanted " + ms::type_text(type));
}

// What the type of the column does not say: the lengths of vectors, and JSON in a CSV.
Result<> Table::check_rows(size_t column, const Type& type) const {
  if (is_scalar(type)) return {};
  JsonNested json;
  const JsonField field{.path = names_[column], .type = type, .time = JsonTime::kRfc3339};
  for (const Piece& piece : pieces_[column]) {
    RowFault fault;
    if (!is_text(*piece.array->type())) {
      if (type == TypeKind::kVector) fault = vector_fault(*piece.array, type.size);
    } else {
      for (int64_t row = 0; row < piece.array->length() && fault.row < 0; ++row) {
        const std::string_view text = text_at(*piece.array, row);
        if (!text.empty() && !json.decode(field, text)) fault = {row, json.reason()};
      }
    }
    if (fault.row >= 0)
      return invalid(fmt::format("{}: row {}: column '{}', wanted {}: {}", path_,
                                 first_row_ + piece.first + static_cast<uint64_t>(fault.row) + 1, names_[column], ms::type_text(type),
                                 fault.what));
  }
  return {};
}

Result<> Table::check_time(size_t column, std::optional<feature::TimeUnit> unit) const {
  const auto& have = *table_->field(static_cast<int>(column))->type();
  const auto id = have.id();
  if (id == arrow::Type::TIMESTAMP || id == arrow::Type::DATE32 || id == arrow::Type::DATE64) return {};
  if (unit && *unit != feature::TimeUnit::kRfc3339 && is_whole(id)) return {};
  if (is_text(have) || (id == arrow::Type::DICTIONARY && is_text(*static_cast<const arrow::DictionaryType&>(have).value_type())))
    return {};
  if (id == arrow::Type::NA && rows() == 0) return invalid(path_ + ": it has no rows");  // a CSV then has no types either
  return invalid(path_ + ": column '" + names_[column] + "' is " + type_text(column) + ", wanted a timestamp");
}

namespace {

// The usual form of a text column: int32 codes into one dictionary.
bool fill_coded(const arrow::Array& array, int64_t from, size_t count, size_t at, Column& out) {
  if (array.type_id() != arrow::Type::DICTIONARY) return false;
  const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
  const auto indices = coded.indices();
  const auto dictionary = coded.dictionary();
  if (indices->type_id() != arrow::Type::INT32 || dictionary->type_id() != arrow::Type::STRING) return false;
  const int32_t* codes = static_cast<const arrow::Int32Array&>(*indices).raw_values() + from;
  const auto& texts = static_cast<const arrow::StringArray&>(*dictionary);
  for (size_t i = 0; i < count; ++i)
    if (out.valid(at + i)) out.strings[at + i] = texts.GetView(codes[i]);
  return true;
}

void fill_strings(const arrow::Array& array, int64_t from, size_t count, size_t at, Column& out) {
  if (fill_coded(array, from, count, at, out)) return;
  for (size_t i = 0; i < count; ++i) {
    const int64_t row = from + static_cast<int64_t>(i);
    if (!out.valid(at + i)) continue;
    out.strings[at + i] = array.type_id() == arrow::Type::DICTIONARY
                              ? dictionary_text_at(static_cast<const arrow::DictionaryArray&>(array), row)
                              : text_at(array, row);
  }
}

void fill_valid(const arrow::Array& array, int64_t from, size_t count, size_t at, Column& out) {
  if (array.type_id() == arrow::Type::NA) return;
  if (array.null_count() == 0) {
    if (at == 0 && count == out.validity.size() * 64) {
      std::ranges::fill(out.validity, ~uint64_t{0});
      return;
    }
    for (size_t i = 0; i < count; ++i) out.set_valid(at + i);
    return;
  }
  for (size_t i = 0; i < count; ++i)
    if (array.IsValid(from + static_cast<int64_t>(i))) out.set_valid(at + i);
}

// The slot of a null is zero whatever the file holds there.
template <class T>
void zero_nulls(const Column& out, size_t at, size_t count, T* values) {
  for (size_t i = at; i < at + count; ++i)
    if (!out.valid(i)) values[i] = T{};
}

std::optional<int64_t> time_at(const arrow::Array& array, int64_t row, std::optional<feature::TimeUnit> unit) {
  switch (array.type_id()) {
    case arrow::Type::TIMESTAMP:
      return to_micros(static_cast<const arrow::TimestampArray&>(array).Value(row),
                       static_cast<const arrow::TimestampType&>(*array.type()).unit());
    case arrow::Type::DATE32: return scaled(static_cast<const arrow::Date32Array&>(array).Value(row), kMicrosPerDay);
    case arrow::Type::DATE64: return scaled(static_cast<const arrow::Date64Array&>(array).Value(row), kMicrosPerMilli);
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::DICTIONARY: {
      const auto parsed = parse_time(array.type_id() == arrow::Type::DICTIONARY
                                         ? dictionary_text_at(static_cast<const arrow::DictionaryArray&>(array), row)
                                         : text_at(array, row));
      return parsed ? std::optional(*parsed) : std::nullopt;
    }
    default: {
      int64_t value = 0;
      copy_any_number(array, row, 1, 0, &value);
      return unit ? to_micros(value, *unit) : std::nullopt;
    }
  }
}

void fill_times(const arrow::Array& array, std::optional<feature::TimeUnit> unit, int64_t from, size_t count, size_t at, Column& out) {
  if (array.type_id() == arrow::Type::TIMESTAMP &&
      static_cast<const arrow::TimestampType&>(*array.type()).unit() == arrow::TimeUnit::MICRO) {
    copy_numbers<arrow::TimestampArray>(array, from, count, at, out.ints.data());
    return zero_nulls(out, at, count, out.ints.data());
  }
  for (size_t i = at; i < at + count; ++i) {
    if (!out.valid(i)) continue;
    const auto us = time_at(array, from + static_cast<int64_t>(i - at), unit);
    if (us) out.ints[i] = *us;
    else out.set_null(i);
  }
}

}  // namespace

// A CSV's texts are JSON, no text is null.
void Table::fill_packed(const Piece& piece, size_t column, int64_t row, size_t count, size_t at, Column& out) const {
  const std::scoped_lock lock(packed_mutex_);
  if (!is_text(*piece.array->type()))
    return fill_array(*piece.array, row, count, at, out, [this](std::string_view bytes) { return packed_.add(bytes); });
  JsonNested json;
  const JsonField field{.path = names_[column], .type = out.type, .time = JsonTime::kRfc3339};
  for (size_t i = 0; i < count; ++i) {
    const auto packed = json.decode(field, text_at(*piece.array, row + static_cast<int64_t>(i)));
    if (packed) out.strings[at + i] = packed_.add(*packed);
    else out.set_null(at + i);
  }
}

void Table::fill(size_t column, const Type& type, uint64_t from, size_t count, Column& out) const {
  if (type == TypeKind::kTimestamp) return fill_time(column, std::nullopt, from, count, out);
  out.reset(type, count);
  for (size_t done = 0; done < count;) {
    const Piece& piece = piece_at(column, from + done);
    const auto row = static_cast<int64_t>(from + done - piece.first);
    const size_t n = std::min(count - done, static_cast<size_t>(piece.array->length() - row));
    fill_valid(*piece.array, row, n, done, out);
    if (piece.array->type_id() == arrow::Type::NA) {
    } else if (type == TypeKind::kString) {
      fill_strings(*piece.array, row, n, done, out);
    } else if (type == TypeKind::kDecimal) {
      fill_array(*piece.array, row, n, done, out, {});
    } else if (!is_scalar(type)) {
      fill_packed(piece, column, row, n, done, out);
    } else if (type == TypeKind::kBool) {
      copy_any_number(*piece.array, row, n, done, out.bools.data());
      zero_nulls(out, done, n, out.bools.data());
    } else if (type == TypeKind::kFloat64) {
      copy_any_number(*piece.array, row, n, done, out.floats.data());
      zero_nulls(out, done, n, out.floats.data());
    } else {
      copy_any_number(*piece.array, row, n, done, out.ints.data());
      zero_nulls(out, done, n, out.ints.data());
    }
    done += n;
  }
}

void Table::fill_time(size_t column, std::optional<feature::TimeUnit> unit, uint64_t from, size_t count, Column& out) const {
  out.reset(TypeKind::kTimestamp, count);
  for (size_t done = 0; done < count;) {
    const Piece& piece = piece_at(column, from + done);
    const auto row = static_cast<int64_t>(from + done - piece.first);
    const size_t n = std::min(count - done, static_cast<size_t>(piece.array->length() - row));
    fill_valid(*piece.array, row, n, done, out);
    if (piece.array->type_id() != arrow::Type::NA) fill_times(*piece.array, unit, row, n, done, out);
    done += n;
  }
}

std::optional<std::vector<std::string_view>> Table::dictionary(size_t column) const {
  if (table_->field(static_cast<int>(column))->type()->id() != arrow::Type::DICTIONARY || pieces_[column].empty()) return std::nullopt;
  const auto& array = static_cast<const arrow::DictionaryArray&>(*pieces_[column].front().array);
  if (!is_text(*array.dictionary()->type()) || array.dictionary()->null_count() != 0) return std::nullopt;
  if (array.indices()->type_id() != arrow::Type::INT32) return std::nullopt;
  std::vector<std::string_view> out(static_cast<size_t>(array.dictionary()->length()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = text_at(*array.dictionary(), static_cast<int64_t>(i));
  return out;
}

void Table::codes(size_t column, uint64_t from, size_t count, uint32_t* out) const {
  for (size_t done = 0; done < count;) {
    const Piece& piece = piece_at(column, from + done);
    const auto row = static_cast<int64_t>(from + done - piece.first);
    const size_t n = std::min(count - done, static_cast<size_t>(piece.array->length() - row));
    const auto& indices = static_cast<const arrow::Int32Array&>(*static_cast<const arrow::DictionaryArray&>(*piece.array).indices());
    for (size_t i = 0; i < n; ++i) {
      const int64_t at = row + static_cast<int64_t>(i);
      out[done + i] = indices.IsValid(at) ? static_cast<uint32_t>(indices.Value(at)) : UINT32_MAX;
    }
    done += n;
  }
}

}  // namespace ms::history
