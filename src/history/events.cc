#include "history/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/types.h"
#include "engine/topic_reader.h"
#include "feature/state_layout.h"
#include "history/parallel.h"

namespace ms::history {
namespace {

// No row of a record that was appended at `at` or before has a later event time.
int64_t latest_event_time(AppendTime at, int64_t max_ahead_us) {
  int64_t out = 0;
  return __builtin_add_overflow(at.us, max_ahead_us, &out) ? INT64_MAX : out;
}

template <class T>
std::vector<T> in_order(const std::vector<T>& values, std::span<const uint32_t> order) {
  std::vector<T> out;
  if (values.empty()) return out;
  out.reserve(order.size());
  for (const uint32_t i : order) out.push_back(values[i]);
  return out;
}

Column in_order(const Column& from, std::span<const uint32_t> order) {
  Column out;
  out.type = from.type;
  out.bools = in_order(from.bools, order), out.ints = in_order(from.ints, order), out.floats = in_order(from.floats, order);
  out.decimals = in_order(from.decimals, order), out.strings = in_order(from.strings, order);
  out.validity.resize((order.size() + 63) / 64);
  for (size_t i = 0; i < order.size(); ++i) out.validity[i / 64] |= static_cast<uint64_t>(from.valid(order[i])) << (i % 64);
  return out;
}

// The keys' bytes come to lie in the order of the rows, so that a replay finds them where it reads; equal keys of neighbours
// share theirs, so that a replay of few keys compares bytes that it has just read.
void gather_keys(feature::PreparedRows& rows) {
  std::array<std::string_view, 64> seen, from;
  for (size_t i = 0; i < rows.rows; ++i) {
    const size_t place = rows.table_hashes[i] % seen.size();
    if (from[place].data() != rows.keys[i].data() && seen[place] != rows.keys[i]) seen[place] = rows.arena.add(rows.keys[i]);
    from[place] = rows.keys[i];
    rows.keys[i] = seen[place];
  }
}

// Some texts lie in an arena that goes.
void keep_texts(feature::PreparedRows& rows) {
  for (Column& column : rows.arguments)
    for (std::string_view& text : column.strings) text = rows.arena.add(text);
}

// The rows of a chunk: those of one group come to lie together, in the order they had, so that a replay goes through a chunk group
// by group. Those that no question can see are left out; those with known keys were chosen before.
void finish(const feature::PreparedRows& from, uint32_t groups, const Wanted* wanted, bool known_keys, EventChunk& chunk) {
  constexpr size_t kAhead = 16;
  if (known_keys) wanted = nullptr;
  std::vector<uint32_t> kept;
  kept.reserve(from.rows);
  for (uint32_t i = 0; i < from.rows; ++i) {
    if (wanted != nullptr && i + kAhead < from.rows) wanted->prefetch(from.table_hashes[i + kAhead]);
    if (wanted == nullptr || wanted->row(from.table_hashes[i], from.event_times_us[i])) kept.push_back(i);
  }
  chunk.in_time_order = std::ranges::is_sorted(kept, {}, [&](uint32_t i) { return from.event_times_us[i]; });
  chunk.grouping = Grouping::make(kept.size(), groups, [&](size_t i) { return from.shard_hashes[kept[i]]; });
  std::vector<uint32_t>& order = chunk.grouping.order;
  for (uint32_t& i : order) i = kept[i];
  feature::PreparedRows& rows = chunk.rows;
  rows.rows = order.size();
  rows.partition = from.partition;
  rows.keys = in_order(from.keys, order);
  rows.table_hashes = in_order(from.table_hashes, order);
  rows.event_times_us = in_order(from.event_times_us, order);
  rows.offsets = in_order(from.offsets, order);
  rows.retracts = in_order(from.retracts, order);
  for (const Column& column : from.arguments) rows.arguments.push_back(in_order(column, order));
  for (const auto& filter : from.filters) rows.filters.push_back(in_order(filter, order));
  if (!known_keys) gather_keys(rows);
  keep_texts(rows);
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
}

// A finished chunk stays in memory while there is room.
Result<> keep_or_spill(EventChunk& chunk, const EventRequest& request) {
  if (request.spill == nullptr || request.spill->has_room_for(Spill::bytes_of(chunk.rows))) return {};
  TRY_ASSIGN(chunk.places, request.spill->write(chunk.rows, chunk.grouping.begin));
  chunk.spill = request.spill;
  feature::PreparedRows types;
  types.partition = chunk.rows.partition;
  types.filters.resize(chunk.rows.filters.size());
  for (const Column& column : chunk.rows.arguments) types.arguments.emplace_back().type = column.type;
  chunk.rows = std::move(types);
  chunk.grouping.order = {};
  return {};
}

// ---- files

Result<std::vector<size_t>> locate(const Table& table, const feature::SourceDefinition& source, const feature::ViewProgram& program) {
  std::vector<size_t> columns;
  for (const feature::Field& field : program.input_fields()) {
    TRY_ASSIGN(const size_t column, table.find(field.name));
    if (field.type == TypeKind::kTimestamp) TRY(table.check_time(column, source.time_unit));
    else TRY(table.check(column, field.type));
    columns.push_back(column);
  }
  TRY_ASSIGN(const size_t time, table.find(source.time_field));
  TRY(table.check_time(time, source.time_unit));
  columns.push_back(time);
  return columns;
}

const Wanted* wanted_by(const EventRequest& request, size_t view) { return view < request.wanted.size() ? request.wanted[view] : nullptr; }

template <class T>
void select(std::vector<T>& values, std::span<const uint32_t> rows) {
  if (values.empty()) return;
  for (size_t i = 0; i < rows.size(); ++i) values[i] = values[rows[i]];  // ascending: never over one that is still needed
  values.resize(rows.size());
}
void select(Column& column, std::span<const uint32_t> rows) {
  select(column.bools, rows), select(column.ints, rows), select(column.floats, rows), select(column.decimals, rows);
  select(column.strings, rows);
  for (size_t i = 0; i < rows.size(); ++i) column.valid(rows[i]) ? column.set_valid(i) : column.set_null(i);
  column.validity.resize((rows.size() + 63) / 64);
}

// Decodes rows of a table for one view as a decoder of events would, but for those that nobody asks for.
class TableDecoder {
 public:
  TableDecoder(const EventRequest& request, size_t view, const Table& table, std::vector<size_t> columns)
      : table_(table),
        unit_(request.source.time_unit),
        latest_us_(latest_event_time(request.read_at, request.source.max_ahead_us)),
        program_(*request.programs[view]),
        wanted_(wanted_by(request, view)),
        columns_(std::move(columns)) {
    batch_.columns.resize(columns_.size());
    for (uint32_t i = 0; i < columns_.size(); ++i) places_.push_back(i);
    if (wanted_ == nullptr || !wanted_->knows_columns()) return;
    for (const feature::Field& key : program_.key_fields())
      keys_.push_back(static_cast<size_t>(std::ranges::find(program_.input_fields(), key) - program_.input_fields().begin()));
  }

  // Appends to `out` what there is in rows [from, from + count); row 0 has the offset `first`. Returns how many have no time.
  uint64_t decode(uint64_t from, size_t count, uint64_t first, feature::PreparedRows& out) {
    Column& time = batch_.columns.back();
    table_.fill_time(columns_.back(), unit_, from, count, time);
    keep_.assign(count, 1);
    uint64_t lost = 0;
    for (size_t i = 0; i < count; ++i)
      if (!time.valid(i)) keep_[i] = 0, ++lost;
      else if (time.ints[i] <= latest_us_) newest_us_ = std::max(newest_us_, time.ints[i]);
    choose(from, count);
    if (rows_.empty()) return lost;
    for (size_t f = 0; f + 1 < columns_.size(); ++f) {
      if (std::ranges::find(keys_, f) == keys_.end()) fill(f, from, count);
      if (rows_.size() < count) select(batch_.columns[f], rows_);
    }
    if (rows_.size() < count) select(time, rows_);
    if (knows_keys()) select(known_, rows_);
    batch_.rows = rows_.size();
    batch_.offsets.resize(batch_.rows);
    batch_.append_times.resize(batch_.rows);
    for (size_t i = 0; i < batch_.rows; ++i) {
      batch_.offsets[i].value = static_cast<int64_t>(first + from + rows_[i]);
      batch_.append_times[i].us = time.ints[i];  // a file knows no append time: nothing is ahead of its own time
    }
    keep_.assign(batch_.rows, 1);
    program_.prepare(batch_, places_, keep_, known_, out);
    return lost;
  }
  // Whether rows come with the questions' keys, and only those that a question can see.
  bool knows_keys() const { return !keys_.empty() && wanted_->tells_keys(); }

  int64_t newest_us() const { return newest_us_; }

 private:
  void fill(size_t f, uint64_t from, size_t count) {
    table_.fill(columns_[f], program_.input_fields()[f].type, from, count, batch_.columns[f]);
  }

  // The rows with a time that may be wanted.
  void choose(uint64_t from, size_t count) {
    const Column& time = batch_.columns.back();
    if (wanted_ != nullptr)
      for (size_t i = 0; i < count; ++i) keep_[i] &= static_cast<uint8_t>(wanted_->times().has(time.ints[i]));
    std::vector<const Column*> parts;
    for (const size_t f : keys_) fill(f, from, count), parts.push_back(&batch_.columns[f]);
    if (!keys_.empty()) wanted_->keep_keys(parts, keep_);
    if (knows_keys()) wanted_->find_keys(*parts.front(), time, keep_, known_);
    rows_.resize(count);
    size_t kept = 0;
    for (uint32_t i = 0; i < count; ++i) rows_[kept] = i, kept += keep_[i];
    rows_.resize(kept);
  }

  const Table& table_;
  const feature::TimeUnit unit_;
  const int64_t latest_us_;  // nothing later was recorded in earnest
  const feature::ViewProgram& program_;
  const Wanted* wanted_;
  const std::vector<size_t> columns_;
  int64_t newest_us_ = INT64_MIN;
  std::vector<size_t> keys_;  // among the input fields; empty: the keys do not tell
  ColumnBatch batch_;
  std::vector<uint32_t> places_;  // of the columns in the batch
  std::vector<uint8_t> keep_;
  std::vector<uint32_t> rows_;
  std::vector<const feature::HashedKey*> known_;  // by row; empty: the program makes keys
};

// ---- the log

// The reader lends its rows until the next call; a chunk of the history owns them.
void append_column(const Column& from, size_t from_rows, Column& to, size_t to_rows, StringArena& arena) {
  to.type = from.type;
  const size_t rows = to_rows + from_rows;
  to.validity.resize((rows + 63) / 64);
  for (size_t i = 0; i < from_rows; ++i) from.valid(i) ? to.set_valid(to_rows + i) : to.set_null(to_rows + i);
  switch (from.type) {
    case TypeKind::kBool: to.bools.insert(to.bools.end(), from.bools.begin(), from.bools.begin() + from_rows); break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: to.ints.insert(to.ints.end(), from.ints.begin(), from.ints.begin() + from_rows); break;
    case TypeKind::kFloat64: to.floats.insert(to.floats.end(), from.floats.begin(), from.floats.begin() + from_rows); break;
    case TypeKind::kDecimal: to.decimals.insert(to.decimals.end(), from.decimals.begin(), from.decimals.begin() + from_rows); break;
    case TypeKind::kString:
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap:
      for (size_t i = 0; i < from_rows; ++i) to.strings.push_back(arena.add(from.strings[i]));
      break;
  }
}

template <class T>
void append_all(std::vector<T>& to, const std::vector<T>& from, size_t rows) {
  to.insert(to.end(), from.begin(), from.begin() + rows);
}

void append_rows(const feature::PreparedRows& from, feature::PreparedRows& to) {
  for (size_t i = 0; i < from.rows; ++i) to.keys.push_back(to.arena.add(from.keys[i]));
  append_all(to.shard_hashes, from.shard_hashes, from.rows);
  append_all(to.table_hashes, from.table_hashes, from.rows);
  append_all(to.event_times_us, from.event_times_us, from.rows);
  append_all(to.offsets, from.offsets, from.rows);
  if (!from.retracts.empty()) append_all(to.retracts, from.retracts, from.rows);
  to.arguments.resize(from.arguments.size());
  for (size_t a = 0; a < from.arguments.size(); ++a) append_column(from.arguments[a], from.rows, to.arguments[a], to.rows, to.arena);
  to.filters.resize(from.filters.size());
  for (size_t f = 0; f < from.filters.size(); ++f) append_all(to.filters[f], from.filters[f], from.rows);
  to.partition = from.partition;
  to.filtered += from.filtered;
  to.null_keys += from.null_keys;
  to.rows += from.rows;
}

struct PartitionHistory {
  std::vector<std::vector<std::unique_ptr<EventChunk>>> views;
  uint64_t records = 0, undecodable = 0;
  std::vector<int64_t> newest_us;  // by view
  LostEvents lost;
};

}  // namespace

Result<LostEvents> lost_before(const feature::SourceDefinition& source, TopicPartition partition, const log::PartitionState& state,
                               log::Log& log) {
  if (state.log_start == Offset{0}) return LostEvents{};
  std::optional<AppendTime> last = state.last_removed;
  if (!last) {  // an older version did not keep it: what is still there was appended later
    TRY_ASSIGN(const log::ReadResult first, log.read(partition, state.log_start, 1));
    if (!first.batches.empty()) last = first.batches.front().at;
  }
  const int64_t until_us = last ? latest_event_time(*last, source.max_ahead_us) : INT64_MAX;
  return LostEvents{.until_us = until_us, .partition = partition.partition, .log_start = state.log_start};
}

namespace {

Result<PartitionHistory> read_from(const EventRequest& request, TopicPartition partition, const log::PartitionState& state, Offset until,
                                   log::Log& log) {
  PartitionHistory out;
  if (until > Offset{0}) {  // else nothing of it is asked for
    TRY_ASSIGN(out.lost, lost_before(request.source, partition, state, log));
  }
  out.views.resize(request.programs.size());
  out.newest_us.resize(request.programs.size(), INT64_MIN);
  const auto reader = engine::TopicReader::make({{.source = request.source, .programs = request.programs}});
  const auto close = [&](size_t v, EventChunk& chunk) -> Result<> {
    const feature::PreparedRows rows = std::exchange(chunk.rows, {});
    finish(rows, request.groups, wanted_by(request, v), false, chunk);
    return keep_or_spill(chunk, request);
  };
  const auto sink = [&](engine::TopicReader::Chunk& chunk) -> Result<> {
    out.records += chunk.records;
    out.undecodable += chunk.dead.size();
    for (size_t v = 0; v < out.views.size(); ++v) {
      const feature::PreparedRows& rows = *chunk.rows[v];
      out.newest_us[v] = std::max(out.newest_us[v], chunk.newest_us[v]);
      if (rows.rows == 0) continue;
      auto& chunks = out.views[v];
      if (chunks.empty() || chunks.back()->rows.rows + rows.rows > kChunkRows) {
        if (!chunks.empty()) TRY(close(v, *chunks.back()));
        chunks.push_back(std::make_unique<EventChunk>());
      }
      append_rows(rows, chunks.back()->rows);
      chunks.back()->rows.partition = partition.partition.value;
    }
    return {};
  };
  for (Offset at = state.log_start; at < until;) {
    if (request.stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
    TRY_ASSIGN(const log::ReadResult read, log.read(partition, at, 8u << 20));
    if (read.batches.empty()) break;
    TRY(reader->read(partition.partition, read.batches, at, until, kBatchRowsMax, sink));
    const Offset next{read.batches.back().last.value + 1};
    if (request.report) request.report(static_cast<uint64_t>(std::min(next, until).value - at.value));
    at = next;
  }
  for (size_t v = 0; v < out.views.size(); ++v)
    if (!out.views[v].empty()) TRY(close(v, *out.views[v].back()));
  return out;
}

// Retention may pass the reader by: then what is read must start again where the log starts now.
Result<PartitionHistory> read_partition(const EventRequest& request, TopicPartition partition, Offset until, log::Log& log) {
  for (;;) {
    TRY_ASSIGN(const log::PartitionState before, log.partition_state(partition));
    auto out = read_from(request, partition, before, until, log);
    if (out || out.error().kind != ErrorKind::kInvalidArgument) return out;
    TRY_ASSIGN(const log::PartitionState after, log.partition_state(partition));
    if (after.log_start == before.log_start) return out;
  }
}

}  // namespace

bool LostEvents::reach(const feature::Window& window, int64_t t) const {
  return any() && feature::WindowPlan{window}.tail(t) <= until_us;
}

std::string LostEvents::text(std::string_view topic) const {
  const std::string where = fmt::format("the log holds {}-{} from offset {} on", topic, partition.value, log_start.value);
  if (until_us == INT64_MAX) return where + "; nothing says how late the events were that retention removed there";
  return where + "; what retention removed there may reach up to " + format_time(until_us);
}

namespace {

// Views made at different times may hold different versions of the source.
Result<> check_may_be_a_file(const EventRequest& request) {
  if (std::ranges::none_of(request.programs, [](const auto& program) { return program->retracts(); })) return {};
  return invalid(fmt::format("source '{0}' takes events back by their offsets in the log, which a file does not have: its history is the log "
                             "alone; leave --events {0}=FILE out",
                             request.source.name));
}

}  // namespace

Result<std::vector<std::string>> event_columns(const EventRequest& request) {
  TRY(check_may_be_a_file(request));
  std::vector<std::string> names{request.source.time_field};
  for (const auto& program : request.programs)
    for (const feature::Field& field : program->input_fields())
      if (std::ranges::find(names, field.name) == names.end()) names.push_back(field.name);
  return names;
}

namespace {

// What one task read: chunks by view.
struct TableHistory {
  std::vector<std::vector<std::unique_ptr<EventChunk>>> views;
  uint64_t undecodable = 0;
  int64_t newest_us = INT64_MIN;
};

// By program: where the table has its input fields, then the time; checks their types and values.
Result<std::vector<std::vector<size_t>>> locate_all(const EventRequest& request, const Table& table) {
  TRY(check_may_be_a_file(request));
  std::vector<std::vector<size_t>> out;
  for (const auto& program : request.programs) {
    TRY_ASSIGN(auto columns, locate(table, request.source, *program));
    out.push_back(std::move(columns));
  }
  return out;
}

// Rows [from, until) of a table whose row 0 has the offset `first`.
Result<TableHistory> read_rows(const EventRequest& request, const Table& table, const std::vector<std::vector<size_t>>& columns,
                               uint64_t from, uint64_t until, uint64_t first) {
  TableHistory out;
  out.views.resize(request.programs.size());
  for (size_t v = 0; v < out.views.size(); ++v) {
    TableDecoder decoder(request, v, table, columns[v]);
    feature::PreparedRows rows;  // one memory for all chunks: those keep just what is asked for
    const auto close = [&]() -> Result<> {
      out.undecodable += rows.failed.size();  // an expression had no value: a dead letter of this view
      auto chunk = std::make_unique<EventChunk>();
      finish(rows, request.groups, wanted_by(request, v), decoder.knows_keys(), *chunk);
      if (chunk->rows.rows > 0) {
        TRY(keep_or_spill(*chunk, request));
        out.views[v].push_back(std::move(chunk));
      }
      rows.clear();
      return {};
    };
    for (uint64_t at = from; at < until; at += kBatchRowsMax) {
      const size_t count = std::min<uint64_t>(kBatchRowsMax, until - at);
      if (rows.rows == 0) rows.reserve(std::min<uint64_t>(kChunkRows, until - at));
      const uint64_t lost = decoder.decode(at, count, first, rows);
      if (v == 0) out.undecodable += lost;
      if (rows.rows + kBatchRowsMax > kChunkRows) TRY(close());
    }
    TRY(close());
    out.newest_us = std::max(out.newest_us, decoder.newest_us());
  }
  return out;
}

void append(std::vector<TableHistory>& parts, SourceHistory& out) {
  for (TableHistory& part : parts) {
    out.undecodable += part.undecodable;
    for (int64_t& newest_us : out.newest_us) newest_us = std::max(newest_us, part.newest_us);
    for (size_t v = 0; v < part.views.size(); ++v) std::ranges::move(part.views[v], std::back_inserter(out.views[v].chunks));
  }
}

// What any view of the request may want.
TimeRange wanted_times(const EventRequest& request) {
  TimeRange out;
  for (size_t v = 0; v < request.programs.size(); ++v)
    out.add(wanted_by(request, v) ? wanted_by(request, v)->times() : TimeRange{.from_us = INT64_MIN, .until_us = INT64_MAX});
  return out;
}

}  // namespace

Result<SourceHistory> read_events(const EventRequest& request, std::shared_ptr<const Table> table) {
  SourceHistory out;
  out.table = table;
  out.records = table->rows();
  out.views.resize(request.programs.size());
  out.newest_us.resize(request.programs.size(), INT64_MIN);
  TRY_ASSIGN(const auto columns, locate_all(request, *table));
  std::vector<TableHistory> parts((table->rows() + kChunkRows - 1) / kChunkRows);
  TRY(parallel_for(request.threads, parts.size(), request.stop, [&](size_t c, unsigned) -> Result<> {
    const uint64_t first = c * kChunkRows, last = std::min<uint64_t>(first + kChunkRows, table->rows());
    TRY_ASSIGN(parts[c], read_rows(request, *table, columns, first, last, 0));
    if (request.report) request.report(last - first);
    return {};
  }));
  append(parts, out);
  return out;
}

Result<SourceHistory> read_events(const EventRequest& request, const TableFile& file) {
  SourceHistory out;
  out.records = file.rows();
  out.views.resize(request.programs.size());
  out.newest_us.resize(request.programs.size(), INT64_MIN);
  TRY_ASSIGN(const auto types, file.no_rows());
  TRY(locate_all(request, *types));
  const TimeRange wanted = wanted_times(request);
  const int64_t latest_us = latest_event_time(request.read_at, request.source.max_ahead_us);
  std::vector<TableHistory> parts(file.groups());
  TRY(parallel_for(request.threads, parts.size(), request.stop, [&](size_t g, unsigned) -> Result<> {
    const auto times = file.times(g, request.source.time_field, request.source.time_unit);
    const bool skip = times && (times->until_us <= wanted.from_us || wanted.until_us <= times->from_us) && times->until_us - 1 <= latest_us;
    parts[g].views.resize(request.programs.size());
    if (skip) parts[g].newest_us = times->until_us - 1;
    if (!skip) {
      TRY_ASSIGN(const auto table, file.read(g));
      TRY_ASSIGN(const auto columns, locate_all(request, *table));
      TRY_ASSIGN(parts[g], read_rows(request, *table, columns, 0, table->rows(), file.first_row(g)));
    }
    if (request.report) request.report(file.rows(g));
    return {};
  }));
  append(parts, out);
  return out;
}

Result<SourceHistory> read_events(const EventRequest& request, TopicId topic, const engine::OffsetVector& until, log::Log& log) {
  std::vector<std::pair<TopicPartition, Offset>> partitions;
  for (const auto& [partition, end] : until)
    if (partition.topic == topic) partitions.emplace_back(partition, end);
  std::vector<PartitionHistory> parts(partitions.size());
  TRY(parallel_for(request.threads, partitions.size(), request.stop, [&](size_t i, unsigned) -> Result<> {
    TRY_ASSIGN(parts[i], read_partition(request, partitions[i].first, partitions[i].second, log));
    return {};
  }));
  SourceHistory out;
  out.views.resize(request.programs.size());
  out.newest_us.resize(request.programs.size(), INT64_MIN);
  for (PartitionHistory& part : parts) {
    out.records += part.records;
    out.undecodable += part.undecodable;
    for (size_t v = 0; v < out.views.size(); ++v) out.newest_us[v] = std::max(out.newest_us[v], part.newest_us[v]);
    if (part.lost.until_us > out.lost.until_us) out.lost = part.lost;
    for (size_t v = 0; v < out.views.size(); ++v) {
      out.views[v].topic = topic;
      std::ranges::move(part.views[v], std::back_inserter(out.views[v].chunks));
    }
  }
  return out;
}

}  // namespace ms::history
