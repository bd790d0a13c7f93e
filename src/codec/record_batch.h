// Kafka record batches, version 2 (magic 2): parse, check, patch, iterate, build. Pure; big-endian on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "codec/compression.h"

namespace ms {

inline constexpr size_t kBatchHeaderBytes = 61;
inline constexpr int64_t kNoProducerId = -1;
inline constexpr int64_t kNoTimestamp = -1;
inline constexpr size_t kDecompressedBytesMax = 256u << 20;

struct RecordBatchHeader {
  int64_t base_offset = 0;
  uint32_t size = 0;  // of the whole batch, its length field included
  int32_t leader_epoch = 0;
  uint32_t crc = 0;
  uint16_t attributes = 0;
  int32_t last_offset_delta = 0;
  int64_t base_timestamp_ms = 0;
  int64_t max_timestamp_ms = 0;
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int32_t records = 0;

  Compression compression() const { return static_cast<Compression>(attributes & 7); }
  bool log_append_time() const { return attributes & 8; }
  bool transactional() const { return attributes & 16; }
  bool control() const { return attributes & 32; }
  bool has_delete_horizon() const { return attributes & 64; }  // then base_timestamp_ms is when its tombstones may go
  int64_t last_offset() const { return base_offset + last_offset_delta; }
  // As producers send it: every offset from base_offset to last_offset() has a record. Compaction leaves others.
  bool dense() const { return records >= 1 && last_offset_delta == records - 1; }
  int64_t largest_timestamp_ms() const { return records > 0 ? max_timestamp_ms : INT64_MIN; }
};

// The size of the batch that begins at `bytes`, as its length field says; nullopt if fewer than 12 bytes are there or
// the length is impossible. The batch need not be whole.
std::optional<uint64_t> record_batch_size(std::span<const uint8_t> bytes);

// Why a batch was refused; `kCrc`, `kLength` and `kMagic` are damage, the rest are batches a broker must not accept.
enum class BatchFault : uint8_t { kLength, kMagic, kCrc, kAttributes, kCounts };
struct BatchError {
  BatchFault fault;
  std::string message;
};

// `bytes` must be exactly one batch. Checks length, magic, codec and counts (no more records than offsets, and an uncompressed
// batch has room for its records), not the CRC.
std::expected<RecordBatchHeader, BatchError> parse_record_batch(std::span<const uint8_t> bytes);
// The same plus CRC-32C over everything behind the CRC field.
std::expected<RecordBatchHeader, BatchError> check_record_batch(std::span<const uint8_t> bytes);

// What a broker writes into a batch it has accepted; neither field is under the CRC.
void patch_record_batch(std::span<uint8_t> batch, Offset base, int32_t leader_epoch);
// Timestamp type LogAppendTime: sets the attribute and the maximum timestamp, then the CRC anew, which it returns.
uint32_t stamp_log_append_time(std::span<uint8_t> batch, int64_t timestamp_ms);

// The same records under another compression; nothing else in the header changes but the length and the CRC.
// Errors: kCorruption (the records do not parse), kExhausted (see decompress), kInvalidArgument (over 2 GiB).
Result<std::string> recompress_record_batch(std::span<const uint8_t> batch, Compression to, size_t decompressed_bytes_max);

struct HeaderView {
  std::string_view key;
  std::optional<std::string_view> value;
};
// Views into the batch or into the reader's scratch string.
struct RecordView {
  int64_t offset = 0;
  int64_t timestamp_ms = kNoTimestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const uint8_t> headers_raw;  // count and headers, checked; see headers()
  std::vector<HeaderView> headers() const;
};

// Iterates the records of one batch. Never reads outside it, whatever the bytes are.
class RecordReader {
 public:
  // `batch` passes parse_record_batch (checked again). Compressed records go through `scratch`, which must stay as it is
  // while views are used. Errors: kCorruption, kExhausted (see decompress).
  static Result<RecordReader> open(std::span<const uint8_t> batch, std::string& scratch,
                                   size_t decompressed_bytes_max = kDecompressedBytesMax);
  enum class Step : uint8_t { kRecord, kEnd, kMalformed };
  // kEnd after header().records records; kMalformed when the bytes do not hold them, or hold more, or an offset delta is
  // not larger than the one before or leaves too few for the records to come. So those of a dense batch are 0, 1, 2, ... Final both.
  Step next(RecordView& out);
  const RecordBatchHeader& header() const { return header_; }

 private:
  RecordReader(const RecordBatchHeader& header, std::span<const uint8_t> records);
  void load_ahead(int32_t size) const;
  bool parse(std::span<const uint8_t> record, RecordView& out);
  RecordBatchHeader header_;
  const uint8_t* at_;
  const uint8_t* end_;
  int32_t left_;
  int32_t delta_before_ = -1;
};

// What is left of a stored batch when only the records i with keep[i] stay (all of header().records are said): header and offsets
// as they are, so gaps between records, and no records at all are possible. `delete_horizon_ms`: is set, as KIP-534 says it.
// Errors: kCorruption (the records do not parse), kExhausted (see decompress).
Result<std::string> thin_record_batch(std::span<const uint8_t> batch, std::span<const uint8_t> keep, std::optional<int64_t> delete_horizon_ms);

struct RecordToWrite {
  int64_t timestamp_ms = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<HeaderView> headers;
};
struct BatchToWrite {
  Compression compression = Compression::kNone;
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  Offset base;  // 0 for what goes to a broker
  bool transactional = false;
};
// One batch with at least one record. Errors: kInvalidArgument (no records, over 2 GiB).
Result<std::string> build_record_batch(const BatchToWrite& batch, std::span<const RecordToWrite> records);

// How a transaction ended in a partition, as a control batch of one record says it (Kafka's EndTransactionMarker).
struct TransactionMarker {
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  bool commit = false;
  int64_t timestamp_ms = 0;
};
inline constexpr size_t kMarkerBatchBytes = kBatchHeaderBytes + 17;
std::string build_marker_batch(const TransactionMarker& marker);
// Of a control batch; nullopt: not a marker of a transaction's end.
std::optional<bool> marker_commits(std::span<const uint8_t> batch);

}  // namespace ms
