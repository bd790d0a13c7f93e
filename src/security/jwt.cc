#include "security/jwt.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "security/crypto.h"

namespace ms::security {

using Json = nlohmann::json;

namespace {

constexpr int kRsaBitsMin = 2048;
constexpr size_t kP256Bytes = 32;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* p) const { Free(p); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Freed<BIGNUM, BN_free>>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
NumberPtr number(std::string_view big_endian) { return NumberPtr(BN_bin2bn(bytes_of(big_endian), static_cast<int>(big_endian.size()), nullptr)); }

KeyPtr make_key(const char* type, OSSL_PARAM_BLD* builder) {
  const std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM, OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(builder));
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX, EVP_PKEY_CTX_free>> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 || EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return KeyPtr(key);
}
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;

KeyPtr rsa_key(std::string_view modulus, std::string_view exponent) {
  const NumberPtr n = number(modulus), e = number(exponent);
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!n || !e || BN_num_bits(n.get()) < kRsaBitsMin || !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) ||
      !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()))
    return nullptr;
  return make_key("RSA", builder.get());
}

KeyPtr ec_key(std::string_view x, std::string_view y) {
  if (x.size() != kP256Bytes || y.size() != kP256Bytes) return nullptr;
  const std::string point = "\x04" + std::string(x) + std::string(y);
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
      !OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()))
    return nullptr;
  return make_key("EC", builder.get());
}

// A JWS carries r and s one after the other; OpenSSL wants them in DER.
std::string der_signature(std::string_view raw) {
  if (raw.size() != 2 * kP256Bytes) return {};
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG, ECDSA_SIG_free>> signature(ECDSA_SIG_new());
  NumberPtr r = number(raw.substr(0, kP256Bytes)), s = number(raw.substr(kP256Bytes));
  if (!signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release()), static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool verifies(EVP_PKEY* key, std::string_view signature, std::string_view bytes) {
  const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX, EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(bytes), bytes.size()) == 1;
}

std::string text_at(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}
std::string bytes_at(const Json& object, const char* name) { return from_base64_url(text_at(object, name)).value_or(""); }

std::optional<Json> json_part(std::string_view encoded) {
  const auto text = from_base64_url(encoded);
  if (!text) return std::nullopt;
  // A member that occurs twice could be read differently by who signed and by us.
  std::vector<std::set<std::string>> open;
  bool twice = false;
  Json json = Json::parse(*text, [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > 32) twice = true;
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end && !open.empty()) open.pop_back();
    if (event == Json::parse_event_t::key && !open.empty()) twice |= !open.back().insert(value.get<std::string>()).second;
    return true;
  }, false);
  if (json.is_discarded() || !json.is_object() || twice) return std::nullopt;
  return json;
}

// Seconds since 1970, perhaps with a fraction, as milliseconds.
std::optional<int64_t> time_at(const Json& claims, const char* name) {
  const auto at = claims.find(name);
  if (at == claims.end() || !at->is_number()) return std::nullopt;
  const double ms = at->get<double>() * 1000;
  if (!(std::abs(ms) < 9e15)) return std::nullopt;
  return static_cast<int64_t>(ms);
}

bool is_for(const Json& claims, const std::string& audience) {
  const auto at = claims.find("aud");
  if (at == claims.end()) return false;
  if (at->is_string()) return at->get<std::string>() == audience;
  if (!at->is_array()) return false;
  for (const Json& one : *at)
    if (one.is_string() && one.get<std::string>() == audience) return true;
  return false;
}

Result<Token> check_claims(const Json& claims, const OauthSettings& settings, int64_t now_ms) {
  const auto expires = time_at(claims, "exp");
  if (!expires) return invalid("the token has no exp");
  if (now_ms >= *expires + settings.clock_skew_ms) return invalid("the token has expired");
  if (claims.contains("nbf")) {
    const auto from = time_at(claims, "nbf");
    if (!from || now_ms < *from - settings.clock_skew_ms) return invalid("the token is not valid yet (nbf)");
  }
  if (text_at(claims, "iss") != settings.issuer) return invalid(fmt::format("the token is from the issuer '{}', not '{}'", text_at(claims, "iss"), settings.issuer));
  if (!is_for(claims, settings.audience)) return invalid(fmt::format("the token is not for the audience '{}'", settings.audience));
  std::string user = text_at(claims, settings.user_claim.c_str());
  if (user.empty() || user == "*") return invalid(fmt::format("the token has no text '{}' that names the user", settings.user_claim));
  return Token{std::move(user), *expires};
}

}  // namespace

struct JwksKeys::Key {
  std::string algorithm;
  KeyPtr key;
};

Result<JwksKeys> JwksKeys::parse(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("keys") || !json["keys"].is_array()) return invalid("this is no JWKS document: an object with an array \"keys\" is expected");
  JwksKeys out;
  for (const Json& jwk : json["keys"]) {
    if (!jwk.is_object()) continue;
    const std::string type = text_at(jwk, "kty"), use = text_at(jwk, "use"), named = text_at(jwk, "alg");
    Key key;
    if (type == "RSA") key = {"RS256", rsa_key(bytes_at(jwk, "n"), bytes_at(jwk, "e"))};
    else if (type == "EC" && text_at(jwk, "crv") == "P-256") key = {"ES256", ec_key(bytes_at(jwk, "x"), bytes_at(jwk, "y"))};
    if (!key.key || (!use.empty() && use != "sig") || (!named.empty() && named != key.algorithm)) continue;
    out.keys_[text_at(jwk, "kid")] = std::make_shared<const Key>(std::move(key));
  }
  if (out.keys_.empty()) return invalid("the JWKS document has no key for RS256 (at least 2048 bits) or ES256");
  return out;
}

std::string key_id_of(std::string_view token) {
  const auto header = json_part(token.substr(0, token.find('.')));
  return header ? text_at(*header, "kid") : std::string();
}

Result<Token> verify_token(std::string_view token, const JwksKeys& keys, const OauthSettings& settings, int64_t now_ms) {
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (token.size() > kTokenBytesMax || second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return invalid("this is no signed token: three parts with dots between them are expected");
  const auto header = json_part(token.substr(0, first));
  const auto signature = from_base64_url(token.substr(second + 1));
  if (!header || !signature || signature->empty()) return invalid("the token's header or signature is malformed");
  if (header->contains("crit")) return invalid("the token asks for extensions (crit) that are not known here");
  const auto at = keys.keys_.find(text_at(*header, "kid"));
  if (at == keys.keys_.end()) return invalid(fmt::format("the JWKS has no key '{}'", text_at(*header, "kid")));
  // The key says which algorithm it is for; what the token says must agree and decides nothing.
  const JwksKeys::Key& key = *at->second;
  if (text_at(*header, "alg") != key.algorithm) return invalid(fmt::format("the token's algorithm is '{}', its key's {}", text_at(*header, "alg"), key.algorithm));
  const std::string signed_by = key.algorithm == "ES256" ? der_signature(*signature) : *signature;
  if (signed_by.empty() || !verifies(key.key.get(), signed_by, token.substr(0, second))) return invalid("the token's signature is wrong");
  const auto claims = json_part(token.substr(first + 1, second - first - 1));
  if (!claims) return invalid("the token's claims are malformed");
  return check_claims(*claims, settings, now_ms);
}

}  // namespace ms::security
