#include "security/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "base/metrics.h"

namespace ms::security {

namespace {

constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const EVP_MD* type_of(Digest digest) { return digest == Digest::kSha256 ? EVP_sha256() : EVP_sha512(); }
const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

Metric& password_iterations(Digest digest) {
  static Metric& sha256 = counter("millstream_security_password_iterations_total", "digest=\"sha256\"");
  static Metric& sha512 = counter("millstream_security_password_iterations_total", "digest=\"sha512\"");
  return digest == Digest::kSha256 ? sha256 : sha512;
}

std::string encode(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) out += alphabet[bits << (6 - count) & 63];
  return out;
}

// Bits that stand for no byte must be zero, so that every value has one text.
std::optional<std::string> decode(std::string_view text, std::string_view alphabet) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 255);
  }
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace

size_t digest_bytes(Digest digest) { return digest == Digest::kSha256 ? 32 : 64; }

std::string hash(Digest digest, std::string_view bytes) {
  std::string out(digest_bytes(digest), '\0');
  CHECK(EVP_Digest(bytes.data(), bytes.size(), bytes_of(out), nullptr, type_of(digest), nullptr) == 1);
  return out;
}

std::string hmac(Digest digest, std::string_view key, std::string_view bytes) {
  std::string out(digest_bytes(digest), '\0');
  CHECK(HMAC(type_of(digest), key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(), bytes_of(out), nullptr) != nullptr);
  return out;
}

std::string pbkdf2(Digest digest, std::string_view password, std::string_view salt, int iterations) {
  password_iterations(digest).add(iterations);
  std::string out(digest_bytes(digest), '\0');
  CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt), static_cast<int>(salt.size()), iterations,
                          type_of(digest), static_cast<int>(out.size()), bytes_of(out)) == 1);
  return out;
}

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  CHECK(RAND_bytes(bytes_of(out), static_cast<int>(count)) == 1);
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) { return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

std::string base64(std::string_view bytes) {
  std::string out = encode(bytes, kPlain);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t end = text.find('=');
  const size_t padding = end == std::string_view::npos ? 0 : text.size() - end;
  if (padding > 2 || text.substr(text.size() - padding) != std::string_view("==").substr(0, padding)) return std::nullopt;
  return decode(text.substr(0, text.size() - padding), kPlain);
}

std::optional<std::string> from_base64_url(std::string_view text) { return decode(text, kUrl); }
std::string base64_url(std::string_view bytes) { return encode(bytes, kUrl); }

}  // namespace ms::security
