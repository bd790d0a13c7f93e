#include "engine/topic_reader.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "codec/json_columns.h"
#include "codec/record_batch.h"
#include "feature/source_fields.h"

namespace ms::engine {
namespace {

// A record of the chunk that is being filled.
struct PendingRecord {
  std::string_view key, value;
  size_t readable_after = 0;
  Offset offset;
  AppendTime append_time;
};

using Programs = std::span<const std::shared_ptr<const feature::ViewProgram>>;

// The columns that some programs need, decoded in one pass over each record.
class ColumnsDecoder {
 public:
  ColumnsDecoder(const feature::SourceDefinition& source, Programs programs) : max_ahead_us_(source.max_ahead_us) {
    std::vector<JsonField> fields;
    for (const auto& program : programs) {
      auto& columns = columns_.emplace_back();
      for (const feature::Field& field : program->input_fields()) columns.push_back(column_of(fields, feature::decoder_field(source, field)));
    }
    time_column_ = static_cast<uint32_t>(fields.size());
    fields.push_back(feature::decoder_time(source));
    for (auto& columns : columns_) columns.push_back(time_column_);
    decoder_ = JsonDecoder::make(std::move(fields));
  }

  // Calls refused(i, reason) for each record that has no row.
  void decode(PartitionId partition, std::span<const PendingRecord> records, const std::function<void(size_t, std::string)>& refused) {
    batch_.clear();
    decoder_->start(batch_, records.size());
    batch_.rows = records.size();
    batch_.partition = partition;
    keep_.assign(records.size(), 1);
    newest_us_ = INT64_MIN;
    for (size_t i = 0; i < records.size(); ++i) {
      const PendingRecord& record = records[i];
      batch_.offsets.push_back(record.offset);
      batch_.append_times.push_back(record.append_time);
      auto reason = decoder_->decode(record.value, record.readable_after, batch_, i);
      if (!reason) reason = too_far_ahead(i, record.append_time);
      if (reason) keep_[i] = 0, refused(i, std::move(*reason));
      else newest_us_ = std::max(newest_us_, batch_.columns[time_column_].ints[i]);
    }
  }

  // The largest event time of the records that were not refused.
  int64_t newest_us() const { return newest_us_; }

  // The rows of the program that was the p-th one given.
  void prepare(const feature::ViewProgram& program, size_t p, feature::PreparedRows& rows) const { program.prepare(batch_, columns_[p], keep_, rows); }

 private:
  static uint32_t column_of(std::vector<JsonField>& fields, JsonField wanted) {
    for (uint32_t i = 0; i < fields.size(); ++i)
      if (fields[i].path == wanted.path && fields[i].type == wanted.type) return i;
    fields.push_back(std::move(wanted));
    return static_cast<uint32_t>(fields.size() - 1);
  }

  std::optional<std::string> too_far_ahead(size_t row, AppendTime appended) const {
    const int64_t event_time = batch_.columns[time_column_].ints[row];
    int64_t latest = 0;
    if (__builtin_add_overflow(appended.us, max_ahead_us_, &latest) || event_time <= latest) return std::nullopt;
    return fmt::format("too_far_ahead: event time {} is more than {} after its append time {}", format_time(event_time),
                       format_duration(max_ahead_us_), format_time(appended.us));
  }

  const int64_t max_ahead_us_;
  std::vector<std::vector<uint32_t>> columns_;  // per program: where its input fields and the time stand in the batch
  uint32_t time_column_ = 0;
  std::unique_ptr<JsonDecoder> decoder_;
  ColumnBatch batch_;
  std::vector<uint8_t> keep_;
  int64_t newest_us_ = INT64_MIN;
};

// Decodes for one source. A record is a row of a view or not by the fields of that view alone, whoever else reads beside it:
// so a chunk with a record that the common pass refuses is decoded again for each view by itself.
class GroupDecoder {
 public:
  explicit GroupDecoder(ReaderGroup group) : group_(std::move(group)), common_(group_.source, group_.programs), rows_(group_.programs.size()) {
    if (group_.programs.size() == 1) return;
    for (const auto& program : group_.programs) alone_.emplace_back(group_.source, Programs(&program, 1));
  }

  void decode(PartitionId partition, std::span<const PendingRecord> records, TopicReader::Chunk& chunk) {
    std::map<size_t, std::string> refused;  // by record: one letter each, with the reason of the first view that refuses it
    std::set<uint32_t> retractions;         // records that take nothing back: one letter each, whatever the view
    const auto refuse = [&](size_t i, std::string reason) { refused.try_emplace(i, std::move(reason)); };
    common_.decode(partition, records, refuse);
    const bool apart = !refused.empty() && !alone_.empty();
    if (apart) {
      refused.clear();
      for (ColumnsDecoder& decoder : alone_) decoder.decode(partition, records, refuse);
    }
    for (auto& [i, reason] : refused) bury(chunk, partition, records[i], std::move(reason));
    for (size_t p = 0; p < group_.programs.size(); ++p) {
      rows_[p].clear();
      if (apart) alone_[p].prepare(*group_.programs[p], 0, rows_[p]);
      else common_.prepare(*group_.programs[p], p, rows_[p]);
      chunk.newest_us.push_back((apart ? alone_[p] : common_).newest_us());
      for (const feature::FailedRow& failed : rows_[p].failed)
        if (!failed.of_retraction || retractions.insert(failed.row).second) bury(chunk, partition, records[failed.row], reason_of(p, failed));
      chunk.rows.push_back(&rows_[p]);
    }
  }

  void bury(TopicReader::Chunk& chunk, PartitionId partition, const PendingRecord& record, std::string reason) const {
    chunk.dead.push_back({.source = group_.source.name, .partition = partition, .offset = record.offset,
                          .append_time = record.append_time, .reason = std::move(reason), .key = Slice::copy(record.key),
                          .value = Slice::copy(record.value)});
  }

 private:
  std::string reason_of(size_t program, const feature::FailedRow& failed) const {
    if (failed.of_retraction) return fmt::format("retraction: {}", failed.reason);
    return fmt::format("expression: view '{}': {}", group_.programs[program]->definition().name, failed.reason);
  }

  const ReaderGroup group_;
  ColumnsDecoder common_;
  std::vector<ColumnsDecoder> alone_;  // one per program, when there are several
  std::vector<feature::PreparedRows> rows_;
};

class TopicReaderImpl final : public TopicReader {
 public:
  explicit TopicReaderImpl(std::vector<ReaderGroup> groups) {
    for (ReaderGroup& group : groups) groups_.emplace_back(std::move(group));
  }

  Result<> read(PartitionId partition, std::span<const log::ReadBatch> batches, Offset from, Offset until, size_t rows_max,
                const Sink& sink) override {
    partition_ = partition, from_ = from, until_ = until, next_ = from;
    rows_max_ = std::min(rows_max, kBatchRowsMax);
    pending_.clear();
    for (const log::ReadBatch& batch : batches) {
      if (batch.last < from || batch.base >= until) continue;
      TRY(read_batch(batch, sink));
    }
    return {};
  }

 private:
  // Chunks never cross a batch, whose bytes (or decompressed copy) the rows point into.
  Result<> read_batch(const log::ReadBatch& batch, const Sink& sink) {
    if (!batch.committed) return flush(batch, std::min(Offset{batch.last.value + 1}, until_), sink);
    auto reader = RecordReader::open(batch.bytes.span(), scratch_);
    if (!reader) return bury_batch(batch, reader.error().message, sink);
    const bool compressed = reader->header().compression() != Compression::kNone;
    const char* end = compressed ? scratch_.data() + scratch_.size() : reinterpret_cast<const char*>(batch.bytes.data()) + batch.bytes.size();
    RecordView record;
    for (;;) {
      const auto step = reader->next(record);
      if (step == RecordReader::Step::kEnd) break;
      if (step == RecordReader::Step::kMalformed) {
        TRY(flush(batch, Offset{std::max(next_.value, pending_.empty() ? batch.base.value : pending_.back().offset.value + 1)}, sink));
        return bury_batch(batch, "its records are malformed", sink);
      }
      const Offset offset{record.offset};
      if (offset < from_ || offset >= until_) continue;
      const std::string_view value = record.value.value_or(std::string_view{});
      pending_.push_back({record.key.value_or(std::string_view{}), value, static_cast<size_t>(end - (value.data() + value.size())), offset, batch.at});
      if (!record.value) pending_.back().readable_after = 0;
      if (pending_.size() == rows_max_) TRY(flush(batch, Offset{offset.value + 1}, sink));
    }
    return flush(batch, std::min(Offset{batch.last.value + 1}, until_), sink);
  }

  Result<> flush(const log::ReadBatch& batch, Offset end, const Sink& sink) {
    if (end <= next_) return pending_.clear(), Result<>{};
    Chunk chunk{.partition = partition_, .begin = next_, .end = end, .append_time = batch.at, .records = pending_.size()};
    for (GroupDecoder& group : groups_) group.decode(partition_, pending_, chunk);
    pending_.clear();
    next_ = end;
    return sink(chunk);
  }

  // What is left of a batch that cannot be read: one letter per source, at the batch's first offset that is asked for.
  Result<> bury_batch(const log::ReadBatch& batch, const std::string& reason, const Sink& sink) {
    const PendingRecord whole{.key = {}, .value = batch.bytes.view(), .readable_after = 0, .offset = std::max(next_, batch.base), .append_time = batch.at};
    const Offset end = std::min(Offset{batch.last.value + 1}, until_);
    if (end <= next_) return {};
    Chunk chunk{.partition = partition_, .begin = next_, .end = end, .append_time = batch.at, .records = 0};
    for (GroupDecoder& group : groups_) group.decode(partition_, {}, chunk), group.bury(chunk, partition_, whole, "batch: " + reason);
    next_ = end;
    return sink(chunk);
  }

  std::vector<GroupDecoder> groups_;
  std::string scratch_;
  std::vector<PendingRecord> pending_;
  PartitionId partition_;
  Offset from_, until_, next_;
  size_t rows_max_ = 0;
};

}  // namespace

std::unique_ptr<TopicReader> TopicReader::make(std::vector<ReaderGroup> groups) {
  return std::make_unique<TopicReaderImpl>(std::move(groups));
}

}  // namespace ms::engine
