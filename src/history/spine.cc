#include "history/spine.h"

#include <algorithm>
#include <array>

#include "feature/view_program.h"
#include "history/parallel.h"

namespace ms::history {
namespace {

std::string at_row(const Table& spine, uint64_t row, const std::string& what) {
  return spine.path() + ": row " + std::to_string(row + 1) + ": " + what;
}

QuestionKey make_key(std::string_view bytes) {
  return {.bytes = bytes, .shard_hash = feature::shard_hash(bytes), .table_hash = feature::table_hash(bytes)};
}

void append_part(std::string& key, const Column& column, size_t row) {
  switch (column.type) {
    case TypeKind::kString: return feature::append_key_part(key, column.strings[row]);
    case TypeKind::kBool: return feature::append_key_part(key, column.bools[row] != 0);
    default: return feature::append_key_part(key, column.ints[row]);
  }
}

std::string null_key(const std::string& name) { return "the key '" + name + "' is null"; }

// One text key with a dictionary: each value is encoded once.
Result<> read_dictionary_keys(const Table& spine, size_t column, const std::vector<std::string_view>& values, unsigned threads,
                              const std::stop_token& stop, SpineKeys& out) {
  auto arena = std::make_unique<StringArena>();
  std::string key;
  for (const std::string_view value : values) {
    key.clear();
    feature::append_key_part(key, value);
    out.keys.push_back(make_key(arena->add(key)));
  }
  out.arenas.push_back(std::move(arena));
  return parallel_for(threads, (spine.rows() + kChunkRows - 1) / kChunkRows, stop, [&](size_t c, unsigned) -> Result<> {
    const uint64_t first = c * kChunkRows;
    const size_t rows = std::min<uint64_t>(kChunkRows, spine.rows() - first);
    spine.codes(column, first, rows, out.key_of.data() + first);
    for (size_t i = 0; i < rows; ++i)
      if (out.key_of[first + i] == UINT32_MAX) return invalid(at_row(spine, first + i, null_key(spine.names()[column])));
    return {};
  });
}

Result<> read_row_keys(const Table& spine, const std::vector<feature::Field>& fields, const std::vector<size_t>& columns,
                       unsigned threads, const std::stop_token& stop, SpineKeys& out) {
  const size_t chunks = (spine.rows() + kChunkRows - 1) / kChunkRows;
  out.keys.resize(spine.rows());
  for (size_t c = 0; c < chunks; ++c) out.arenas.push_back(std::make_unique<StringArena>());
  return parallel_for(threads, chunks, stop, [&](size_t c, unsigned) -> Result<> {
    const uint64_t first = c * kChunkRows;
    const size_t rows = std::min<uint64_t>(kChunkRows, spine.rows() - first);
    std::vector<Column> parts(columns.size());
    for (size_t p = 0; p < columns.size(); ++p) spine.fill(columns[p], fields[p].type, first, rows, parts[p]);
    std::string key;
    for (size_t i = 0; i < rows; ++i) {
      key.clear();
      for (size_t p = 0; p < parts.size(); ++p) {
        const bool empty = spine.is_csv() && fields[p].type == TypeKind::kString && parts[p].strings[i].empty();  // a CSV has no other null
        if (!parts[p].valid(i) || empty) return invalid(at_row(spine, first + i, null_key(fields[p].name)));
        append_part(key, parts[p], i);
      }
      out.keys[first + i] = make_key(out.arenas[c]->add(key));
      out.key_of[first + i] = static_cast<uint32_t>(first + i);
    }
    return {};
  });
}

}  // namespace

Result<size_t> choose_time_column(const Table& spine, std::string_view wanted) {
  size_t chosen = spine.names().size();
  if (!wanted.empty()) {
    TRY_ASSIGN(chosen, spine.find(wanted));
  } else {
    for (const std::string_view name : std::array{"event_time", "timestamp", "time", "date"}) {
      chosen = static_cast<size_t>(std::ranges::find(spine.names(), name) - spine.names().begin());
      if (chosen != spine.names().size()) break;
    }
    size_t timestamps = 0;
    for (size_t c = 0; c < spine.names().size() && chosen == spine.names().size(); ++c)
      timestamps += spine.is_timestamp(c);
    for (size_t c = 0; c < spine.names().size() && timestamps == 1; ++c)
      if (spine.is_timestamp(c)) chosen = c;
    if (chosen == spine.names().size())
      return invalid(spine.path() + ": it has " + std::to_string(timestamps) +
                     " timestamp columns and none called event_time, timestamp, time or date; name the time column (--time-column)");
  }
  TRY(spine.check_time(chosen, std::nullopt));
  return chosen;
}

Result<std::vector<int64_t>> read_times(const Table& spine, size_t column, unsigned threads, const std::stop_token& stop) {
  std::vector<int64_t> times(spine.rows());
  TRY(parallel_for(threads, (spine.rows() + kChunkRows - 1) / kChunkRows, stop, [&](size_t c, unsigned) -> Result<> {
    const uint64_t first = c * kChunkRows;
    const size_t rows = std::min<uint64_t>(kChunkRows, spine.rows() - first);
    Column values;
    spine.fill_time(column, std::nullopt, first, rows, values);
    for (size_t i = 0; i < rows; ++i)
      if (!values.valid(i))
        return invalid(at_row(spine, first + i, "the time '" + spine.names()[column] + "' is null or cannot be read as a time"));
    std::ranges::copy(values.ints, times.begin() + static_cast<ptrdiff_t>(first));
    return {};
  }));
  return times;
}

Result<SpineKeys> read_keys(const Table& spine, const std::vector<feature::Field>& key_fields, unsigned threads, const std::stop_token& stop) {
  std::vector<size_t> columns;
  for (const feature::Field& field : key_fields) {
    TRY_ASSIGN(const size_t column, spine.find(field.name));
    TRY(spine.check(column, field.type));
    columns.push_back(column);
  }
  SpineKeys out;
  out.key_of.resize(spine.rows());
  if (columns.size() == 1 && key_fields.front().type == TypeKind::kString) {
    if (const auto values = spine.dictionary(columns.front())) {
      TRY(read_dictionary_keys(spine, columns.front(), *values, threads, stop, out));
      return out;
    }
  }
  TRY(read_row_keys(spine, key_fields, columns, threads, stop, out));
  return out;
}

}  // namespace ms::history
