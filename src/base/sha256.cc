#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace ms {

std::array<uint8_t, 32> sha256(std::string_view bytes) {
  std::array<uint8_t, 32> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 && size == digest.size());
  return digest;
}

std::string sha256_hex(std::string_view bytes) {
  std::string out;
  for (const uint8_t byte : sha256(bytes)) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace ms
