// Ends of objects as they are; footers with a CRC that fits. A directory that parses must be sane.
#include <cstdlib>

#include "base/crc32c.h"
#include "log/stream_object.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  using namespace ms::log;
  const std::span bytes(data, size);
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
  return 0;
}
