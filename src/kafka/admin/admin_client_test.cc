// The blocking client against the real server, and against what is none.
#include "kafka/admin/admin_client.h"

#include "kafka/admin/group_seek.h"
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

class AdminClientTest : public KafkaServerTest {
 protected:
  Result<AdminClient> connect(int64_t timeout_ms = 30'000) const {
    return AdminClient::connect({.server = {"127.0.0.1", server_->port()}, .timeout_ms = timeout_ms});
  }
};

// A port that takes connections and leaves them in its backlog.
class SilentPort {
 public:
  SilentPort() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(fd_, 4), 0);
    socklen_t size = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
  }
  ~SilentPort() { ::close(fd_); }
  uint16_t port() const { return port_; }

 private:
  int fd_;
  uint16_t port_ = 0;
};

TEST_F(AdminClientTest, AsksInTheNewestVersionOfBoth) {
  auto client = connect();
  ASSERT_TRUE(client) << client.error().message;
  MetadataRequest request;
  const auto answer = client->call<MetadataResponse>(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->topics.at(0).topic_id, id_);  // from version 10 on
  const auto older = client->call<MetadataResponse>(request, 9);
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_TRUE(older->topics.at(0).topic_id.uuid.is_nil());
  EXPECT_EQ(client->call<MetadataResponse>(request, -1).error().kind, ErrorKind::kUnsupported);
}

TEST_F(AdminClientTest, GoesOnAfterTheServerCameBack) {
  auto client = connect();
  ASSERT_TRUE(client);
  const uint16_t port = server_->port();
  KafkaServerOptions options;
  options.listeners[0].port = port;
  serve(options);
  MetadataRequest request;
  const auto lost = client->call<MetadataResponse>(request);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(lost.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  EXPECT_TRUE(client->call<MetadataResponse>(request));
}

TEST_F(AdminClientTest, AServerThatIsSilentIsATimeout) {
  const SilentPort port;
  const auto client = AdminClient::connect({.server = {"127.0.0.1", port.port()}, .timeout_ms = 20});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().kind, ErrorKind::kTimeout);
  EXPECT_NE(client.error().message.find(std::to_string(port.port())), std::string::npos);
}

TEST_F(AdminClientTest, MovesAGroup) {
  auto client = connect();
  ASSERT_TRUE(client);
  Client producer(server_->port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(produce(producer, batch_of("a")).error_code, 0);
  ASSERT_TRUE(commit_seek(*client, "g", {{{"t", 0}, 1}}));
  auto positions = group_positions(*client, "g", {{"t", 1}});
  ASSERT_TRUE(positions) << positions.error().message;
  EXPECT_EQ(((*positions)[{"t", 0}].lag()), 2);
  EXPECT_EQ(((*positions)[{"t", 1}].lag()), std::nullopt);
  EXPECT_EQ(((*positions)[{"t", 1}].log_end), 0);
  const auto plan = plan_seek(*client, *positions, SeekToEnd{});
  ASSERT_TRUE(plan);
  EXPECT_EQ(*plan, (SeekPlan{{{"t", 0}, 3}, {{"t", 1}, 0}}));
  EXPECT_EQ(find_group(*client, "h").error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(list_groups(*client)->at(0).name, "g");
  EXPECT_TRUE(delete_group(*client, "g"));
  EXPECT_EQ(delete_group(*client, "g").error().kind, ErrorKind::kNotFound);
}

TEST_F(AdminClientTest, AGroupThatIsGoneWhileItIsLookedAt) {
  auto client = connect();
  ASSERT_TRUE(client);
  ASSERT_TRUE(log_->create_topic("gone", 1, {}));
  ASSERT_TRUE(commit_seek(*client, "g", {{{"gone", 0}, 0}}));
  ASSERT_TRUE(log_->delete_topic(log_->find_topic("gone")->id));
  const auto refused = commit_seek(*client, "g", {{{"gone", 0}, 0}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kNotFound);
  const auto positions = group_positions(*client, "g", {{"gone", 0}});
  ASSERT_TRUE(positions);
  EXPECT_EQ(plan_seek(*client, *positions, SeekToEnd{}).error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace ms::kafka
