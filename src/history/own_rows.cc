#include "history/own_rows.h"

#include <algorithm>
#include <limits>

#include "history/parallel.h"

namespace ms::history {
namespace {

auto place_of(const feature::RowPosition& at) { return std::pair(at.partition, at.offset); }

std::string no_position(const Table& spine, uint64_t row, const std::string& column) {
  return spine.path() + ": row " + std::to_string(row + 1) + ": '" + column + "' is null or no position of an event";
}

}  // namespace

Result<OwnRows> read_own_rows(const Table& spine, const std::string& partition, const std::string& offset, unsigned threads,
                              const std::stop_token& stop) {
  OwnRows out(spine.rows());
  const auto read = [&](const std::string& name, int64_t most, auto put) -> Result<> {
    TRY_ASSIGN(const size_t column, spine.find(name));
    TRY(spine.check(column, TypeKind::kInt64));
    return parallel_for(threads, (spine.rows() + kChunkRows - 1) / kChunkRows, stop, [&](size_t c, unsigned) -> Result<> {
      const uint64_t first = c * kChunkRows;
      const size_t rows = std::min<uint64_t>(kChunkRows, spine.rows() - first);
      Column values;
      spine.fill(column, TypeKind::kInt64, first, rows, values);
      for (size_t i = 0; i < rows; ++i) {
        if (!values.valid(i) || values.ints[i] < 0 || values.ints[i] > most) return invalid(no_position(spine, first + i, name));
        put(out[first + i], values.ints[i]);
      }
      return {};
    });
  };
  if (!partition.empty()) {
    TRY(read(partition, std::numeric_limits<int32_t>::max(),
             [](feature::RowPosition& at, int64_t v) { at.partition = static_cast<int32_t>(v); }));
  }
  if (offset.empty()) {
    for (size_t i = 0; i < out.size(); ++i) out[i].offset = static_cast<int64_t>(i);
    return out;
  }
  TRY(read(offset, std::numeric_limits<int64_t>::max(), [](feature::RowPosition& at, int64_t v) { at.offset = v; }));
  return out;
}

Result<OwnRowsCheck> OwnRowsCheck::make(const feature::SourceDefinition& source, const feature::ViewProgram& view,
                                        const Questions& questions, const OwnRows& own, std::vector<uint32_t> unmet) {
  OwnRowsCheck out(questions, own);
  std::ranges::sort(unmet, {}, [&](uint32_t i) { return place_of(own[i]); });
  feature::EntityDefinition entity{view.definition().entity, {}};
  for (const feature::Field& key : view.key_fields()) entity.key.push_back(key.name);
  const feature::Window shortest{feature::WindowKind::kSlidingExact, 10 * kMicrosPerSecond};
  const feature::ViewDefinition every{
      .name = view.definition().name, .entity = entity.name, .source = source.name, .features = {{.name = "n", .window = shortest}}};
  TRY_ASSIGN(out.program_, feature::ViewProgram::compile(source, entity, every));
  std::vector<int64_t> times;
  Questions some{.keys = questions.keys};
  for (const uint32_t i : unmet) some.key_of.push_back(questions.key_of[i]), times.push_back(questions.times_us[i]);
  some.times_us = times.data(), some.rows = times.size();
  out.wanted_ = std::make_unique<Wanted>(out.program_->specs(), some, true);
  out.unmet_ = std::move(unmet);
  return out;
}

std::optional<uint32_t> OwnRowsCheck::first_missing(const ViewEvents& events) const {
  std::vector<uint8_t> there(unmet_.size());
  for (const auto& chunk : events.chunks) {
    const feature::PreparedRows& rows = chunk->rows;
    for (size_t r = 0; r < rows.rows; ++r) {
      if (!rows.retracts.empty() && rows.retracts[r] != feature::PreparedRows::kEvent) continue;  // no event that a row was made from
      const auto same = std::ranges::equal_range(unmet_, std::pair(rows.partition, rows.offsets[r]), {},
                                                 [&](uint32_t i) { return place_of((*own_)[i]); });
      for (auto it = same.begin(); it != same.end(); ++it) {
        const QuestionKey& key = questions_->keys[questions_->key_of[*it]];
        if (questions_->times_us[*it] == rows.event_times_us[r] && key.bytes == rows.keys[r])
          there[static_cast<size_t>(it - unmet_.begin())] = 1;
      }
    }
  }
  std::optional<uint32_t> out;
  for (size_t i = 0; i < unmet_.size(); ++i)
    if (there[i] == 0 && (!out || unmet_[i] < *out)) out = unmet_[i];
  return out;
}

}  // namespace ms::history
