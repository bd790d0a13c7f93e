#include "security/jwt.h"

#include "security/token_fixture.h"

namespace ms::security {
namespace {

std::string error_of(const Result<Token>& token) { return token ? "" : token.error().message; }

class Jwt : public ::testing::TestWithParam<bool> {
 protected:
  Result<Token> verify(const std::string& token) { return verify_token(token, signer_.keys(), kSettings, kNowMs); }
  Signer signer_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Algorithms, Jwt, ::testing::Bool(), [](const auto& p) { return p.param ? "ES256" : "RS256"; });

TEST_P(Jwt, AGoodToken) {
  const auto token = verify(signer_.token(good_claims()));
  ASSERT_TRUE(token) << error_of(token);
  EXPECT_EQ(token->user, "alice");
  EXPECT_EQ(token->expires_ms, kNowMs + 60'000);
  EXPECT_TRUE(verify(signer_.token(with("aud", {"other", "millstream"}))));
  EXPECT_TRUE(verify(signer_.token(with("nbf", kNowMs / 1000))));
  EXPECT_TRUE(verify(signer_.token(with("exp", kNowMs / 1000 - 20))));  // within the clocks' skew
}

TEST_P(Jwt, ClaimsThatAreWrongOrMissing) {
  for (const Json& claims : {with("iss", "https://other"), without("iss"), with("aud", "other"), without("aud"), with("aud", Json::array()), with("aud", {{"millstream", 1}}),
                             with("exp", kNowMs / 1000 - 31), without("exp"), with("exp", "never"), with("nbf", kNowMs / 1000 + 31), with("nbf", "x"), without("sub"),
                             with("sub", ""), with("sub", "*"), with("sub", 5), with("exp", 1e300)})
    EXPECT_FALSE(verify(signer_.token(claims))) << claims.dump();
}

TEST_P(Jwt, AlgorithmsThatSignNothing) {
  const std::string claims = good_claims().dump();
  for (const char* alg : {"none", "None", "NONE", "HS256", "RS512", "PS256", "", "ES384"}) {
    const std::string header = Json{{"alg", alg}, {"kid", "k"}}.dump();
    EXPECT_FALSE(verify(signer_.token(header, claims))) << alg;
    EXPECT_FALSE(verify(base64_url(header) + "." + base64_url(claims) + ".")) << alg;
  }
  EXPECT_FALSE(verify(signer_.token(R"({"kid":"k"})", claims)));
}

// The public key as the secret of an HMAC, which a verifier that believes the header would take.
TEST_P(Jwt, ConfusionOfAKeyWithASecret) {
  const std::string signed_part = base64_url(R"({"alg":"HS256","kid":"k"})") + "." + base64_url(good_claims().dump());
  for (const std::string& secret : {signer_.jwk().dump(), std::string()})
    EXPECT_FALSE(verify(signed_part + "." + base64_url(hmac(Digest::kSha256, secret, signed_part))));
}

TEST_P(Jwt, ASignatureOfSomethingElse) {
  const std::string token = signer_.token(good_claims());
  const Signer other(GetParam());
  EXPECT_FALSE(verify(other.token(good_claims())));
  const std::string header = token.substr(0, token.find('.')), signature = token.substr(token.rfind('.'));
  EXPECT_FALSE(verify(header + "." + base64_url(with("sub", "admin").dump()) + signature));
  EXPECT_FALSE(verify(token.substr(0, token.size() - 4)));
  EXPECT_FALSE(verify(header + "." + token.substr(header.size() + 1, token.rfind('.') - header.size() - 1) + "." + base64_url(std::string(64, '\0'))));
}

TEST_P(Jwt, WhatIsNoToken) {
  const std::string token = signer_.token(good_claims());
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), token + ".", token + ".x", " " + token, token + "\n", "e30" + token, std::string(100'000, 'a')})
    EXPECT_FALSE(verify(bad));
  EXPECT_FALSE(verify(signer_.token(R"({"alg":")" + signer_.algorithm + R"(","kid":"k","crit":["x"]})", good_claims().dump())));
  EXPECT_FALSE(verify(signer_.token(R"({"alg":")" + signer_.algorithm + R"(","kid":"unknown"})", good_claims().dump())));
  // One member twice: readers differ about which counts.
  std::string twice = good_claims().dump();
  twice.insert(1, R"("sub":"bob",)");
  EXPECT_FALSE(verify(signer_.token(Json{{"alg", signer_.algorithm}, {"kid", "k"}}.dump(), twice)));
}

// RFC 7515, appendix A.3: the signature is right, the claims are another issuer's.
TEST(JwtVectors, Rfc7515) {
  const auto keys = JwksKeys::parse(R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  ASSERT_TRUE(keys);
  const std::string token =
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  EXPECT_NE(error_of(verify_token(token, *keys, kSettings, 1'300'819'000'000)).find("issuer 'joe'"), std::string::npos);
  std::string altered = token;
  altered[30] = altered[30] == 'a' ? 'b' : 'a';
  EXPECT_NE(error_of(verify_token(altered, *keys, kSettings, 1'300'819'000'000)).find("signature is wrong"), std::string::npos);
}

TEST(Jwks, KeysThatAreNotTaken) {
  const Signer rsa(false), small(false, 1024);
  const auto parse = [](Json key) { return JwksKeys::parse(Json{{"keys", {std::move(key)}}}.dump()).has_value(); };
  EXPECT_TRUE(parse(rsa.jwk()));
  EXPECT_FALSE(parse(small.jwk()));
  Json for_encryption = rsa.jwk(), for_other = rsa.jwk();
  for_encryption["use"] = "enc";
  for_other["alg"] = "PS256";
  EXPECT_FALSE(parse(for_encryption));
  EXPECT_FALSE(parse(for_other));
  EXPECT_FALSE(parse({{"kty", "oct"}, {"k", "c2VjcmV0"}}));
  for (const char* bad : {"", "[]", "{}", R"({"keys":5})", R"({"keys":[]})", R"({"keys":[5,{"kty":"RSA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})"}) EXPECT_FALSE(JwksKeys::parse(bad)) << bad;
}

}  // namespace
}  // namespace ms::security
