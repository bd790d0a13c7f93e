#include "io/tls_session.h"

#include <gmock/gmock.h>
#include <openssl/err.h>

#include "base/clock.h"
#include "io/testing/certificates.h"
#include "io/tls_credentials.h"

namespace ms::io {
namespace {

using testing::CertificateFolder;
using testing::Identity;
using testing::make_identity;
using testing::Owned;

// OpenSSL's client over two buffers in memory.
class MemoryClient {
 public:
  explicit MemoryClient(const Identity* identity = nullptr, int version_max = 0) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_.get(), version_max);
    if (version_max == TLS1_1_VERSION) SSL_CTX_set_cipher_list(context_.get(), "ALL:@SECLEVEL=0"), SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    if (identity) SSL_CTX_use_certificate(context_.get(), identity->certificate.get()), SSL_CTX_use_PrivateKey(context_.get(), identity->key.get());
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }
  SSL* ssl() { return ssl_.get(); }
  bool shake_hands() { return SSL_do_handshake(ssl_.get()) == 1; }
  std::vector<uint8_t> take() {
    std::vector<uint8_t> out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())));
    if (!out.empty()) BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
    return out;
  }
  void give(std::vector<uint8_t>& bytes) {
    if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    bytes.clear();
  }

 private:
  Owned<SSL_CTX> context_;
  Owned<SSL> ssl_;
};

class TlsSessionTest : public ::testing::Test {
 protected:
  std::shared_ptr<const TlsContext> load(ClientAuth auth = ClientAuth::kNone) {
    auto context = TlsContext::load(folder_.files(auth));
    return context ? *context : (ADD_FAILURE() << context.error().message, nullptr);
  }
  // Passes bytes to and fro until nobody has any. `piece`: so many bytes at a time towards the server.
  void connect(TlsSession& session, MemoryClient& client, size_t piece = 1 << 20) {
    for (int round = 0; round < 10; ++round) {
      client.shake_hands();
      const auto sent = client.take();
      for (size_t at = 0; at < sent.size(); at += piece) {
        session.feed(std::span(sent).subspan(at, std::min(piece, sent.size() - at)));
        session.shake_hands();
      }
      client.give(session.output());
    }
  }
  CertificateFolder folder_;
};

TEST_F(TlsSessionTest, CarriesBytesBothWaysHoweverTheyArrive) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t piece : {1u, 7u, 1u << 20}) {
      TlsSession session(load());
      MemoryClient client(nullptr, version);
      connect(session, client, piece);
      ASSERT_EQ(session.state(), TlsSession::State::kOpen) << session.failure();
      EXPECT_EQ(session.subject(), "");
      EXPECT_EQ(session.expires_us(), kNeverUs);

      const std::string there(100'000, 'a');
      for (size_t at = 0; at < there.size(); at += 10'000) ASSERT_EQ(SSL_write(client.ssl(), there.data() + at, 10'000), 10'000);
      const auto sent = client.take();
      std::string got;
      std::vector<uint8_t> room(4096);
      for (size_t at = 0; at < sent.size(); at += piece) {
        session.feed(std::span(sent).subspan(at, std::min(piece, sent.size() - at)));
        while (const size_t n = session.read(room)) got.append(room.begin(), room.begin() + static_cast<ptrdiff_t>(n));
        EXPECT_TRUE(session.wants_input());
      }
      EXPECT_TRUE(got == there);

      ASSERT_TRUE(session.write(std::span(reinterpret_cast<const uint8_t*>(there.data()), 16'000)));
      client.give(session.output());
      std::string back(16'000, '\0');
      EXPECT_EQ(SSL_read(client.ssl(), back.data(), static_cast<int>(back.size())), 16'000);
      EXPECT_EQ(back, there.substr(0, 16'000));
      session.end();
      client.give(session.output());
      EXPECT_EQ(SSL_read(client.ssl(), back.data(), 1), 0);
      EXPECT_EQ(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    }
  }
}

TEST_F(TlsSessionTest, NamesTheClientThatShowsACertificate) {
  const Identity identity = make_identity({.common_name = "Zoë, \"the\" client", .organization = "Acme+Co"}, &folder_.authority);
  TlsSession session(load(ClientAuth::kRequired));
  MemoryClient client(&identity);
  connect(session, client);
  ASSERT_EQ(session.state(), TlsSession::State::kOpen) << session.failure();
  EXPECT_EQ(session.subject(), R"(CN=Zoë\, \"the\" client,O=Acme\+Co)");
  EXPECT_NEAR(static_cast<double>(session.expires_us()), static_cast<double>(system_clock().wall_us() + 24 * 3600 * kMicrosPerSecond), 60e6);
}

TEST_F(TlsSessionTest, RefusesClientsThatItShould) {
  const Identity other_authority = make_identity({.common_name = "other", .authority = true});
  const Identity stranger = make_identity({.common_name = "stranger"}, &other_authority);
  const Identity expired = make_identity({.common_name = "late", .from_s = -7200, .to_s = -3600}, &folder_.authority);
  const auto refusal = [&](const Identity* identity, ClientAuth auth, int version) {
    TlsSession session(load(auth));
    MemoryClient client(identity, version);
    connect(session, client);
    EXPECT_NE(session.state(), TlsSession::State::kOpen);
    return session.failure();
  };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EXPECT_THAT(refusal(nullptr, ClientAuth::kRequired, version), ::testing::HasSubstr("give the client a certificate"));
    for (const ClientAuth auth : {ClientAuth::kOptional, ClientAuth::kRequired}) {
      EXPECT_THAT(refusal(&stranger, auth, version), ::testing::HasSubstr("not good for tls_client_ca"));
      EXPECT_THAT(refusal(&expired, auth, version), ::testing::HasSubstr("certificate has expired"));
    }
  }
  EXPECT_THAT(refusal(nullptr, ClientAuth::kNone, TLS1_1_VERSION), ::testing::HasSubstr("1.2 is the oldest"));

  TlsSession session(load(ClientAuth::kOptional));
  MemoryClient nobody;
  connect(session, nobody);
  EXPECT_EQ(session.state(), TlsSession::State::kOpen) << "a client may show none";
}

TEST_F(TlsSessionTest, DoesNotNegotiateAgainNorResume) {
  TlsSession session(load());
  MemoryClient client(nullptr, TLS1_2_VERSION);
  connect(session, client);
  ASSERT_EQ(session.state(), TlsSession::State::kOpen);
  EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get_session(client.ssl())), 0);
  EXPECT_EQ(SSL_renegotiate(client.ssl()), 1);
  client.shake_hands();
  const auto sent = client.take();
  std::vector<uint8_t> room(100);
  session.feed(sent);
  session.read(room);
  client.give(session.output());
  EXPECT_FALSE(client.shake_hands());
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
}

TEST_F(TlsSessionTest, NoiseFails) {
  for (const std::string_view noise : {"\x16\x03\x01\xff\xff aaaaaaaaaaaaaaaaaaaa", "\x16\x03\x01\x00\x05hello", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x03\x40\x00\x01\xff\xff\xff"}) {
    TlsSession session(load());
    session.feed(std::span(reinterpret_cast<const uint8_t*>(noise.data()), noise.size()));
    session.shake_hands();
    std::string more(20'000, 'x');
    session.feed(std::span(reinterpret_cast<const uint8_t*>(more.data()), more.size()));
    session.shake_hands();
    EXPECT_EQ(session.state(), TlsSession::State::kFailed) << noise;
    EXPECT_FALSE(session.failure().empty());
  }
}

TEST(BeginsTls, TellsItFromKafkaAndHttp) {
  const auto begins = [](std::string_view text) { return begins_tls(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size())); };
  EXPECT_TRUE(begins("\x16\x03\x01"));
  EXPECT_TRUE(begins("\x16"));
  EXPECT_FALSE(begins(std::string_view("\0\0\0\x20", 4)));
  EXPECT_FALSE(begins("GET /"));
}

TEST_F(TlsSessionTest, FilesThatAreNoGoodAreRefusedWithTheReason) {
  const auto refused = [&](TlsFiles files) {
    const auto context = TlsContext::load(files);
    return context ? "" : context.error().message;
  };
  TlsFiles files = folder_.files(ClientAuth::kRequired);
  EXPECT_EQ(refused(files), "");
  files.certificate = folder_.path("nosuch.pem");
  EXPECT_THAT(refused(files), ::testing::AllOf(::testing::HasSubstr("nosuch.pem"), ::testing::HasSubstr("No such file")));
  files = folder_.files(ClientAuth::kRequired);
  files.client_ca = files.key;
  EXPECT_THAT(refused(files), ::testing::HasSubstr("authorities"));
  folder_.write("server.key", make_identity({.common_name = "other"}).key_pem());
  EXPECT_THAT(refused(folder_.files()), ::testing::HasSubstr("key values mismatch"));
  folder_.install(make_identity({.common_name = "late", .from_s = -7200, .to_s = -3600}, &folder_.authority));
  EXPECT_THAT(refused(folder_.files()), ::testing::HasSubstr("has expired"));
}

TEST_F(TlsSessionTest, CredentialsFollowTheirFilesAndKeepWhatWorks) {
  const auto credentials = *TlsCredentials::open(folder_.files());
  const auto first = credentials->current();
  credentials->reload_if_changed();
  EXPECT_EQ(credentials->current(), first);
  folder_.write("server.key", "nonsense");
  credentials->reload_if_changed();
  EXPECT_EQ(credentials->current(), first);
  folder_.install(make_identity({.common_name = "new"}, &folder_.authority));
  credentials->reload_if_changed();
  const auto second = credentials->current();
  EXPECT_NE(second, first);
  credentials->reload();
  EXPECT_NE(credentials->current(), second);
}

}  // namespace
}  // namespace ms::io
