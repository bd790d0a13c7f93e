// Reads of the embedded log: tail from memory or WAL, older data from stream objects, lookups by time.
#include <fmt/format.h>

#include "codec/record_batch.h"
#include "log/embedded_log.h"
#include "log/tail_reader.h"

namespace ms::log {
namespace {

// The first record of the batch with timestamp >= timestamp_ms and offset >= log_start.
Result<std::optional<OffsetAndTime>> find_in_batch(const ReadBatch& batch, int64_t timestamp_ms, Offset log_start) {
  std::string scratch;
  TRY_ASSIGN(RecordReader reader, RecordReader::open(batch.bytes.span(), scratch));
  RecordView record;
  for (;;) {
    switch (reader.next(record)) {
      case RecordReader::Step::kEnd: return std::nullopt;
      case RecordReader::Step::kMalformed: return corruption(fmt::format("the records of the batch at offset {} do not parse", batch.base.value));
      case RecordReader::Step::kRecord:
        if (record.timestamp_ms >= timestamp_ms && record.offset >= log_start.value) return OffsetAndTime{{record.offset}, record.timestamp_ms};
    }
  }
}

// The largest timestamp of the batch's records from log_start on; of all of them when they do not parse.
int64_t max_timestamp_from(const ReadBatch& batch, Offset log_start) {
  const auto header = parse_record_batch(batch.bytes.span());
  if (!header) return INT64_MIN;
  if (batch.base >= log_start) return header->largest_timestamp_ms();
  std::string scratch;
  auto reader = RecordReader::open(batch.bytes.span(), scratch);
  if (!reader) return header->max_timestamp_ms;
  int64_t largest = INT64_MIN;
  RecordView record;
  auto step = reader->next(record);
  for (; step == RecordReader::Step::kRecord; step = reader->next(record))
    if (record.offset >= log_start.value) largest = std::max(largest, record.timestamp_ms);
  return step == RecordReader::Step::kEnd ? largest : header->max_timestamp_ms;
}

// A client may have written a batch whose records do not parse; a lookup by time passes it by.
Result<std::optional<OffsetAndTime>> look_in_batch(const ReadBatch& batch, int64_t timestamp_ms, Offset log_start) {
  if (const auto header = parse_record_batch(batch.bytes.span()); header && header->max_timestamp_ms < timestamp_ms) return std::nullopt;
  auto found = find_in_batch(batch, timestamp_ms, log_start);
  if (!found && (found.error().kind == ErrorKind::kCorruption || found.error().kind == ErrorKind::kExhausted)) return std::nullopt;
  return found;
}

}  // namespace

Result<std::shared_ptr<PartitionLog>> EmbeddedLog::partition(const TopicPartition& p) const {
  auto found = view_.find(p);
  if (!found) return not_found(fmt::format("no partition {} of topic {}", p.partition.value, p.topic.uuid.to_string()));
  return found;
}

Result<PartitionState> EmbeddedLog::partition_state(TopicPartition p) const {
  TRY_ASSIGN(const auto log, partition(p));
  return log->state();
}

Result<Offset> EmbeddedLog::delete_records(TopicPartition p, Offset before) {
  TRY_ASSIGN(const auto log, partition(p));
  const Offset end = log->high_watermark();
  if (before < Offset{0} || before > end)
    return invalid(fmt::format("OFFSET_OUT_OF_RANGE: records before {} cannot be deleted, the log ends at {}", before.value, end.value));
  if (before > log->log_start()) TRY(writer_->run(AdvanceLogStart{p, before}));
  return log->log_start();
}

Result<ReadResult> EmbeddedLog::read(TopicPartition from_partition, Offset from, size_t max_bytes) {
  TRY_ASSIGN(const auto log, partition(from_partition));
  for (int attempt = 0;; ++attempt) {
    ReadPlan plan = log->plan_read(from, max_bytes);
    if (from < plan.log_start || from > plan.high_watermark)
      return invalid(fmt::format("OFFSET_OUT_OF_RANGE: offset {} is outside {} to {}", from.value, plan.log_start.value, plan.high_watermark.value));
    auto batches = read_planned(plan, from, max_bytes);
    // The object may have been removed since the plan was made; the second plan knows.
    if (!batches && batches.error().kind == ErrorKind::kNotFound && attempt == 0) continue;
    if (!batches && batches.error().kind == ErrorKind::kNotFound) return internal(batches.error().message);
    if (!batches) return Unexpected(batches.error());
    for (ReadBatch& batch : *batches) batch.committed = is_committed(batch.bytes.span(), batch.base, plan.aborted);
    std::vector<AbortedTransaction> aborted = std::move(plan.aborted);
    if (batches->empty()) aborted.clear();
    else std::erase_if(aborted, [&](const auto& a) { return a.marker < from || a.first > batches->back().last; });
    return ReadResult{std::move(*batches), plan.log_start, plan.high_watermark, plan.last_stable, std::move(aborted)};
  }
}

Result<std::vector<ReadBatch>> EmbeddedLog::read_planned(const ReadPlan& plan, Offset from, size_t max_bytes) {
  if (plan.run) return objects_->read(*plan.run, from, max_bytes);
  std::vector<ReadBatch> out;
  out.reserve(plan.tail.size());
  for (const TailBatch& tail : plan.tail) {
    TRY_ASSIGN(ReadBatch batch, read_tail(tail));
    out.push_back(std::move(batch));
  }
  return out;
}

Result<std::optional<OffsetAndTime>> EmbeddedLog::time_in_run(const RunRef& run, int64_t timestamp_ms, Offset log_start) {
  std::optional<OffsetAndTime> found;
  TRY(objects_->scan(run, timestamp_ms, [&](const ReadBatch& batch) -> Result<bool> {
    TRY_ASSIGN(found, look_in_batch(batch, timestamp_ms, log_start));
    return found.has_value();
  }));
  return found;
}

Result<std::optional<OffsetAndTime>> EmbeddedLog::offset_for_time(TopicPartition p, int64_t timestamp_ms) {
  TRY_ASSIGN(const auto log, partition(p));
  Offset from = log->log_start();
  for (int removed = 0;;) {
    const auto place = log->place_for_time(timestamp_ms, from);
    if (!place) return std::nullopt;
    if (const auto* run = std::get_if<RunRef>(&*place)) {
      auto found = time_in_run(*run, timestamp_ms, log->log_start());
      // The object may have been removed since; the next place is not in it any more.
      if (!found && found.error().kind == ErrorKind::kNotFound && removed++ == 0) continue;
      if (!found || *found) return found;
      removed = 0;
      from = run->run.next;
    } else {
      TRY_ASSIGN(const ReadBatch batch, read_tail(std::get<TailBatch>(*place)));
      TRY_ASSIGN(auto found, look_in_batch(batch, timestamp_ms, log->log_start()));
      if (found) return found;
      from = {batch.last.value + 1};
    }
  }
}

// The largest timestamp of the run's records from `start` on, which lies within it.
Result<int64_t> EmbeddedLog::max_timestamp_in_run(const RunRef& run, Offset start) {
  int64_t largest = INT64_MIN;
  const auto scanned = objects_->scan(run, INT64_MIN, [&](const ReadBatch& batch) -> Result<bool> {
    if (batch.last >= start) largest = std::max(largest, max_timestamp_from(batch, start));
    return false;
  });
  if (!scanned && scanned.error().kind != ErrorKind::kNotFound) return Unexpected(scanned.error());
  return largest;  // an object that is gone held nothing from the log start on
}

// The tail before the runs: batches move from there to here.
Result<std::optional<OffsetAndTime>> EmbeddedLog::offset_of_max_timestamp(TopicPartition p) {
  TRY_ASSIGN(const auto log, partition(p));
  const Offset start = log->log_start();
  int64_t largest = INT64_MIN;
  const auto first = log->place_for_time(INT64_MIN, start);
  if (const auto* tail = first ? std::get_if<TailBatch>(&*first) : nullptr) {
    TRY_ASSIGN(const ReadBatch batch, read_tail(*tail));
    largest = max_timestamp_from(batch, start);
  }
  if (const auto tail = log->tail_with_max_timestamp(start)) largest = std::max(largest, tail->entry.max_timestamp_ms);
  for (const RunRef& run : log->runs()) {
    if (run.run.next <= start) continue;
    int64_t of_run = run.run.max_timestamp_ms;
    if (run.run.base < start) {
      TRY_ASSIGN(of_run, max_timestamp_in_run(run, start));
    }
    largest = std::max(largest, of_run);
  }
  if (largest == INT64_MIN) return std::nullopt;
  return offset_for_time(p, largest);
}

}  // namespace ms::log
