#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace ms {

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[32];
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1 && size == sizeof digest);
  std::string out;
  for (const unsigned char byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace ms
