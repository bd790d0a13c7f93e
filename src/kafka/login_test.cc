// Connections that have not said who they are.
#include "kafka/login.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
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

// After SaslHandshake 0 a token and its answer are frames by themselves, until the login is over.
class BareTokens : public LoginTest {
 protected:
  std::unique_ptr<Client> after_handshake(const std::string& mechanism) {
    auto client = std::make_unique<Client>(server_->port());
    SaslHandshakeRequest handshake{.mechanism = mechanism};
    EXPECT_EQ(client->call<SaslHandshakeResponse>(handshake, 0).error_code, 0);
    return client;
  }
  std::optional<std::string> ask(Client& client, const std::string& token) {
    client.send_frame(token);
    return client.receive_frame();
  }
};

TEST_F(BareTokens, OfPlain) {
  const auto admin = after_handshake("PLAIN");
  EXPECT_EQ(ask(*admin, std::string("\0admin\0secret", 13)), "");
  EXPECT_EQ(produce(*admin, batch_of("v")).error_code, 0);
  SaslHandshakeRequest again{.mechanism = "PLAIN"};  // KIP-368, in the form of version 1
  EXPECT_EQ(admin->call<SaslHandshakeResponse>(again, 1).error_code, 0);
  SaslAuthenticateRequest authenticate{.auth_bytes = Slice::copy(std::string("\0admin\0secret", 13))};
  EXPECT_EQ(admin->call<SaslAuthenticateResponse>(authenticate, 2).error_code, 0);
  EXPECT_EQ(produce(*admin, batch_of("v")).error_code, 0);
}

TEST_F(BareTokens, OfScram) {
  const auto admin = after_handshake("SCRAM-SHA-256");
  security::ScramClient client(security::ScramMechanism::kSha256, "admin", "secret", "nonce");
  const auto challenge = ask(*admin, client.first());
  ASSERT_TRUE(challenge);
  const auto end = ask(*admin, client.answer(*challenge).value());
  ASSERT_TRUE(end);
  EXPECT_TRUE(client.verifies(*end));
  EXPECT_EQ(produce(*admin, batch_of("v")).error_code, 0);
}

TEST_F(BareTokens, ThatAreWrongEndTheConnectionWithoutAWord) {
  for (const std::string& token : {std::string("\0bob\0wrong", 10), std::string("\0nobody\0secret", 14), std::string("no token"), std::string()}) {
    const auto client = after_handshake("PLAIN");
    EXPECT_EQ(ask(*client, token), std::nullopt);
  }
  EXPECT_EQ(audited({"\"denied\"", "PLAIN"}).size(), 4u);
  const auto client = after_handshake("SCRAM-SHA-256");
  ASSERT_TRUE(ask(*client, "n,,n=bob,r=nonce"));
  EXPECT_EQ(ask(*client, "c=biws,r=other,p=AAAA"), std::nullopt);
}

TEST_F(BareTokens, AreBoundedAsEveryFrameOfAStranger) {
  const auto client = after_handshake("PLAIN");
  client->send_raw(length_prefix(kLoginFrameBytesMax + 1));
  EXPECT_TRUE(client->closed());
}

// A second token before the first was answered.
TEST_F(BareTokens, ComeOneAtATime) {
  const auto client = after_handshake("PLAIN");
  const std::string token("\0bob\0wrong", 10);
  client->send_raw(length_prefix(token.size()) + token + length_prefix(token.size()) + token);
  EXPECT_TRUE(client->closed());
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
  Elsewhere(io::IoThread& thread, std::string peer, io::PeerSecurity security)
      : thread_(thread), peer_(std::move(peer)), security_(std::move(security)) {}
  io::IoThread& thread() override { return thread_; }
  const std::string& peer() const override { return peer_; }
  const io::PeerSecurity& security() const override { return security_; }
  size_t unsent_bytes() const override { return unsent; }
  void pause_reading() override { paused = true; }
  void resume_reading() override { paused = false; }
  void settle() override {}
  void close() override {}
  void send(std::vector<Slice> parts) override {
    std::string frame;
    for (const Slice& part : parts) frame.append(part.view());
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(frame));
    came_.notify_all();
  }
  std::string next_answer() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::seconds(30), [&] { return !answers_.empty(); }))
      return ADD_FAILURE() << "no answer", std::string(8, '\0');
    std::string first = std::move(answers_.front());
    answers_.pop_front();
    return first;
  }

  std::atomic<size_t> unsent = 0;  // what it has not taken
  std::atomic<bool> paused = false;

 private:
  io::IoThread& thread_;
  const std::string peer_;
  const io::PeerSecurity security_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::string> answers_;
};

// What a broker makes of a connection, with nothing between.
class Visitor {
 public:
  Visitor(Broker& broker, io::IoThread& thread, const std::string& peer, io::PeerSecurity security = {})
      : thread_(thread), here_(std::make_shared<Elsewhere>(thread, peer, std::move(security))) {
    on_thread([&] { connection_ = KafkaConnection::make(broker, here_, std::make_shared<AdvertisedAddress>("host", 9092)); });
  }
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  ~Visitor() {
    on_thread([&] { connection_->on_closed(), connection_.reset(); });
  }
  template <class Request>
  void ask(Request request, int16_t version) {
    on_thread([&] { connection_->on_frame({Slice::copy(Client::request_bytes(request, version, 1)), {}}); });
  }
  template <class Response>
  Response receive(int16_t version) {
    Decoder in(Slice::copy(std::string_view(here_->next_answer()).substr(8)), version, Response::kApi.is_flexible(version));
    if (Response::kApi.is_flexible(version)) in.skip_tags();
    Response response;
    response.code(in);
    return response;
  }
  void send_plain(const std::string& user, const std::string& password) {
    ask(SaslHandshakeRequest{.mechanism = "PLAIN"}, 1);
    EXPECT_EQ(receive<SaslHandshakeResponse>(1).error_code, 0);
    ask(SaslAuthenticateRequest{.auth_bytes = Slice::copy('\0' + user + '\0' + password)}, 2);
  }
  void on_thread(std::function<void()> work) {
    std::promise<void> over;
    thread_.post([&] { work(), over.set_value(); });
    over.get_future().get();
  }
  Elsewhere& here() { return *here_; }
  KafkaConnection& connection() { return *connection_; }

 private:
  io::IoThread& thread_;
  const std::shared_ptr<Elsewhere> here_;
  std::shared_ptr<KafkaConnection> connection_;
};

// A broker of its own, of the server's users.
class VisitorTest : public LoginTest {
 protected:
  explicit VisitorTest(bool plain_in_the_clear = true)
      : broker_({.authority = authority_.get(), .plain_in_the_clear = plain_in_the_clear}, *log_, *runtime_) {}
  ~VisitorTest() override {
    broker_.logins.stop();
    broker_.coordinator.stop();
  }
  io::IoThread& thread() { return runtime_->thread(0); }

  Broker broker_;
};

// Passwords that are computed one after another wait until this is gone.
class Busy {
 public:
  explicit Busy(Broker& broker) {
    broker.logins.run([over = over_.get_future()]() mutable { over.wait(); });
  }
  void end() { over_.set_value(); }

 private:
  std::promise<void> over_;
};

TEST_F(VisitorTest, APasswordThatIsKnownDoesNotWaitForOthers) {
  ASSERT_TRUE(authority_->check_password("bob", "secret"));
  Busy busy(broker_);
  Visitor bob(broker_, thread(), "10.0.0.7:4000");
  bob.send_plain("bob", "secret");
  EXPECT_EQ(bob.receive<SaslAuthenticateResponse>(2).error_code, 0);
  busy.end();
}

TEST_F(VisitorTest, AddressesTakeTurns) {
  Busy busy(broker_);
  std::vector<std::unique_ptr<Visitor>> visitors;
  for (const auto& [peer, user] : {std::pair{"10.0.0.7:1", "guess1"},
                                   {"10.0.0.7:2", "guess2"},
                                   {"10.0.0.7:3", "guess3"},
                                   {"[2001:db8::1]:1", "bob"},
                                   {"[2001:db8::1]:2", "admin"}}) {
    visitors.push_back(std::make_unique<Visitor>(broker_, thread(), peer));
    visitors.back()->send_plain(user, "secret");
  }
  busy.end();
  for (const auto& visitor : visitors) visitor->receive<SaslAuthenticateResponse>(2);
  const auto lines = audited({"\"event\":\"login\""});
  ASSERT_EQ(lines.size(), 5u);
  const std::vector<std::string> order = {"guess1", "bob", "guess2", "admin", "guess3"};
  for (size_t i = 0; i < order.size(); ++i) EXPECT_NE(lines[i].find("\"user\":\"" + order[i] + "\""), std::string::npos) << lines[i];
}

TEST_F(VisitorTest, ALoginByCertificateIsAudited) {
  const io::PeerSecurity certificate{.encrypted = true, .certificate_subject = "CN=alice"};
  const int64_t before = counter("millstream_kafka_logins_total", "outcome=\"success\"").get();
  Visitor alice(broker_, thread(), "10.0.0.7:4000", certificate);
  Visitor nobody(broker_, thread(), "10.0.0.8:4000", {.encrypted = true, .certificate_subject = {}});
  alice.on_thread([&] { broker_.connections.tell_all(); });
  alice.on_thread([] {});  // what it was told has been done
  const auto lines = audited({"\"event\":\"login\"", "\"outcome\":\"allowed\"", "\"user\":\"CN=alice\"", "\"host\":\"10.0.0.7\"",
                              "\"mechanism\":\"certificate\""});
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_EQ(audited({"\"event\":\"login\""}).size(), 1u);
  EXPECT_EQ(counter("millstream_kafka_logins_total", "outcome=\"success\"").get(), before + 1);
}

// What it took does not show.
TEST(LoginFailure, IsAnsweredAWholeNumberOfDelaysAfterItCame) {
  EXPECT_EQ(failure_wait_us(0), kLoginFailureDelayUs);
  EXPECT_EQ(failure_wait_us(1), kLoginFailureDelayUs - 1);
  for (const int64_t worked :
       {int64_t{0}, int64_t{1}, kLoginFailureDelayUs - 1, kLoginFailureDelayUs, kLoginFailureDelayUs + 1, 7 * kLoginFailureDelayUs + 5}) {
    EXPECT_EQ((worked + failure_wait_us(worked)) % kLoginFailureDelayUs, 0);
    EXPECT_GT(failure_wait_us(worked), 0);
  }
}

// The answer to a failure says nothing, not even by its bytes.
TEST_F(LoginTest, WrongPasswordsAndUnknownUsersAreAnsweredAlike) {
  const auto answer = [&](const std::string& user) {
    Client client(server_->port());
    SaslHandshakeRequest handshake{.mechanism = "PLAIN"};
    client.call<SaslHandshakeResponse>(handshake, 1);
    SaslAuthenticateRequest authenticate{.auth_bytes = Slice::copy('\0' + user + std::string("\0wrong", 6))};
    client.ask(authenticate, 2);
    const auto frame = client.receive_frame();
    EXPECT_TRUE(client.closed());
    return frame;
  };
  ASSERT_TRUE(answer("bob"));
  EXPECT_EQ(answer("bob"), answer("nobody"));
}

// All that strangers may hold is held by announcements, and nobody who has logged in, or does so now, waits for it.
TEST_F(LoginTest, StrangersThatHoldTheirMemoryHoldUpNobody) {
  constexpr size_t kAll = 16u << 20;
  serve({.request_memory_bytes_max = kAll, .authority = authority_.get()});
  const auto admin = client_of("admin");
  const auto ended = [] { return counter("millstream_tcp_rejected_total", "reason=\"stalled\"").get(); };
  const int64_t before = ended();
  std::vector<std::unique_ptr<Client>> strangers;
  for (size_t i = 0; i < kAll / kLoginFrameBytesMax; ++i) {
    strangers.push_back(std::make_unique<Client>(server_->port()));
    strangers.back()->send_raw(length_prefix(kLoginFrameBytesMax));
  }
  for (const auto& stranger : strangers) stranger->send_raw("x");
  EXPECT_EQ(produce(*admin, batch_of(std::string(900'000, 'x'))).error_code, 0);
  EXPECT_EQ(produce(*client_of("bob"), batch_of("x")).error_code, code(ErrorCode::kTopicAuthorizationFailed));
  EXPECT_EQ(ended(), before);  // because somebody waited for it
}

TEST_F(LoginTest, OverIpv6) {
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = in6addr_loopback;
  const bool there_is = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  if (!there_is) GTEST_SKIP() << "this machine has no IPv6";
  serve({.listeners = {{.host = "::1"}}, .authority = authority_.get()});
  client_of("admin", AF_INET6);
  EXPECT_EQ(audited({"\"event\":\"login\"", "\"host\":\"::1\""}).size(), 1u);
}

// Who has not logged in and does not take its answers is not read: they would be the server's memory.
TEST_F(VisitorTest, AStrangerThatTakesNoAnswersIsNotRead) {
  Visitor bob(broker_, thread(), "127.0.0.1:4000");
  bob.here().unsent = 100u << 10;
  bob.ask(ApiVersionsRequest{}, 0);
  EXPECT_TRUE(bob.here().paused);
  bob.here().unsent = 0;
  bob.on_thread([&] { bob.connection().on_sent(); });
  EXPECT_FALSE(bob.here().paused);
  EXPECT_EQ(bob.receive<ApiVersionsResponse>(0).error_code, 0);
  bob.send_plain("bob", "secret");
  EXPECT_EQ(bob.receive<SaslAuthenticateResponse>(2).error_code, 0);
  bob.here().unsent = 100u << 10;
  bob.ask(ApiVersionsRequest{}, 0);
  EXPECT_FALSE(bob.here().paused);
}

// The error of a handshake for PLAIN, and the mechanisms that are offered.
std::string handshake_from(Broker& broker, io::IoThread& thread, const std::string& peer, bool encrypted) {
  Visitor visitor(broker, thread, peer, {.encrypted = encrypted, .certificate_subject = {}});
  visitor.ask(SaslHandshakeRequest{.mechanism = "PLAIN"}, 1);
  const auto response = visitor.receive<SaslHandshakeResponse>(1);
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
    for (const char* inside : {"127.0.0.1:4000", "[::1]:4000", "[::ffff:127.0.0.1]:4000"})
      EXPECT_EQ(handshake_from(broker, runtime_->thread(0), inside, false), taken) << inside;
    broker.coordinator.stop();
  }
  options.plain_in_the_clear = true;
  Broker broker(options, *log_, *runtime_);
  EXPECT_EQ(handshake_from(broker, runtime_->thread(0), "10.0.0.7:4000", false), taken);
  broker.coordinator.stop();
}

}  // namespace
}  // namespace ms::kafka
