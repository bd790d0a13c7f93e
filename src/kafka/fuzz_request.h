// What the fuzzer and the replay of its corpus do with bytes.
#pragma once

#include <cstdint>
#include <span>

namespace ms::kafka {

// Decodes `bytes` as a request frame would be: true when it is one. What decodes must encode to something that decodes
// to the same again (CHECKed).
bool decode_any_request(std::span<const uint8_t> bytes);

}  // namespace ms::kafka
