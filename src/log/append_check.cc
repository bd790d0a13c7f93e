#include "log/append_check.h"

#include <fmt/format.h>

namespace ms::log {
namespace {

AppendError error_of(BatchFault fault) {
  switch (fault) {
    case BatchFault::kLength:
    case BatchFault::kMagic:
    case BatchFault::kCrc: return AppendError::kCorruptMessage;
    case BatchFault::kAttributes:
    case BatchFault::kCounts: return AppendError::kInvalidRecord;
  }
  return AppendError::kCorruptMessage;
}

// True when `timestamp` lies outside [now - before, now + after]; bounds beyond int64 never refuse.
bool out_of_bounds(int64_t timestamp, int64_t now_ms, const TopicSettings& settings) {
  int64_t earliest = 0, latest = 0;
  const bool open_below = __builtin_sub_overflow(now_ms, settings.timestamp_before_max_ms, &earliest);
  const bool open_above = __builtin_add_overflow(now_ms, settings.timestamp_after_max_ms, &latest);
  return (!open_below && timestamp < earliest) || (!open_above && timestamp > latest);
}

std::optional<std::string> too_large(size_t bytes, const TopicSettings& settings, uint64_t batch_bytes_max) {
  if (bytes > static_cast<uint64_t>(settings.max_message_bytes))
    return fmt::format("a batch of {} bytes; max.message.bytes is {}", bytes, settings.max_message_bytes);
  if (bytes > batch_bytes_max) return fmt::format("a batch of {} bytes; this log takes up to {}", bytes, batch_bytes_max);
  return std::nullopt;
}

bool records_parse(std::span<const uint8_t> batch) {
  std::string unused;
  auto reader = RecordReader::open(batch, unused);
  if (!reader) return false;
  RecordView record;
  auto step = reader->next(record);
  while (step == RecordReader::Step::kRecord) step = reader->next(record);
  return step == RecordReader::Step::kEnd;
}

}  // namespace

AppendCheck check_append(std::span<const uint8_t> batch, const TopicSettings& settings, uint64_t batch_bytes_max, int64_t now_ms) {
  const auto refuse = [](AppendError error, std::string message) { return AppendCheck{error, std::move(message), {}, {}}; };
  if (auto why = too_large(batch.size(), settings, batch_bytes_max)) return refuse(AppendError::kMessageTooLarge, std::move(*why));
  const auto parsed = check_record_batch(batch);
  if (!parsed) return refuse(error_of(parsed.error().fault), parsed.error().message);
  const RecordBatchHeader& h = *parsed;
  if (h.control()) return refuse(AppendError::kInvalidRecord, "clients may not write control batches");
  if (h.attributes & ~0x1F) return refuse(AppendError::kInvalidRecord, fmt::format("unknown batch attributes {:#x}", h.attributes));
  if (h.producer_id >= 0 && (h.producer_epoch < 0 || h.base_sequence < 0))
    return refuse(AppendError::kInvalidRecord, "an idempotent batch needs an epoch and a sequence number");
  if (h.transactional() && h.producer_id < 0) return refuse(AppendError::kInvalidRecord, "a transactional batch needs a producer id");
  if (h.producer_id < kNoProducerId) return refuse(AppendError::kInvalidRecord, fmt::format("producer id {}", h.producer_id));
  if (!settings.log_append_time) {
    if (h.log_append_time()) return refuse(AppendError::kInvalidTimestamp, "clients may not write LogAppendTime batches");
    for (const int64_t timestamp : {h.base_timestamp_ms, h.max_timestamp_ms})
      if (timestamp != kNoTimestamp && out_of_bounds(timestamp, now_ms, settings))
        return refuse(AppendError::kInvalidTimestamp,
                      fmt::format("timestamp {} is further from the clock ({}) than message.timestamp.before/after.max.ms allow", timestamp, now_ms));
  }
  if (!h.dense()) return refuse(AppendError::kInvalidRecord, fmt::format("{} records do not fit a last offset delta of {}", h.records, h.last_offset_delta));
  if (h.compression() == Compression::kNone && !records_parse(batch))
    return refuse(AppendError::kInvalidRecord, "the records do not parse, or their offset deltas are not 0, 1, 2, ...");
  return {AppendError::kNone, {}, h, {}};
}

void check_keys(std::span<const uint8_t> batch, AppendCheck& checked) {
  const auto refuse = [&](AppendError error, std::string message) { checked.error = error, checked.message = std::move(message); };
  std::string scratch;
  auto reader = RecordReader::open(batch, scratch, kRecompressedFromMax);
  if (!reader && reader.error().kind == ErrorKind::kExhausted) return refuse(AppendError::kMessageTooLarge, reader.error().message);
  if (!reader) return refuse(AppendError::kInvalidRecord, reader.error().message);
  RecordView record;
  auto step = reader->next(record);
  for (int32_t i = 0; step == RecordReader::Step::kRecord; step = reader->next(record), ++i)
    if (!record.key) checked.refused_records.push_back(i);
  if (step == RecordReader::Step::kMalformed) refuse(AppendError::kInvalidRecord, "the records do not parse");
  else if (!checked.refused_records.empty()) refuse(AppendError::kInvalidRecord, "a compacted topic takes no record without a key");
}

AppendCheck recompress(Slice& batch, Compression to, const TopicSettings& settings, uint64_t batch_bytes_max) {
  const auto refuse = [](AppendError error, std::string message) { return AppendCheck{error, std::move(message), {}, {}}; };
  const auto changed = recompress_record_batch(batch.span(), to, kRecompressedFromMax);
  if (!changed)
    return refuse(changed.error().kind == ErrorKind::kCorruption ? AppendError::kInvalidRecord : AppendError::kMessageTooLarge, changed.error().message);
  if (auto why = too_large(changed->size(), settings, batch_bytes_max)) return refuse(AppendError::kMessageTooLarge, std::move(*why));
  batch = Slice::copy(*changed);
  const auto header = parse_record_batch(batch.span());
  if (!header) return refuse(AppendError::kInvalidRecord, header.error().message);
  return {AppendError::kNone, {}, *header, {}};
}

}  // namespace ms::log
