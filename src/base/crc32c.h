// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the SSE 4.2 instruction with three interleaved streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ms {

// crc32c of `bytes`; pass the result of an earlier call as `before` to go on where it ended.
uint32_t crc32c(std::span<const uint8_t> bytes, uint32_t before = 0);

}  // namespace ms
