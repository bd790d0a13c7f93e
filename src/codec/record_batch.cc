#include "codec/record_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace ms {
namespace {

// Field positions, see docs/formats/wal.md for the whole table.
constexpr size_t kAtLength = 8, kAtLeaderEpoch = 12, kAtMagic = 16, kAtCrc = 17, kAtAttributes = 21,
                 kAtLastOffsetDelta = 23, kAtBaseTimestamp = 27, kAtMaxTimestamp = 35, kAtProducerId = 43,
                 kAtProducerEpoch = 51, kAtBaseSequence = 53, kAtRecords = 57;
constexpr size_t kLengthExcludes = 12;  // the length field counts the bytes behind itself
constexpr unsigned kTransactionalBit = 16, kControlBit = 32, kDeleteHorizonBit = 64;
constexpr size_t kRecordBytesMin = 7;   // length, attributes, two deltas, two lengths, header count

template <class T>
T load_be(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return std::byteswap(value);
}
template <class T>
void store_be(uint8_t* to, T value) {
  value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

int64_t unzigzag(uint64_t value) { return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1); }

// Bounded varints over [at, end). False when the bytes run out or the number does not fit.
bool get_varlong_by_byte(const uint8_t*& at, const uint8_t* end, int64_t& out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at == end) return false;
    const uint8_t b = *at++;
    value |= static_cast<uint64_t>(b & 0x7F) << shift;
    if (b < 0x80) {
      if (shift == 63 && b > 1) return false;
      out = unzigzag(value);
      return true;
    }
  }
  return false;
}

// Up to eight bytes at once where they are there.
bool get_long_varlong(const uint8_t*& at, const uint8_t* end, int64_t& out) {
  constexpr uint64_t kMore = 0x8080808080808080;
  uint64_t bytes = 0;
  if (end - at < 8) return get_varlong_by_byte(at, end, out);
  std::memcpy(&bytes, at, 8);
  const uint64_t last = ~bytes & kMore;
  if (last == 0) return get_varlong_by_byte(at, end, out);
  bytes &= last ^ (last - 1);  // up to the first byte that says that it is the last
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= (bytes >> (8 * i) & 0x7F) << (7 * i);
  out = unzigzag(value);
  at += (std::countr_zero(last) + 1) / 8;
  return true;
}

// Most are of one byte or two; the last one of a record (its number of headers) mostly of one.
[[gnu::always_inline]] inline bool get_varlong(const uint8_t*& at, const uint8_t* end, int64_t& out) {
  if (end - at == 1) return *at < 0x80 ? (out = unzigzag(*at), ++at, true) : false;
  if (end - at >= 2) {
    const uint64_t first = at[0], second = at[1];
    if (first < 0x80) return ++at, out = unzigzag(first), true;
    if (second < 0x80) return at += 2, out = unzigzag((first & 0x7F) | second << 7), true;
  }
  return get_long_varlong(at, end, out);
}
bool get_varint(const uint8_t*& at, const uint8_t* end, int32_t& out) {
  int64_t wide = 0;
  if (!get_varlong(at, end, wide) || wide < INT32_MIN || wide > INT32_MAX) return false;
  out = static_cast<int32_t>(wide);
  return true;
}
// A length (-1 = null when allowed) and that many bytes.
bool get_bytes(const uint8_t*& at, const uint8_t* end, std::optional<std::string_view>& out) {
  int32_t size = 0;
  if (!get_varint(at, end, size) || size < -1) return false;
  if (size == -1) return out.reset(), true;
  if (size > end - at) return false;
  out.emplace(reinterpret_cast<const char*>(at), static_cast<size_t>(size));
  at += size;
  return true;
}
bool skip_headers(const uint8_t*& at, const uint8_t* end) {
  int32_t count = 0;
  if (!get_varint(at, end, count) || count < 0) return false;
  std::optional<std::string_view> text;
  for (; count > 0; --count)
    if (!get_bytes(at, end, text) || !text || !get_bytes(at, end, text)) return false;
  return true;
}

std::unexpected<BatchError> refuse(BatchFault fault, std::string message) {
  return std::unexpected(BatchError{fault, std::move(message)});
}

uint32_t crc_of(std::span<const uint8_t> batch) { return crc32c(batch.subspan(kAtAttributes)); }

void put_varlong(std::string& out, int64_t v) {
  uint64_t u = (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
  for (; u >= 0x80; u >>= 7) out.push_back(static_cast<char>(u | 0x80));
  out.push_back(static_cast<char>(u));
}
void put_bytes(std::string& out, const std::optional<std::string_view>& bytes) {
  put_varlong(out, bytes ? static_cast<int64_t>(bytes->size()) : -1);
  if (bytes) out.append(*bytes);
}

}  // namespace

std::optional<uint64_t> record_batch_size(std::span<const uint8_t> bytes) {
  if (bytes.size() < kLengthExcludes) return std::nullopt;
  const auto length = load_be<int32_t>(bytes.data() + kAtLength);
  if (length < static_cast<int32_t>(kBatchHeaderBytes - kLengthExcludes)) return std::nullopt;
  return static_cast<uint64_t>(length) + kLengthExcludes;
}

std::expected<RecordBatchHeader, BatchError> parse_record_batch(std::span<const uint8_t> bytes) {
  if (bytes.size() < kBatchHeaderBytes)
    return refuse(BatchFault::kLength, fmt::format("a record batch has at least {} bytes, here are {}", kBatchHeaderBytes, bytes.size()));
  const uint8_t* at = bytes.data();
  if (at[kAtMagic] != 2)
    return refuse(BatchFault::kMagic, fmt::format("record batch magic {} is not supported, only 2", at[kAtMagic]));
  const auto size = record_batch_size(bytes);
  if (!size || *size != bytes.size())
    return refuse(BatchFault::kLength, fmt::format("record batch length {} does not match its {} bytes",
                                                   load_be<int32_t>(at + kAtLength), bytes.size()));
  RecordBatchHeader h;
  h.base_offset = load_be<int64_t>(at);
  h.size = static_cast<uint32_t>(*size);
  h.leader_epoch = load_be<int32_t>(at + kAtLeaderEpoch);
  h.crc = load_be<uint32_t>(at + kAtCrc);
  h.attributes = load_be<uint16_t>(at + kAtAttributes);
  h.last_offset_delta = load_be<int32_t>(at + kAtLastOffsetDelta);
  h.base_timestamp_ms = load_be<int64_t>(at + kAtBaseTimestamp);
  h.max_timestamp_ms = load_be<int64_t>(at + kAtMaxTimestamp);
  h.producer_id = load_be<int64_t>(at + kAtProducerId);
  h.producer_epoch = load_be<int16_t>(at + kAtProducerEpoch);
  h.base_sequence = load_be<int32_t>(at + kAtBaseSequence);
  h.records = load_be<int32_t>(at + kAtRecords);
  if ((h.attributes & 7) > 4) return refuse(BatchFault::kAttributes, fmt::format("unknown compression {}", h.attributes & 7));
  if (h.records < 0 || h.last_offset_delta < std::max(h.records - 1, 0))
    return refuse(BatchFault::kCounts, fmt::format("{} records do not fit a last offset delta of {}", h.records, h.last_offset_delta));
  if (h.compression() == Compression::kNone && static_cast<size_t>(h.records) > (bytes.size() - kBatchHeaderBytes) / kRecordBytesMin)
    return refuse(BatchFault::kCounts, fmt::format("{} records cannot lie in {} bytes", h.records, bytes.size() - kBatchHeaderBytes));
  return h;
}

std::expected<RecordBatchHeader, BatchError> check_record_batch(std::span<const uint8_t> bytes) {
  auto header = parse_record_batch(bytes);
  if (header && header->crc != crc_of(bytes))
    return refuse(BatchFault::kCrc, fmt::format("record batch CRC is {:08x}, its bytes have {:08x}", header->crc, crc_of(bytes)));
  return header;
}

void patch_record_batch(std::span<uint8_t> batch, Offset base, int32_t leader_epoch) {
  CHECK(batch.size() >= kBatchHeaderBytes);
  store_be(batch.data(), base.value);
  store_be(batch.data() + kAtLeaderEpoch, leader_epoch);
}

uint32_t stamp_log_append_time(std::span<uint8_t> batch, int64_t timestamp_ms) {
  CHECK(batch.size() >= kBatchHeaderBytes);
  store_be(batch.data() + kAtAttributes, static_cast<uint16_t>(load_be<uint16_t>(batch.data() + kAtAttributes) | 8));
  store_be(batch.data() + kAtMaxTimestamp, timestamp_ms);
  const uint32_t crc = crc_of(batch);
  store_be(batch.data() + kAtCrc, crc);
  return crc;
}

std::vector<HeaderView> RecordView::headers() const {
  std::vector<HeaderView> out;
  const uint8_t* at = headers_raw.data();
  const uint8_t* end = at + headers_raw.size();
  int32_t count = 0;
  if (headers_raw.empty() || !get_varint(at, end, count)) return out;
  for (std::optional<std::string_view> name, text; count > 0 && get_bytes(at, end, name) && get_bytes(at, end, text); --count)
    out.push_back({name.value_or(std::string_view{}), text});
  return out;
}

Result<RecordReader> RecordReader::open(std::span<const uint8_t> batch, std::string& scratch, size_t decompressed_bytes_max) {
  const auto header = parse_record_batch(batch);
  if (!header) return corruption(header.error().message);
  const auto stored = batch.subspan(kBatchHeaderBytes);
  if (header->compression() == Compression::kNone) return RecordReader(*header, stored);
  TRY(decompress(header->compression(), stored, decompressed_bytes_max, scratch));
  return RecordReader(*header, {reinterpret_cast<const uint8_t*>(scratch.data()), scratch.size()});
}

// As many bytes as the last record had, some records on: the reader looks at beginnings and ends long before anyone reads
// what lies between, which the processor does not take for a stream.
void RecordReader::load_ahead(int32_t size) const {
  constexpr std::ptrdiff_t kAhead = 2048, kMost = 512, kLine = 64;
  const std::ptrdiff_t until = std::min<std::ptrdiff_t>(end_ - at_, kAhead + std::min<std::ptrdiff_t>(size, kMost));
  for (std::ptrdiff_t at = kAhead; at < until; at += kLine) __builtin_prefetch(at_ + at);
}

RecordReader::RecordReader(const RecordBatchHeader& header, std::span<const uint8_t> records)
    : header_(header), at_(records.data()), end_(records.data() + records.size()), left_(header.records) {}

RecordReader::Step RecordReader::next(RecordView& out) {
  if (left_ == 0) return at_ == end_ ? Step::kEnd : Step::kMalformed;
  int32_t size = 0;
  if (left_ < 0 || !get_varint(at_, end_, size) || size < 0 || size > end_ - at_ ||
      !parse({at_, static_cast<size_t>(size)}, out)) {
    left_ = -1;
    return Step::kMalformed;
  }
  at_ += size;
  load_ahead(size);
  --left_;
  return Step::kRecord;
}

bool RecordReader::parse(std::span<const uint8_t> record, RecordView& out) {
  const uint8_t* at = record.data();
  const uint8_t* end = at + record.size();
  if (at == end) return false;
  ++at;  // record attributes: unused by Kafka
  int64_t timestamp_delta = 0;
  int32_t offset_delta = 0;
  if (!get_varlong(at, end, timestamp_delta) || !get_varint(at, end, offset_delta)) return false;
  if (offset_delta <= delta_before_ || offset_delta > header_.last_offset_delta - (left_ - 1)) return false;
  delta_before_ = offset_delta;
  if (!get_bytes(at, end, out.key) || !get_bytes(at, end, out.value)) return false;
  const uint8_t* headers = at;
  if (!skip_headers(at, end) || at != end) return false;
  out.headers_raw = {headers, at};
  out.offset = static_cast<int64_t>(static_cast<uint64_t>(header_.base_offset) + static_cast<uint64_t>(offset_delta));
  out.timestamp_ms = header_.log_append_time()
                         ? header_.max_timestamp_ms
                         : static_cast<int64_t>(static_cast<uint64_t>(header_.base_timestamp_ms) + static_cast<uint64_t>(timestamp_delta));
  return true;
}

Result<std::string> recompress_record_batch(std::span<const uint8_t> batch, Compression to, size_t decompressed_bytes_max) {
  std::string scratch;
  TRY_ASSIGN(RecordReader reader, RecordReader::open(batch, scratch, decompressed_bytes_max));
  RecordView record;
  auto step = reader.next(record);
  while (step == RecordReader::Step::kRecord) step = reader.next(record);
  if (step == RecordReader::Step::kMalformed) return corruption("the records do not parse");
  const bool compressed = reader.header().compression() != Compression::kNone;
  const auto plain = compressed ? std::span(reinterpret_cast<const uint8_t*>(scratch.data()), scratch.size()) : batch.subspan(kBatchHeaderBytes);
  TRY_ASSIGN(const std::string body, compress(to, plain));
  if (body.size() > INT32_MAX - kBatchHeaderBytes) return invalid("a record batch of more than 2 GiB");
  std::string out(reinterpret_cast<const char*>(batch.data()), kBatchHeaderBytes);
  out += body;
  auto* at = reinterpret_cast<uint8_t*>(out.data());
  store_be(at + kAtLength, static_cast<int32_t>(out.size() - kLengthExcludes));
  store_be(at + kAtAttributes, static_cast<uint16_t>((reader.header().attributes & ~7) | static_cast<int>(to)));
  store_be(at + kAtCrc, crc_of({at, out.size()}));
  return out;
}

Result<std::string> thin_record_batch(std::span<const uint8_t> batch, std::span<const uint8_t> keep, std::optional<int64_t> delete_horizon_ms) {
  std::string scratch, body, one;
  TRY_ASSIGN(RecordReader reader, RecordReader::open(batch, scratch));
  const RecordBatchHeader& header = reader.header();
  CHECK(keep.size() == static_cast<size_t>(header.records));
  if (!delete_horizon_ms && header.has_delete_horizon()) delete_horizon_ms = header.base_timestamp_ms;
  std::optional<int64_t> base_timestamp = delete_horizon_ms;
  int64_t max_timestamp = INT64_MIN;
  int32_t kept = 0;
  RecordView record;
  for (const uint8_t stays : keep) {
    if (reader.next(record) != RecordReader::Step::kRecord) return corruption("the records do not parse");
    if (!stays) continue;
    if (!base_timestamp) base_timestamp = record.timestamp_ms;
    max_timestamp = std::max(max_timestamp, record.timestamp_ms);
    ++kept;
    one.assign(1, '\0');
    put_varlong(one, static_cast<int64_t>(static_cast<uint64_t>(record.timestamp_ms) - static_cast<uint64_t>(*base_timestamp)));
    put_varlong(one, record.offset - header.base_offset);
    put_bytes(one, record.key);
    put_bytes(one, record.value);
    one.append(reinterpret_cast<const char*>(record.headers_raw.data()), record.headers_raw.size());
    put_varlong(body, static_cast<int64_t>(one.size()));
    body += one;
  }
  const Compression codec = kept > 0 ? header.compression() : Compression::kNone;
  if (codec != Compression::kNone) {
    TRY_ASSIGN(body, compress(codec, {reinterpret_cast<const uint8_t*>(body.data()), body.size()}));
  }
  if (body.size() > INT32_MAX - kBatchHeaderBytes) return invalid("a record batch of more than 2 GiB");
  unsigned attributes = (header.attributes & ~(7u | kDeleteHorizonBit)) | static_cast<unsigned>(codec);
  if (kept > 0 && delete_horizon_ms) attributes |= kDeleteHorizonBit;
  std::string out(reinterpret_cast<const char*>(batch.data()), kBatchHeaderBytes);
  out += body;
  auto* at = reinterpret_cast<uint8_t*>(out.data());
  store_be(at + kAtLength, static_cast<int32_t>(out.size() - kLengthExcludes));
  store_be(at + kAtAttributes, static_cast<uint16_t>(attributes));
  store_be(at + kAtBaseTimestamp, kept > 0 ? *base_timestamp : kNoTimestamp);
  store_be(at + kAtMaxTimestamp, kept > 0 ? max_timestamp : kNoTimestamp);
  store_be(at + kAtRecords, kept);
  store_be(at + kAtCrc, crc_of({at, out.size()}));
  return out;
}

Result<std::string> build_record_batch(const BatchToWrite& batch, std::span<const RecordToWrite> records) {
  if (records.empty() || records.size() > INT32_MAX) return invalid("a record batch needs 1 to 2^31-1 records");
  std::string body, one;
  int64_t max_timestamp = records[0].timestamp_ms;
  for (size_t i = 0; i < records.size(); ++i) {
    const RecordToWrite& record = records[i];
    max_timestamp = std::max(max_timestamp, record.timestamp_ms);
    one.assign(1, '\0');
    // Modulo 2^64, as the reader adds it again: timestamps come from clients and may lie anywhere.
    put_varlong(one, static_cast<int64_t>(static_cast<uint64_t>(record.timestamp_ms) - static_cast<uint64_t>(records[0].timestamp_ms)));
    put_varlong(one, static_cast<int64_t>(i));
    put_bytes(one, record.key);
    put_bytes(one, record.value);
    put_varlong(one, static_cast<int64_t>(record.headers.size()));
    for (const HeaderView& header : record.headers) put_bytes(one, header.key), put_bytes(one, header.value);
    put_varlong(body, static_cast<int64_t>(one.size()));
    body += one;
  }
  if (batch.compression != Compression::kNone) {
    TRY_ASSIGN(body, compress(batch.compression, {reinterpret_cast<const uint8_t*>(body.data()), body.size()}));
  }
  if (body.size() > INT32_MAX - kBatchHeaderBytes) return invalid("a record batch of more than 2 GiB");
  std::string out(kBatchHeaderBytes, '\0');
  out += body;
  auto* at = reinterpret_cast<uint8_t*>(out.data());
  store_be(at, batch.base.value);
  store_be(at + kAtLength, static_cast<int32_t>(out.size() - kLengthExcludes));
  store_be(at + kAtLeaderEpoch, int32_t{-1});
  at[kAtMagic] = 2;
  store_be(at + kAtAttributes, static_cast<uint16_t>(static_cast<unsigned>(batch.compression) | (batch.transactional ? kTransactionalBit : 0u)));
  store_be(at + kAtLastOffsetDelta, static_cast<int32_t>(records.size() - 1));
  store_be(at + kAtBaseTimestamp, records[0].timestamp_ms);
  store_be(at + kAtMaxTimestamp, max_timestamp);
  store_be(at + kAtProducerId, batch.producer_id);
  store_be(at + kAtProducerEpoch, batch.producer_epoch);
  store_be(at + kAtBaseSequence, batch.base_sequence);
  store_be(at + kAtRecords, static_cast<int32_t>(records.size()));
  store_be(at + kAtCrc, crc_of({at, out.size()}));
  return out;
}

std::string build_marker_batch(const TransactionMarker& marker) {
  const char key[] = {0, 0, 0, static_cast<char>(marker.commit)};  // version 0, type: 0 abort, 1 commit
  const char value[] = {0, 0, 0, 0, 0, 0};                          // version 0, coordinator epoch 0
  const RecordToWrite record{.timestamp_ms = marker.timestamp_ms, .key = std::string_view(key, sizeof key),
                             .value = std::string_view(value, sizeof value), .headers = {}};
  std::string out = build_record_batch({.producer_id = marker.producer_id, .producer_epoch = marker.producer_epoch, .transactional = true}, {&record, 1}).value();
  CHECK(out.size() == kMarkerBatchBytes);
  auto* at = reinterpret_cast<uint8_t*>(out.data());
  store_be(at + kAtAttributes, static_cast<uint16_t>(kTransactionalBit | kControlBit));
  store_be(at + kAtCrc, crc_of({at, out.size()}));
  return out;
}

std::optional<bool> marker_commits(std::span<const uint8_t> batch) {
  std::string scratch;
  auto reader = RecordReader::open(batch, scratch);
  RecordView record;
  if (!reader || reader->next(record) != RecordReader::Step::kRecord || !record.key || record.key->size() != 4) return std::nullopt;
  const auto type = load_be<uint16_t>(reinterpret_cast<const uint8_t*>(record.key->data()) + 2);
  if (type > 1) return std::nullopt;
  return type == 1;
}

}  // namespace ms
