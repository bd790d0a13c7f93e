// Tokens and keys for tests, signed as an identity provider does.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <nlohmann/json.hpp>

#include "security/crypto.h"
#include "security/jwt.h"

namespace ms::security {

using Json = nlohmann::ordered_json;

inline constexpr int64_t kNowMs = 1'700'000'000'000;
inline const OauthSettings kSettings{.jwks = "", .issuer = "https://issuer", .audience = "millstream"};

inline std::string number_of(EVP_PKEY* key, const char* name, int bytes) {
  BIGNUM* n = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &n), 1);
  std::string out(static_cast<size_t>(bytes ? bytes : BN_num_bytes(n)), '\0');
  BN_bn2binpad(n, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  BN_free(n);
  return base64_url(out);
}

// A pair of keys that signs as an identity provider does.
struct Signer {
  explicit Signer(bool ec, int bits = 2048) : algorithm(ec ? "ES256" : "RS256"), key(ec ? EVP_EC_gen("P-256") : EVP_RSA_gen(static_cast<size_t>(bits))) {}
  ~Signer() { EVP_PKEY_free(key); }
  Json jwk(std::string kid = "k") const {
    if (algorithm == "ES256") return {{"kty", "EC"}, {"kid", kid}, {"crv", "P-256"}, {"x", number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 32)}, {"y", number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32)}};
    return {{"kty", "RSA"}, {"kid", kid}, {"use", "sig"}, {"n", number_of(key, OSSL_PKEY_PARAM_RSA_N, 0)}, {"e", number_of(key, OSSL_PKEY_PARAM_RSA_E, 0)}};
  }
  JwksKeys keys() const { return *JwksKeys::parse(Json{{"keys", {jwk()}}}.dump()); }
  std::string sign(const std::string& bytes) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    size_t size = 0;
    EXPECT_EQ(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key), 1);
    EVP_DigestSign(context, nullptr, &size, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    std::string out(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    out.resize(size);
    EVP_MD_CTX_free(context);
    return algorithm == "ES256" ? raw(out) : out;
  }
  static std::string raw(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string out(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), reinterpret_cast<unsigned char*>(out.data()), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), reinterpret_cast<unsigned char*>(out.data()) + 32, 32);
    ECDSA_SIG_free(signature);
    return out;
  }
  std::string token(const std::string& header, const std::string& claims) const {
    const std::string signed_part = base64_url(header) + "." + base64_url(claims);
    return signed_part + "." + base64_url(sign(signed_part));
  }
  std::string token_of(const std::string& key_id, const Json& claims) const { return token(Json{{"alg", algorithm}, {"kid", key_id}}.dump(), claims.dump()); }
  std::string token(const Json& claims) const { return token_of("k", claims); }

  std::string algorithm;
  EVP_PKEY* key;
};

inline Json good_claims() { return {{"iss", "https://issuer"}, {"aud", "millstream"}, {"sub", "alice"}, {"exp", kNowMs / 1000 + 60}}; }
inline Json with(const char* name, Json value) {
  Json claims = good_claims();
  claims[name] = std::move(value);
  return claims;
}
inline Json without(const char* name) {
  Json claims = good_claims();
  claims.erase(name);
  return claims;
}

}  // namespace ms::security
