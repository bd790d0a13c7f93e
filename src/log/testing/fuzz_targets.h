// What the fuzzers of log/ do with any bytes; the regression test does the same with their corpora.
#pragma once

#include <cstdlib>

#include "base/crc32c.h"
#include "log/meta_state.h"
#include "log/stream_object.h"
#include "log/wal_format.h"

namespace ms::log::testing {

// Frame headers as they are; commands and batches behind a header that claims them rightly, so that they are reached.
inline void fuzz_wal(std::span<const uint8_t> bytes) {
  if (const auto header = parse_frame_header(bytes)) (void)check_frame(*header, bytes);
  (void)parse_segment_header(bytes);
  if (bytes.size() < 2) return;
  const size_t commands = std::min<size_t>(load_le<uint16_t>(bytes.data()), bytes.size() - 2);
  std::vector<uint8_t> frame(kWalHeaderBytes);
  frame.insert(frame.end(), bytes.begin() + 2, bytes.end());
  FrameHeader header{.command_bytes = static_cast<uint32_t>(commands), .command_crc = crc32c(bytes.subspan(2, commands)),
                     .data_bytes = static_cast<uint32_t>(bytes.size() - 2 - commands)};
  MetaState state;
  for (header.batches = 0; header.batches < 3; ++header.batches)
    (void)visit_frame(header, frame, [&](FrameEntry& entry, const FrameBatch* stored) -> Result<> {
      if (stored != nullptr) (void)state.append(std::get<AppendBatch>(entry), {1});
      else (void)state.apply(std::get<Command>(entry), {1});
      return {};
    });
  (void)MetaState::decode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Ends of objects as they are; footers with a CRC that fits. A directory that parses must be sane.
inline void fuzz_stream_object(std::span<const uint8_t> bytes) {
  if (bytes.size() >= kObjectTailBytes) (void)parse_object_tail(bytes.last(kObjectTailBytes), bytes.size());
  const FooterPlace place{.position = uint64_t{1} << 20, .bytes = bytes.size(), .crc = crc32c(bytes)};
  for (const uint64_t end : {place.position, uint64_t{kObjectHeaderBytes} + 100}) {
    const auto directory = parse_object_footer(bytes, {end, place.bytes, place.crc});
    if (!directory) continue;
    for (const RunDirectory& run : directory->runs) {
      if (run.run.position + run.run.bytes > end || run.index.empty() || run.times.empty()) std::abort();
      (void)run.time_of(run.run.base);
      if (directory->find(run.run.of, run.run.base) == nullptr) std::abort();
    }
  }
}

}  // namespace ms::log::testing
