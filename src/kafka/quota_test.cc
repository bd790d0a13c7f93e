// The rules of quotas without a server: rates under a clock that is told, which quota bounds whom, what is stored.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "kafka/quota_rate.h"
#include "kafka/quota_table.h"

namespace ms::kafka {
namespace {

TEST(QuotaRate, FollowsTheSamplesOfElevenSeconds) {
  QuotaRate rate;
  EXPECT_EQ(rate.per_second(5'000), 0);
  rate.record(100, 5'000);
  EXPECT_EQ(rate.per_second(5'000), 10) << "ten seconds are assumed before the first sample";
  EXPECT_EQ(rate.throttle_ms(10, 5'000), 0);
  EXPECT_EQ(rate.throttle_ms(5, 5'000), 10'000);
  EXPECT_EQ(rate.per_second(15'000), 10);
  EXPECT_FALSE(rate.over(15'999));
  EXPECT_TRUE(rate.over(16'000));
  EXPECT_EQ(rate.per_second(16'000), 0);
}

// Clients of one quota, each of which sends a piece, waits as long as it is told and sends the next.
RC_GTEST_PROP(QuotaRate, ClientsThatWaitAsToldStayWithinTheQuotaAndOneWindow, ()) {
  const double limit = *rc::gen::inRange(1, 100'000);
  const auto clients = *rc::gen::inRange<size_t>(1, 6);
  // Of what the quota lets through in a second, at most: larger pieces are forgotten before they have been paid for.
  const double piece_max = limit * *rc::gen::inRange(1, 100) / 100 / static_cast<double>(clients);
  QuotaRate rate;
  std::vector<int64_t> next_ms(clients, 0);
  double sent = 0;
  int64_t now_ms = 0;
  for (int step = 0; step < 500; ++step) {
    const auto who = static_cast<size_t>(std::ranges::min_element(next_ms) - next_ms.begin());
    now_ms = next_ms[who];
    const double piece = piece_max * *rc::gen::inRange(1, 101) / 100;
    rate.record(piece, now_ms);
    sent += piece;
    const double window_s = static_cast<double>(QuotaRate::kSamples);
    RC_ASSERT(sent <= limit * (static_cast<double>(now_ms) / 1000 + window_s) + piece_max * static_cast<double>(clients));
    next_ms[who] += rate.throttle_ms(limit, now_ms) + *rc::gen::inRange(0, 3) * *rc::gen::inRange(0, 700);
  }
}

// Who sends as fast as it may gets what the quota promises.
TEST(QuotaRate, AClientInAHurryGetsItsQuota) {
  QuotaRate rate;
  double sent = 0;
  int64_t now_ms = 0;
  while (now_ms < 1'000'000) {
    rate.record(700, now_ms);
    sent += 700;
    now_ms += rate.throttle_ms(1'000, now_ms) + 1;
  }
  EXPECT_GE(sent, 0.9 * 1'000'000);
}

// ---- whose quota

using Name = std::optional<std::string>;

std::vector<Name> names() { return {std::nullopt, "a", "b", "&=% \xff\x01"}; }

QuotaEntity entity_of(bool with_user, const Name& user, bool with_client, const Name& client) {
  QuotaEntity entity;
  if (with_user) entity.emplace(quota::kUser, user);
  if (with_client) entity.emplace(quota::kClientId, client);
  return entity;
}

rc::Gen<QuotaTable> any_table() {
  return rc::gen::exec([] {
    QuotaTable table;
    const auto pick = [] { return names()[*rc::gen::inRange<size_t>(0, names().size())]; };
    for (int left = *rc::gen::inRange(0, 12); left > 0; --left) {
      const bool with_user = *rc::gen::inRange(0, 3) > 0, with_client = !with_user || *rc::gen::inRange(0, 2) > 0;
      auto& values = table[entity_of(with_user, pick(), with_client, pick())];
      for (const std::string_view key : {quota::kProducerByteRate, quota::kConsumerByteRate})
        if (*rc::gen::inRange(0, 2) > 0) values[std::string(key)] = *rc::gen::inRange(1, 1000);
    }
    return table;
  });
}

// Every entity that fits, the one with the best name: a user before none, a named user before the default, and so for the client id.
std::optional<QuotaLimit> brute_force(const QuotaTable& table, std::string_view key, const std::string& user, const std::string& client) {
  std::optional<QuotaLimit> best;
  std::tuple<int, int> best_rank{-1, -1};
  const auto rank_of = [](const QuotaEntity& entity, std::string_view type, const std::string& name) {
    const auto part = entity.find(type);
    if (part == entity.end()) return 0;
    return !part->second ? 1 : *part->second == name ? 2 : -1;
  };
  for (const auto& [entity, values] : table) {
    const int of_user = rank_of(entity, quota::kUser, user), of_client = rank_of(entity, quota::kClientId, client);
    const auto value = values.find(key);
    if (of_user < 0 || of_client < 0 || value == values.end() || std::tuple(of_user, of_client) <= best_rank) continue;
    best_rank = {of_user, of_client};
    best = {value->second, entity_of(of_user > 0, user, of_client > 0, client)};
  }
  return best;
}

RC_GTEST_PROP(QuotaTable, TheNearestEntityBoundsAClient, ()) {
  const QuotaTable table = *any_table();
  for (const std::string user : {"a", "b", "c"})
    for (const std::string client : {"a", "b", "c", ""})
      for (const std::string_view key : {quota::kProducerByteRate, quota::kConsumerByteRate})
        RC_ASSERT(find_limit(table, key, user, client) == brute_force(table, key, user, client));
}

RC_GTEST_PROP(QuotaTable, WhatIsStoredReadsBack, ()) {
  for (const auto& [entity, values] : *any_table()) {
    const auto entity_back = parse_quota_entity(format_quota_entity(entity));
    RC_ASSERT(entity_back && *entity_back == entity);
    const auto values_back = parse_quota_values(format_quota_values(values));
    RC_ASSERT(values_back && *values_back == values);
  }
}

TEST(QuotaTable, TextsInTheirStoredForm) {
  EXPECT_EQ(format_quota_entity({{"user", std::nullopt}, {"client-id", "a&b"}}), "client-id=a%26b&user");
  EXPECT_EQ(format_quota_values({{"producer_byte_rate", 0.1}, {"consumer_byte_rate", 1e9}}), "consumer_byte_rate=1000000000&producer_byte_rate=0.1");
  for (const std::string_view bad : {"", "group=a", "user=%2", "user=%zz", "ip=a", "ip=::1&user=a"}) EXPECT_FALSE(parse_quota_entity(bad)) << bad;
  for (const std::string_view bad : {"a", "a=", "a=1x"}) EXPECT_FALSE(parse_quota_values(bad)) << bad;
}

TEST(QuotaTable, Addresses) {
  const QuotaTable table{{{{"ip", "10.0.0.1"}}, {{"connection_creation_rate", 5}}}, {{{"ip", std::nullopt}}, {{"connection_creation_rate", 2}}}};
  EXPECT_EQ(find_ip_limit(table, "10.0.0.1")->value, 5);
  EXPECT_EQ(find_ip_limit(table, "::1"), (QuotaLimit{2, {{"ip", "::1"}}}));
  EXPECT_FALSE(find_ip_limit({}, "::1"));
  EXPECT_EQ(usual_ip("0:0::1"), "::1");
  EXPECT_EQ(usual_ip("localhost"), std::nullopt);
}

}  // namespace
}  // namespace ms::kafka
