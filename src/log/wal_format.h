// Bytes of the write-ahead log: segment headers and frame headers. Pure. See docs/formats/wal.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/types.h"
#include "log/commands.h"

namespace ms::log {

inline constexpr size_t kWalHeaderBytes = 64;  // of a segment and of a frame; frames begin at multiples of it
inline constexpr uint32_t kFrameCommandBytesMax = 64u << 20;

using WalHeaderBytes = std::array<uint8_t, kWalHeaderBytes>;

struct SegmentHeader {
  uint64_t number = 0;
  uint64_t life = 0;         // random; a recycled file gets a new one, so its old frames never pass as new
  uint64_t first_frame = 0;  // the number of the first frame in it
};
struct FrameHeader {
  uint64_t life = 0;
  uint64_t segment = 0;
  uint64_t frame = 0;  // from 1, without gaps
  int64_t append_us = 0;
  uint32_t command_bytes = 0;
  uint32_t command_crc = 0;
  uint32_t data_bytes = 0;
  uint32_t batches = 0;

  uint64_t data_at() const { return kWalHeaderBytes + command_bytes; }
  uint64_t end() const { return kWalHeaderBytes + uint64_t{command_bytes} + data_bytes; }
  uint64_t padded_end() const { return (end() + kWalHeaderBytes - 1) / kWalHeaderBytes * kWalHeaderBytes; }
};

WalHeaderBytes encode(const SegmentHeader& header);
WalHeaderBytes encode(const FrameHeader& header);
// nullopt: not such a header (magic, CRC).
std::optional<SegmentHeader> parse_segment_header(std::span<const uint8_t> bytes);
std::optional<FrameHeader> parse_frame_header(std::span<const uint8_t> bytes);

// Checks the rest of a frame, `frame` beginning at its header: the commands' CRC, every batch's own CRC and its place.
// Calls `visit` for each entry; batches come with their bytes. Errors: kCorruption, or what visit returns.
struct FrameBatch {
  std::span<const uint8_t> bytes;
  uint64_t at = 0;  // from the frame's first byte
};
using FrameVisit = std::function<Result<>(FrameEntry& entry, const FrameBatch* batch)>;
Result<> visit_frame(const FrameHeader& header, std::span<const uint8_t> frame, const FrameVisit& visit);
// Only the checks.
Result<> check_frame(const FrameHeader& header, std::span<const uint8_t> frame);

}  // namespace ms::log
