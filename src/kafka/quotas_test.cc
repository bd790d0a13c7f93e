// Quotas through the protocol: set, told, enforced, kept over a restart of the server.
#include <gmock/gmock.h>

#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

using Alter = AlterClientQuotasRequest;
using Entity = std::vector<std::pair<std::string, std::optional<std::string>>>;

class QuotasTest : public KafkaServerTest {
 protected:
  static Alter alter_of(const Entity& entity, const std::string& key, std::optional<double> value) {
    Alter request;
    auto& entry = request.entries.emplace_back();
    for (const auto& [type, name] : entity) entry.entity.push_back({.entity_type = type, .entity_name = name});
    entry.ops.push_back({.key = key, .value = value.value_or(0), .remove = !value});
    return request;
  }
  ErrorCode set(const Entity& entity, const std::string& key, std::optional<double> value) {
    Client client(server_->port());
    auto request = alter_of(entity, key, value);
    return static_cast<ErrorCode>(client.call<AlterClientQuotasResponse>(request, 1).entries.at(0).error_code);
  }
  DescribeClientQuotasResponse describe(std::vector<DescribeClientQuotasRequest::ComponentData> components, bool strict = false) {
    Client client(server_->port());
    DescribeClientQuotasRequest request{.components = std::move(components), .strict = strict};
    return client.call<DescribeClientQuotasResponse>(request, 1);
  }
  static std::vector<std::string> entities(const DescribeClientQuotasResponse& response) {
    std::vector<std::string> out;
    for (const auto& entry : *response.entries) {
      std::string text;
      for (const auto& part : entry.entity) text += part.entity_type + ":" + part.entity_name.value_or("*") + " ";
      for (const auto& value : entry.values) text += value.key + "=" + std::to_string(static_cast<int64_t>(value.value));
      out.push_back(text);
    }
    return out;
  }
};

TEST_F(QuotasTest, AreSetToldAndLifted) {
  EXPECT_EQ(set({{"user", "a"}}, "producer_byte_rate", 100), ErrorCode::kNone);
  EXPECT_EQ(set({{"user", std::nullopt}}, "producer_byte_rate", 50), ErrorCode::kNone);
  EXPECT_EQ(set({{"user", "a"}, {"client-id", "c"}}, "consumer_byte_rate", 7), ErrorCode::kNone);
  EXPECT_EQ(set({{"ip", "0:0::1"}}, "connection_creation_rate", 9), ErrorCode::kNone);
  using ::testing::ElementsAre;
  EXPECT_THAT(entities(describe({})), ElementsAre("client-id:c user:a consumer_byte_rate=7", "ip:::1 connection_creation_rate=9",
                                                  "user:* producer_byte_rate=50", "user:a producer_byte_rate=100"));
  EXPECT_THAT(entities(describe({{.entity_type = "user", .match_type = 0, .match = "a"}}, true)), ElementsAre("user:a producer_byte_rate=100"));
  EXPECT_THAT(entities(describe({{.entity_type = "user", .match_type = 0, .match = "a"}})).size(), 2);
  EXPECT_THAT(entities(describe({{.entity_type = "user", .match_type = 1}})), ElementsAre("user:* producer_byte_rate=50"));
  EXPECT_EQ(entities(describe({{.entity_type = "user", .match_type = 2}})).size(), 3);
  serve({});
  EXPECT_EQ(entities(describe({})).size(), 4) << "kept with the log";
  EXPECT_EQ(set({{"user", "a"}}, "producer_byte_rate", std::nullopt), ErrorCode::kNone);
  EXPECT_EQ(set({{"user", "nobody"}}, "producer_byte_rate", std::nullopt), ErrorCode::kNone);
  EXPECT_EQ(entities(describe({})).size(), 3);
}

TEST_F(QuotasTest, WhatMakesNoSenseIsRefused) {
  for (const auto& [entity, key, value] : std::vector<std::tuple<Entity, std::string, double>>{
           {{}, "producer_byte_rate", 1},
           {{{"group", "a"}}, "producer_byte_rate", 1},
           {{{"user", ""}}, "producer_byte_rate", 1},
           {{{"user", "a"}, {"user", "b"}}, "producer_byte_rate", 1},
           {{{"user", "a"}, {"ip", "::1"}}, "connection_creation_rate", 1},
           {{{"ip", "localhost"}}, "connection_creation_rate", 1},
           {{{"ip", "::1"}}, "producer_byte_rate", 1},
           {{{"user", "a"}}, "connection_creation_rate", 1},
           {{{"user", "a"}}, "no_such_rate", 1},
           {{{"user", "a"}}, "producer_byte_rate", 0},
           {{{"user", "a"}}, "producer_byte_rate", -1},
           {{{"user", "a"}}, "producer_byte_rate", 1.5},
           {{{"user", "a"}}, "request_percentage", std::numeric_limits<double>::quiet_NaN()}})
    EXPECT_EQ(set(entity, key, value), ErrorCode::kInvalidRequest) << key << value;
  EXPECT_EQ(set({{"user", "a"}}, "request_percentage", 1.5), ErrorCode::kNone);
  const auto refused = [&](std::vector<DescribeClientQuotasRequest::ComponentData> components) { return static_cast<ErrorCode>(describe(std::move(components)).error_code); };
  EXPECT_EQ(refused({{.entity_type = "group", .match_type = 2}}), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(refused({{.entity_type = "user", .match_type = 3}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(refused({{.entity_type = "user", .match_type = 0}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(refused({{.entity_type = "user", .match_type = 2}, {.entity_type = "user", .match_type = 1}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(refused({{.entity_type = "user", .match_type = 2}, {.entity_type = "ip", .match_type = 2}}), ErrorCode::kInvalidRequest);
}

TEST_F(QuotasTest, OnlyLookingChangesNothing) {
  auto request = alter_of({{"user", "a"}}, "producer_byte_rate", 1);
  request.validate_only = true;
  Client client(server_->port());
  EXPECT_EQ(client.call<AlterClientQuotasResponse>(request, 0).entries.at(0).error_code, 0);
  EXPECT_THAT(entities(describe({})), ::testing::IsEmpty());
}

TEST_F(QuotasTest, AProducerOverItsQuotaIsToldAndNotRead) {
  ASSERT_EQ(set({{"client-id", "test"}}, "producer_byte_rate", 200), ErrorCode::kNone);
  Client client(server_->port());
  const std::string batch = batch_of(std::string(2'500, 'x'));
  auto request = produce_of("t", 0, batch);
  auto answer = client.call<ProduceResponse>(request, 9);
  EXPECT_EQ(answer.responses.at(0).partition_responses.at(0).error_code, 0);
  EXPECT_GT(answer.throttle_time_ms, 1'000);  // what is left of about three seconds after the commit
  EXPECT_LT(answer.throttle_time_ms, 5'000);
  // The next request waits; another client's does not.
  MetadataRequest metadata;
  client.ask(metadata, 9, 2);
  Client other(server_->port());
  other.send_frame(Client::request_bytes(request, 9, 1, "other"));
  EXPECT_EQ(other.receive<ProduceResponse>(9).throttle_time_ms, 0);
  client.receive<MetadataResponse>(9, 2);
}

TEST_F(QuotasTest, AConsumerOverItsQuotaIsToldAndGetsNoMoreThanAWindow) {
  Client client(server_->port());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(produce(client, batch_of(std::string(1'000, 'x'))).error_code, 0);
  ASSERT_EQ(set({{"client-id", "test"}}, "consumer_byte_rate", 200), ErrorCode::kNone);
  auto request = fetch_of(0, 0);
  request.max_bytes = 1 << 20;
  size_t bytes = 0, answers = 0;
  int32_t throttled = 0;
  for (; bytes < 2'500 && throttled == 0; ++answers) {
    const auto answer = client.call<FetchResponse>(request, 12);
    const auto& records = answer.responses.at(0).partitions.at(0).records;
    EXPECT_LE(records.bytes(), 2'000u);
    bytes += records.bytes();
    throttled = answer.throttle_time_ms;
  }
  EXPECT_GT(throttled, 0);
  EXPECT_LE(answers, 3u);
}

TEST_F(QuotasTest, TimeOfTheServersThreadsIsCounted) {
  ASSERT_EQ(set({{"user", "ANONYMOUS"}}, "request_percentage", 1e-6), ErrorCode::kNone);
  Client client(server_->port());
  MetadataRequest request;
  const int32_t throttled = client.call<MetadataResponse>(request, 9).throttle_time_ms;
  EXPECT_GT(throttled, 900);  // what is left of it when the answer is made
  EXPECT_LE(throttled, 1'000) << "a second at most";
}

TEST_F(QuotasTest, ConnectionsBeyondTheRateOfTheirAddressAreClosed) {
  ASSERT_EQ(set({{"ip", "127.0.0.1"}}, "connection_creation_rate", 1), ErrorCode::kNone);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(std::make_unique<Client>(server_->port()));
  ApiVersionsRequest request;
  int served = 0;
  for (const auto& client : clients) {
    client->ask(request, 0);
    served += client->receive_frame().has_value() ? 1 : 0;
  }
  EXPECT_GE(served, 10);
  EXPECT_LT(served, 12);
}

}  // namespace
}  // namespace ms::kafka
