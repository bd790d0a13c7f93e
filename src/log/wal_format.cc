#include "log/wal_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "codec/record_batch.h"

namespace ms::log {
namespace {

constexpr uint32_t kSegmentMagic = 0x5357534D;  // "MSWS"
constexpr uint32_t kFrameMagic = 0x4657534D;    // "MSWF"
constexpr uint32_t kVersion = 1;

WalHeaderBytes seal(ByteWriter& out) {
  WalHeaderBytes bytes{};
  CHECK(out.size() <= bytes.size());
  std::ranges::copy(out.str(), bytes.begin());
  store_le(bytes.data() + 4, crc32c(std::span(bytes).subspan(8)));
  return bytes;
}

bool is_sealed(std::span<const uint8_t> bytes, uint32_t magic) {
  return bytes.size() >= kWalHeaderBytes && load_le<uint32_t>(bytes.data()) == magic &&
         load_le<uint32_t>(bytes.data() + 4) == crc32c(bytes.subspan(8, kWalHeaderBytes - 8));
}

}  // namespace

WalHeaderBytes encode(const SegmentHeader& header) {
  ByteWriter out;
  out.u32(kSegmentMagic), out.u32(0), out.u64(header.life), out.u64(header.number), out.u64(header.first_frame), out.u32(kVersion);
  return seal(out);
}

WalHeaderBytes encode(const FrameHeader& header) {
  ByteWriter out;
  out.u32(kFrameMagic), out.u32(0), out.u64(header.life), out.u64(header.segment), out.u64(header.frame), out.i64(header.append_us);
  out.u32(header.command_bytes), out.u32(header.command_crc), out.u32(header.data_bytes), out.u32(header.batches);
  return seal(out);
}

std::optional<SegmentHeader> parse_segment_header(std::span<const uint8_t> bytes) {
  if (!is_sealed(bytes, kSegmentMagic)) return std::nullopt;
  ByteReader in(bytes.subspan(8));
  SegmentHeader header{.life = in.u64()};
  header.number = in.u64(), header.first_frame = in.u64();
  if (in.u32() != kVersion) return std::nullopt;
  return header;
}

std::optional<FrameHeader> parse_frame_header(std::span<const uint8_t> bytes) {
  if (!is_sealed(bytes, kFrameMagic)) return std::nullopt;
  ByteReader in(bytes.subspan(8));
  FrameHeader header{.life = in.u64()};
  header.segment = in.u64(), header.frame = in.u64(), header.append_us = in.i64();
  header.command_bytes = in.u32(), header.command_crc = in.u32(), header.data_bytes = in.u32(), header.batches = in.u32();
  return header;
}

Result<> visit_frame(const FrameHeader& header, std::span<const uint8_t> frame, const FrameVisit& visit) {
  if (frame.size() < header.end()) return corruption("the frame is longer than what is there");
  const auto commands = frame.subspan(kWalHeaderBytes, header.command_bytes);
  if (crc32c(commands) != header.command_crc) return corruption("the CRC of the frame's commands is wrong");
  ByteReader in(commands);
  uint64_t at = header.data_at();
  uint32_t batches = 0;
  while (!in.at_end()) {
    TRY_ASSIGN(FrameEntry entry, decode_entry(in));
    auto* batch = std::get_if<AppendBatch>(&entry);
    if (batch == nullptr) {
      TRY(visit(entry, nullptr));
      continue;
    }
    if (batch->size > header.end() - at) return corruption("a batch runs past its frame");
    const FrameBatch stored{frame.subspan(at, batch->size), at};
    const auto facts = check_record_batch(stored.bytes);
    if (!facts) return corruption(facts.error().message);
    if (!facts->dense() || facts->crc != batch->crc || facts->base_offset != batch->base.value)
      return corruption("a batch is not the one its frame names");
    batch->records = facts->records, batch->producer_id = facts->producer_id, batch->producer_epoch = facts->producer_epoch;
    batch->base_sequence = facts->base_sequence, batch->max_timestamp_ms = facts->max_timestamp_ms;
    batch->role = role_of(*facts, stored.bytes);
    TRY(visit(entry, &stored));
    at += batch->size;
    ++batches;
  }
  if (at != header.end() || batches != header.batches) return corruption("the frame's batches do not fill it");
  return {};
}

Result<> check_frame(const FrameHeader& header, std::span<const uint8_t> frame) {
  return visit_frame(header, frame, [](FrameEntry&, const FrameBatch*) -> Result<> { return {}; });
}

}  // namespace ms::log
