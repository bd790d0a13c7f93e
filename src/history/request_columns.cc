#include "history/request_columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "history/parallel.h"

namespace ms::history {
namespace {

// A text that is no time would be null: nobody said that it is.
Result<> check_times(const Table& spine, size_t column, unsigned threads, const std::stop_token& stop) {
  if (!spine.check(column, TypeKind::kString)) return {};
  return parallel_for(threads, (spine.rows() + kChunkRows - 1) / kChunkRows, stop, [&](size_t c, unsigned) -> Result<> {
    const uint64_t first = c * kChunkRows;
    const size_t rows = std::min<uint64_t>(kChunkRows, spine.rows() - first);
    Column texts, times;
    spine.fill(column, TypeKind::kString, first, rows, texts);
    spine.fill(column, TypeKind::kTimestamp, first, rows, times);
    for (size_t i = 0; i < rows; ++i)
      if (texts.valid(i) && !times.valid(i) && !(spine.is_csv() && texts.strings[i].empty()))
        return invalid(fmt::format("{}: row {}: '{}' in column '{}' is no RFC 3339 time", spine.path(), first + i + 1, texts.strings[i].substr(0, 60),
                                   spine.names()[column]));
    return {};
  });
}

}  // namespace

std::string_view request_column(const std::vector<std::string>& names, const std::string& field) {
  for (const std::string& wanted : {"request." + field, field})
    if (const auto at = std::ranges::find(names, wanted); at != names.end()) return *at;
  return {};
}

void add_request_types(const std::vector<std::string>& names, const std::vector<feature::Field>& fields, std::map<std::string, Type>& types) {
  for (const feature::Field& field : fields) {
    const std::string_view column = request_column(names, field.name);
    if (!column.empty() && field.type != TypeKind::kTimestamp) types.emplace(column, field.type);
  }
}

Result<std::vector<size_t>> find_request_columns(const Table& spine, const std::vector<feature::Field>& fields, unsigned threads,
                                                 const std::stop_token& stop) {
  std::vector<size_t> out;
  for (const feature::Field& field : fields) {
    const std::string_view name = request_column(spine.names(), field.name);
    if (name.empty())
      return invalid(fmt::format("{}: it has no column 'request.{}' or '{}' for the request field '{}' ({}){}", spine.path(), field.name, field.name,
                                 field.name, type_text(field.type), did_you_mean(field.name, spine.names())));
    TRY_ASSIGN(const size_t column, spine.find(name));
    TRY(spine.check(column, field.type));
    if (field.type == TypeKind::kTimestamp) TRY(check_times(spine, column, threads, stop));
    out.push_back(column);
  }
  return out;
}

}  // namespace ms::history
