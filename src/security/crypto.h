// What authentication needs of OpenSSL, and the texts that carry bytes. Nothing here is made by ourselves but base64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ms::security {

enum class Digest : uint8_t { kSha256, kSha512 };
size_t digest_bytes(Digest digest);

std::string hash(Digest digest, std::string_view bytes);
std::string hmac(Digest digest, std::string_view key, std::string_view bytes);
std::string pbkdf2(Digest digest, std::string_view password, std::string_view salt, int iterations);
std::string random_bytes(size_t count);  // from the operating system, fit for keys

// Takes the same time wherever the difference is. Texts of different lengths are different at once: lengths are no secret.
bool equal_in_constant_time(std::string_view a, std::string_view b);

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);      // strict: padded, nothing else in it
std::optional<std::string> from_base64_url(std::string_view text);  // strict: RFC 4648 section 5, without padding
std::string base64_url(std::string_view bytes);                     // the same way round

}  // namespace ms::security
