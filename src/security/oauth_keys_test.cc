// Keys from a real HTTP server on the loopback: it is asked at the right times, and nobody else waits for it.
#include "security/oauth_keys.h"

#include <filesystem>
#include <future>

#include "base/file_system.h"
#include "base/rng.h"
#include "io/http_server.h"
#include "security/token_fixture.h"

namespace ms::security {
namespace {

// Publishes what it is told to, and can hold its answers back.
class KeyServer final : public io::HttpHandler {
 public:
  KeyServer() : runtime_(*io::IoRuntime::start({.threads = 1})), server_(*io::HttpServer::start({.port = 0}, *this, *runtime_)) {}
  ~KeyServer() override { stop(); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/keys"; }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      held_.clear();
    }
    server_->stop();
  }
  void publish(std::string document, int status = 200) {
    const std::lock_guard lock(mutex_);
    document_ = std::move(document);
    status_ = status;
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    holding_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    for (io::HttpPending& one : held_) one.complete(answer());
    held_.clear();
  }
  int asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void wait_until_asked(int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_ >= times; });
  }

  void handle(const io::HttpRequest& request, io::HttpReply& reply) override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(request.path, "/keys");
    ++asked_;
    changed_.notify_all();
    if (holding_) held_.push_back(reply.defer());
    else reply = answer();
  }

 private:
  io::HttpReply answer() const {
    io::HttpReply reply;
    reply.status = status_;
    reply.body = document_;
    return reply;
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string document_;
  int status_ = 200;
  bool holding_ = false;
  int asked_ = 0;
  std::vector<io::HttpPending> held_;
  std::unique_ptr<io::IoRuntime> runtime_;
  std::unique_ptr<io::HttpServer> server_;
  const uint16_t port_ = server_->port();
};

class OauthKeysTest : public ::testing::Test {
 protected:
  OauthKeysTest() { server_.publish(document({"old"})); }
  ~OauthKeysTest() override { server_.release(); }

  std::string document(std::initializer_list<const char*> key_ids) const {
    Json keys = Json::array();
    for (const char* id : key_ids) keys.push_back(signer_.jwk(id));
    return Json{{"keys", keys}}.dump();
  }
  std::string token(const char* key_id) const {
    Json claims = good_claims();
    claims["exp"] = kNowMs / 1000 + 24 * 3600;
    return signer_.token_of(key_id, claims);
  }
  OauthKeys make() { return OauthKeys(settings(), clock_); }
  OauthSettings settings() const {
    OauthSettings s = kSettings;
    s.jwks = server_.url();
    return s;
  }
  using Answer = std::future<Result<Token>>;
  static Answer verify(OauthKeys& keys, std::string token) {
    std::promise<Result<Token>> promise;
    Answer answer = promise.get_future();
    keys.verify(std::move(token), [promise = std::move(promise)](Result<Token> result) mutable { promise.set_value(std::move(result)); });
    return answer;
  }
  static bool is_there(const Answer& answer) { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

  Signer signer_{true};
  ManualClock clock_{kNowMs * kMicrosPerMilli};
  KeyServer server_;
};

TEST_F(OauthKeysTest, KeysThatRotate) {
  OauthKeys keys = make();
  ASSERT_TRUE(keys.refresh());
  EXPECT_EQ(verify(keys, token("old")).get()->user, "alice");
  server_.publish(document({"old", "new"}));
  EXPECT_FALSE(verify(keys, token("new")).get());  // they have just been fetched: strangers cannot make us ask without end
  EXPECT_EQ(server_.asked(), 1);
  clock_.advance(kFetchAnewUs + 1);
  EXPECT_EQ(verify(keys, token("new")).get()->user, "alice");
  EXPECT_EQ(server_.asked(), 2);
  EXPECT_FALSE(verify(keys, token("never")).get());
  EXPECT_EQ(server_.asked(), 2);
}

// A fetch that does not end holds up the token that needs it, and no other.
TEST_F(OauthKeysTest, KnownKeysWaitForNobody) {
  OauthKeys keys = make();
  ASSERT_TRUE(keys.refresh());
  clock_.advance(kFetchAnewUs + 1);
  server_.hold();
  Answer unknown = verify(keys, token("new"));
  server_.wait_until_asked(2);
  for (int i = 0; i < 100; ++i) {
    const Answer known = verify(keys, token("old"));
    ASSERT_TRUE(is_there(known));  // before verify() returned
  }
  Answer another = verify(keys, token("new"));
  EXPECT_FALSE(is_there(unknown) || is_there(another));
  server_.publish(document({"old", "new"}));
  server_.release();
  EXPECT_TRUE(unknown.get());
  EXPECT_TRUE(another.get());
  EXPECT_EQ(server_.asked(), 2);  // one fetch for both
}

TEST_F(OauthKeysTest, OldKeysAreFetchedAnewBesideTheLogins) {
  OauthKeys keys = make();
  ASSERT_TRUE(keys.refresh());
  clock_.advance(settings().jwks_refresh_ms * kMicrosPerMilli + 1);
  server_.publish(document({"new"}));
  server_.hold();
  ASSERT_TRUE(is_there(verify(keys, token("old"))));  // with the keys there are
  server_.wait_until_asked(2);
  Answer after = verify(keys, token("new"));
  server_.release();
  EXPECT_TRUE(after.get());
  EXPECT_FALSE(verify(keys, token("old")).get());  // the key is withdrawn
}

// What cannot be used leaves the keys of before in use.
TEST_F(OauthKeysTest, AnswersThatAreNoKeys) {
  OauthKeys keys = make();
  ASSERT_TRUE(keys.refresh());
  const auto refused = [&](std::string document, int status, const char* because) {
    server_.publish(std::move(document), status);
    const auto done = keys.refresh();
    ASSERT_FALSE(done) << because;
    EXPECT_NE(done.error().message.find(because), std::string::npos) << done.error().message;
    EXPECT_TRUE(verify(keys, token("old")).get());
  };
  refused("garbage", 200, "JWKS");
  refused("", 200, "JWKS");
  refused(R"({"keys": 7})", 200, "JWKS");
  refused(document({"old"}), 500, "answered 500");
  refused(document({"old"}), 302, "answered 302");
  refused(std::string((1u << 20) + 1, ' ') + document({"old"}), 200, "too long");
  server_.stop();
  EXPECT_FALSE(keys.refresh());
  EXPECT_TRUE(verify(keys, token("old")).get());
}

TEST_F(OauthKeysTest, WithoutKeysNobodyComesIn) {
  OauthSettings nowhere = settings();
  server_.stop();
  OauthKeys keys(nowhere, clock_);
  EXPECT_FALSE(keys.refresh());
  const auto refused = verify(keys, token("old")).get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  clock_.advance(kFetchAnewUs + 1);
  EXPECT_EQ(verify(keys, token("old")).get().error().kind, ErrorKind::kUnavailable);
}

TEST_F(OauthKeysTest, WhatWaitsIsRefusedAtTheEnd) {
  Answer waits;
  {
    OauthKeys keys = make();
    ASSERT_TRUE(keys.refresh());
    clock_.advance(kFetchAnewUs + 1);
    server_.hold();
    waits = verify(keys, token("new"));
    server_.wait_until_asked(2);
    keys.refuse_waiting();
    ASSERT_TRUE(is_there(waits));
    server_.release();
  }
  EXPECT_EQ(waits.get().error().kind, ErrorKind::kUnavailable);
}

TEST_F(OauthKeysTest, KeysInAFile) {
  const auto file = std::filesystem::temp_directory_path() / ("ms-jwks-" + random_uuid().to_string());
  const auto write = [&](std::string_view text) { ASSERT_TRUE(write_file_atomically(posix_file_system(), file.string(), text)); };
  write(document({"old"}));
  OauthSettings s = kSettings;
  s.jwks = file.string();
  OauthKeys keys(s, clock_);
  ASSERT_TRUE(keys.refresh());
  EXPECT_TRUE(verify(keys, token("old")).get());
  write(document({"new"}));
  clock_.advance(kFetchAnewUs + 1);
  EXPECT_TRUE(verify(keys, token("new")).get());
  std::filesystem::remove(file);
  EXPECT_FALSE(keys.refresh());
  EXPECT_TRUE(verify(keys, token("new")).get());
}

}  // namespace
}  // namespace ms::security
