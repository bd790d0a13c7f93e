#include "log/batch_cleaner.h"

#include <algorithm>

#include "log/partition_transactions.h"

namespace ms::log {
namespace {

Result<std::optional<ReadBatch>> thinned(const ReadBatch& batch, std::span<const uint8_t> keep, std::optional<int64_t> delete_horizon_ms) {
  TRY_ASSIGN(const std::string bytes, thin_record_batch(batch.bytes.span(), keep, delete_horizon_ms));
  ReadBatch out = batch;
  out.bytes = Slice::copy(bytes);
  return out;
}

}  // namespace

Result<bool> visit_keys(std::span<const uint8_t> batch, const std::function<bool(int64_t offset, std::string_view key)>& visit) {
  std::string scratch;
  auto reader = RecordReader::open(batch, scratch);
  if (!reader) return false;
  RecordView record;
  auto step = reader->next(record);
  for (; step == RecordReader::Step::kRecord; step = reader->next(record))
    if (record.key && !visit(record.offset, *record.key)) return true;
  return step == RecordReader::Step::kEnd;
}

Result<BatchCleaner::Cleaned> BatchCleaner::clean(const ReadBatch& batch, bool last_of_run) {
  const auto header = parse_record_batch(batch.bytes.span());
  if (!header) return corruption(header.error().message);
  if (batch.base >= terms_.end) return Cleaned{batch};
  return header->control() ? clean_marker(batch, *header, last_of_run) : clean_records(batch, *header, last_of_run);
}

Result<BatchCleaner::Cleaned> BatchCleaner::clean_marker(const ReadBatch& batch, const RecordBatchHeader& header, bool last_of_run) {
  Cleaned out{batch};
  if (std::ranges::any_of(aborted_, [&](const AbortedTransaction& a) { return a.marker == batch.base; })) out.gone = batch.base;
  if (with_records_.erase(header.producer_id) > 0 || header.records == 0) return out;
  if (!header.has_delete_horizon()) {
    TRY_ASSIGN(out.batch, thinned(batch, std::vector<uint8_t>(static_cast<size_t>(header.records), 1), terms_.now_ms + terms_.delete_retention_ms));
    out.changed = true;
  } else if (terms_.now_ms >= header.base_timestamp_ms && !last_of_run) {
    out.batch.reset(), out.changed = true;
  }
  return out;
}

bool BatchCleaner::keeps(const RecordView& record, bool keeps_tombstones) const {
  if (record.offset >= terms_.end.value) return true;
  if (!record.key) return false;
  const auto newest = terms_.newest->find(*record.key);
  return (!newest || record.offset >= *newest) && (record.value || keeps_tombstones);
}

Result<BatchCleaner::Cleaned> BatchCleaner::clean_records(const ReadBatch& batch, const RecordBatchHeader& header, bool last_of_run) {
  std::string scratch;
  auto reader = RecordReader::open(batch.bytes.span(), scratch);
  if (!reader) return Cleaned{batch};  // a client's own damage, which is not ours to judge
  const bool aborted = !is_committed(batch.bytes.span(), batch.base, aborted_);
  const bool keeps_tombstones = !header.has_delete_horizon() || terms_.now_ms < header.base_timestamp_ms;
  std::vector<uint8_t> keep;
  RecordView record;
  bool tombstones = false;
  auto step = reader->next(record);
  for (; step == RecordReader::Step::kRecord; step = reader->next(record)) {
    keep.push_back(!aborted && keeps(record, keeps_tombstones));
    tombstones = tombstones || (keep.back() && !record.value && record.offset < terms_.end.value);
  }
  if (step == RecordReader::Step::kMalformed) return Cleaned{batch};
  const auto kept = std::ranges::count(keep, 1);
  if (kept > 0 && header.transactional()) with_records_.insert(header.producer_id);
  const bool sets_horizon = tombstones && !header.has_delete_horizon();
  if (kept == 0 && !last_of_run) return Cleaned{.batch = {}, .changed = true, .gone = {}};
  if (kept == header.records && !sets_horizon) return Cleaned{batch};
  Cleaned out{.batch = {}, .changed = true, .gone = {}};
  TRY_ASSIGN(out.batch, thinned(batch, keep, sets_horizon ? std::optional(terms_.now_ms + terms_.delete_retention_ms) : std::nullopt));
  return out;
}

}  // namespace ms::log
