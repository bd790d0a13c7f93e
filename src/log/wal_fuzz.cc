// Frame headers as they are; commands and batches behind a header that claims them rightly, so that they are reached.
#include "base/crc32c.h"
#include "log/meta_state.h"
#include "log/wal_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  using namespace ms::log;
  const std::span bytes(data, size);
  if (const auto header = parse_frame_header(bytes)) (void)check_frame(*header, bytes);
  (void)parse_segment_header(bytes);
  if (bytes.size() < 2) return 0;
  const size_t commands = std::min<size_t>(load_le<uint16_t>(bytes.data()), bytes.size() - 2);
  std::vector<uint8_t> frame(kWalHeaderBytes);
  frame.insert(frame.end(), bytes.begin() + 2, bytes.end());
  FrameHeader header{.command_bytes = static_cast<uint32_t>(commands), .command_crc = crc32c(bytes.subspan(2, commands)),
                     .data_bytes = static_cast<uint32_t>(bytes.size() - 2 - commands)};
  MetaState state;
  for (header.batches = 0; header.batches < 3; ++header.batches)
    (void)visit_frame(header, frame, [&](FrameEntry& entry, const FrameBatch* stored) -> Result<> {
      if (stored != nullptr) (void)state.append(std::get<AppendBatch>(entry), {1});
      else if (const auto* step = std::get_if<TransactionStep>(&entry)) (void)state.apply(*step, {1});
      else (void)state.apply(std::get<Command>(entry), {1});
      return {};
    });
  (void)MetaState::decode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return 0;
}
