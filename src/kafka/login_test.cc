// Connections that have not said who they are.
#include "kafka/login.h"

#include <future>

#include "kafka/broker.h"
#include "kafka/connection.h"
#include "kafka/secure_server_fixture.h"

namespace ms::kafka {
namespace {

using LoginTest = SecureServerTest;

std::string length_prefix(size_t bytes) {
  const uint32_t size = htonl(static_cast<uint32_t>(bytes));
  return {reinterpret_cast<const char*>(&size), 4};
}

// The length alone decides: nothing of the frame has been sent, and no memory is held for it.
TEST_F(LoginTest, AFrameThatIsTooLargeIsRefusedByItsLength) {
  const int64_t before = refused("login_too_large"), late = refused("login_timeout");
  for (const size_t bytes : {kLoginFrameBytesMax + 1, size_t{1} << 20}) {
    Client stranger(server_->port());
    stranger.send_raw(length_prefix(bytes));
    EXPECT_TRUE(stranger.closed());
  }
  EXPECT_EQ(refused("login_too_large"), before + 2);
  EXPECT_EQ(refused("login_timeout"), late);
}

TEST_F(LoginTest, AFrameOfTheLargestSizeIsRead) {
  Client stranger(server_->port());
  SaslAuthenticateRequest authenticate;  // without a handshake: refused, but read
  const size_t around = Client::request_bytes(authenticate, 0, 1).size();
  authenticate.auth_bytes = Slice::copy(std::string(kLoginFrameBytesMax - around, 'x'));
  EXPECT_EQ(stranger.call<SaslAuthenticateResponse>(authenticate, 0).error_code, static_cast<int16_t>(ErrorCode::kIllegalSaslState));
}

TEST_F(LoginTest, WhoHasLoggedInMaySendMore) {
  const auto admin = client_of("admin");
  EXPECT_EQ(produce(*admin, batch_of(std::string(kLoginFrameBytesMax + 1000, 'x'))).error_code, 0);
}

// Who is about to log in when users change has not come in yet, so there is nothing to end.
TEST_F(LoginTest, UsersMayChangeInTheMiddleOfALogin) {
  Client bob(server_->port());
  SaslHandshakeRequest handshake{.mechanism = "PLAIN"};
  EXPECT_EQ(bob.call<SaslHandshakeResponse>(handshake, 1).error_code, 0);
  const security::CredentialChange eve{.user = "eve", .mechanism = security::ScramMechanism::kSha256,
                                       .credential = security::make_credential(security::ScramMechanism::kSha256, "secret", "0123456789abcdef", 4096)};
  ASSERT_TRUE(authority_->change_credentials({&eve, 1}, "User:admin"));
  authority_->announce();
  SaslAuthenticateRequest authenticate{.auth_bytes = Slice::copy(std::string("\0bob\0secret", 11))};
  EXPECT_EQ(bob.call<SaslAuthenticateResponse>(authenticate, 2).error_code, 0);
}

// A connection from wherever a test says.
class Elsewhere final : public io::Connection {
 public:
  Elsewhere(io::IoThread& thread, std::string peer, bool encrypted) : thread_(thread), peer_(std::move(peer)) { security_.encrypted = encrypted; }
  io::IoThread& thread() override { return thread_; }
  const std::string& peer() const override { return peer_; }
  const io::PeerSecurity& security() const override { return security_; }
  size_t unsent_bytes() const override { return 0; }
  void pause_reading() override {}
  void resume_reading() override {}
  void settle() override {}
  void close() override {}
  void send(std::vector<Slice> parts) override {
    std::string frame;
    for (const Slice& part : parts) frame.append(part.view());
    answer_.set_value(std::move(frame));
  }
  std::string answer() { return answer_.get_future().get(); }

 private:
  io::IoThread& thread_;
  const std::string peer_;
  io::PeerSecurity security_;
  std::promise<std::string> answer_;
};

// The error of a handshake for PLAIN, and the mechanisms that are offered.
std::string handshake_from(Broker& broker, io::IoThread& thread, const std::string& peer, bool encrypted) {
  const auto here = std::make_shared<Elsewhere>(thread, peer, encrypted);
  std::shared_ptr<KafkaConnection> connection;
  thread.post([&] {
    connection = KafkaConnection::make(broker, here, std::make_shared<AdvertisedAddress>("host", 9092));
    SaslHandshakeRequest request{.mechanism = "PLAIN"};
    connection->on_frame({Slice::copy(Client::request_bytes(request, 1, 1)), {}});
  });
  const std::string answer = here->answer();
  std::promise<void> over;
  thread.post([&] { connection->on_closed(), connection.reset(), over.set_value(); });
  over.get_future().get();
  Decoder in(Slice::copy(std::string_view(answer).substr(8)), 1, false);
  SaslHandshakeResponse response;
  response.code(in);
  std::string text = std::to_string(response.error_code);
  for (const std::string& mechanism : response.mechanisms) text += " " + mechanism;
  return text;
}

// PLAIN sends the password as it is: not over a network that anybody can listen to.
TEST_F(LoginTest, PasswordsTravelOnTheLoopbackOrEncrypted) {
  KafkaServerOptions options{.authority = authority_.get()};
  const std::string refused = "33 SCRAM-SHA-256 SCRAM-SHA-512", taken = "0 PLAIN SCRAM-SHA-256 SCRAM-SHA-512";
  {
    Broker broker(options, *log_, *runtime_);
    for (const char* outside : {"10.0.0.7:4000", "[2001:db8::1]:4000", "[::ffff:10.0.0.7]:4000", "127.0.0.1.example:4000"}) {
      EXPECT_EQ(handshake_from(broker, runtime_->thread(0), outside, false), refused) << outside;
      EXPECT_EQ(handshake_from(broker, runtime_->thread(0), outside, true), taken) << outside;
    }
    for (const char* inside : {"127.0.0.1:4000", "[::1]:4000"}) EXPECT_EQ(handshake_from(broker, runtime_->thread(0), inside, false), taken) << inside;
    broker.coordinator.stop();
  }
  options.plain_in_the_clear = true;
  Broker broker(options, *log_, *runtime_);
  EXPECT_EQ(handshake_from(broker, runtime_->thread(0), "10.0.0.7:4000", false), taken);
  broker.coordinator.stop();
}

}  // namespace
}  // namespace ms::kafka
