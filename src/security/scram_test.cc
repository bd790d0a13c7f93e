#include "security/scram.h"

#include <gtest/gtest.h>

namespace ms::security {
namespace {

// RFC 7677, section 3.
constexpr const char* kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr const char* kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr const char* kChallenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr const char* kFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr const char* kVerified = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramCredential pencil() { return make_credential(ScramMechanism::kSha256, "pencil", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096); }

struct Exchange {
  ScramServer server{ScramMechanism::kSha256, kServerNonce};
  std::optional<std::string> run(std::string_view first, std::string_view last) {
    if (!server.begin(first)) return std::nullopt;
    server.challenge(pencil());
    return server.finish(last);
  }
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, what.size(), with);
}

TEST(Scram, TheExchangeOfRfc7677) {
  ScramServer server(ScramMechanism::kSha256, kServerNonce);
  EXPECT_EQ(server.begin(kFirst), "user");
  EXPECT_EQ(server.challenge(pencil()), kChallenge);
  EXPECT_EQ(server.finish(kFinal), kVerified);
}

TEST(Scram, OneProofIsGoodForOneAttempt) {
  Exchange exchange;
  EXPECT_EQ(exchange.run(kFirst, kFinal), kVerified);
  EXPECT_EQ(exchange.server.finish(kFinal), std::nullopt);
}

// A recorded exchange, sent again: the server's nonce is another one.
TEST(Scram, AReplayIsRefused) {
  ScramServer server(ScramMechanism::kSha256, "anotherNonce");
  ASSERT_TRUE(server.begin(kFirst));
  server.challenge(pencil());
  EXPECT_EQ(server.finish(kFinal), std::nullopt);
}

TEST(Scram, WhatIsAlteredIsRefused) {
  const std::string last = kFinal;
  for (const auto& altered : {replaced(last, "hNlF$k0", "hNlF$k1"), replaced(last, "c=biws", "c=eSws"), replaced(last, "p=dHz", "p=eHz"), replaced(last, "c=biws,", ""),
                              replaced(last, "dVQ=", ""), replaced(last, ",p=", ",x=y,p="), std::string(), std::string("p=")})
    EXPECT_EQ(Exchange().run(kFirst, altered), std::nullopt) << altered;
  Exchange other_first;
  EXPECT_EQ(other_first.run("n,,n=usex,r=rOprNGfwEbeRWgbNEkqO", kFinal), std::nullopt);
}

// A client that computes with fewer iterations than it was told has another proof.
TEST(Scram, AnotherIterationCountIsRefused) {
  ScramServer server(ScramMechanism::kSha256, kServerNonce);
  ASSERT_TRUE(server.begin(kFirst));
  ScramCredential credential = pencil();
  credential.iterations = 8192;
  server.challenge(credential);
  EXPECT_EQ(server.finish(kFinal), std::nullopt);
}

TEST(Scram, FirstMessages) {
  const auto user_of = [](std::string_view first) { return ScramServer(ScramMechanism::kSha256, "x").begin(first); };
  EXPECT_EQ(user_of("n,,n=a=2Cb=3Dc,r=1"), "a,b=c");
  EXPECT_EQ(user_of("n,a=user,n=user,r=1"), "user");
  EXPECT_EQ(user_of("y,,n=user,r=1,tokenauth=true"), "user");
  for (const char* bad : {"", "n", "n,", "n,,", "n,,n=,r=1", "n,,n=user", "n,,n=user,r=", "n,,n=a=b,r=1", "p=tls-unique,,n=user,r=1", "n,a=other,n=user,r=1",
                          "n,,m=ext,n=user,r=1", "n,,r=1,n=user", "x,,n=user,r=1"})
    EXPECT_EQ(user_of(bad), std::nullopt) << bad;
}

TEST(Scram, OurClientAndOurServer) {
  ScramClient client(ScramMechanism::kSha256, "a,b=c", "pencil", "n1");
  ScramServer server(ScramMechanism::kSha256, "n2");
  EXPECT_EQ(server.begin(client.first()), "a,b=c");
  const auto last = client.answer(server.challenge(pencil()));
  ASSERT_TRUE(last);
  const auto verified = server.finish(*last);
  ASSERT_TRUE(verified);
  EXPECT_TRUE(client.verifies(*verified));
  EXPECT_FALSE(client.verifies("v=AAAA") || client.verifies(""));
  for (const char* bad : {"", "r=x,s=c2FsdA==,i=4096", "r=n1x,s=,i=4096", "r=n1x,s=c2FsdA==", "r=n1x,s=c2FsdA==,i=1", "r=n1x,s=c2FsdA==,i=99999999"}) EXPECT_FALSE(client.answer(bad)) << bad;
}

TEST(Scram, TheClientOfRfc7677) {
  ScramClient client(ScramMechanism::kSha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(client.first(), kFirst);
  EXPECT_EQ(client.answer(kChallenge).value_or(""), kFinal);
  EXPECT_TRUE(client.verifies(kVerified));
}

TEST(Scram, CredentialsAsTexts) {
  for (const auto mechanism : {ScramMechanism::kSha256, ScramMechanism::kSha512}) {
    const ScramCredential made = make_credential(mechanism, "secret", "salt", 4096);
    const auto back = parse_credential(mechanism, format_credential(made));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, made);
    EXPECT_TRUE(has_password(mechanism, *back, "secret"));
    EXPECT_FALSE(has_password(mechanism, *back, "Secret"));
  }
  const std::string text = format_credential(make_credential(ScramMechanism::kSha256, "secret", "salt", 4096));
  EXPECT_FALSE(parse_credential(ScramMechanism::kSha512, text));
  EXPECT_FALSE(parse_credential(ScramMechanism::kSha256, replaced(text, "4096", "4095")));
  EXPECT_FALSE(parse_credential(ScramMechanism::kSha256, replaced(text, "4096", "4096x")));
  EXPECT_FALSE(parse_credential(ScramMechanism::kSha256, replaced(text, "salt=c2FsdA==", "salt=")));
}

TEST(Crypto, Base64) {
  // RFC 4648, section 10.
  for (const auto& [bytes, text] : {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Z===", "Zg==Zg==", "Zm9v\n", "Zm-_"}) EXPECT_EQ(from_base64(bad), std::nullopt) << bad;
  EXPECT_EQ(base64_url("\xFB\xFF"), "-_8");
  EXPECT_EQ(from_base64_url("-_8"), "\xFB\xFF");
  for (const char* bad : {"-_9", "-_8=", "+/8"}) EXPECT_EQ(from_base64_url(bad), std::nullopt) << bad;
}

// RFC 4231, test case 2; RFC 7914's PBKDF2 vector.
TEST(Crypto, KnownAnswers) {
  EXPECT_EQ(base64(hmac(Digest::kSha256, "Jefe", "what do ya want for nothing?")), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
  EXPECT_EQ(pbkdf2(Digest::kSha256, "passwd", "salt", 1).substr(0, 4), "\x55\xac\x04\x6e");
}

}  // namespace
}  // namespace ms::security
