#include "server/quota_words.h"

#include <gtest/gtest.h>

namespace ms::server {
namespace {

using kafka::QuotaEntity;
using Match = kafka::QuotaPart::Match;

std::string refusal(const QuotaWords& words) {
  const auto change = quotas_to_set(words);
  return change ? "" : change.error().message;
}

TEST(QuotaWords, AnEntityIsNamedOrTheDefault) {
  EXPECT_EQ(*quota_entity({.names = {"user=a=b"}, .defaults = {"client-id"}}), (QuotaEntity{{"user", "a=b"}, {"client-id", std::nullopt}}));
  EXPECT_EQ(*quota_entity({.names = {"ip=0:0:0:0:0:0:0:1"}}), (QuotaEntity{{"ip", "::1"}}));
  EXPECT_EQ(kafka::quota_entity_text(*quota_entity({.names = {"user=ann"}, .defaults = {"client-id"}})), "user 'ann', default client-id");
  EXPECT_TRUE(quota_entity({}).error().message.contains("--default TYPE"));
  EXPECT_TRUE(quota_entity({.names = {"user=a", "user=b"}}).error().message.contains("user is named twice"));
  EXPECT_TRUE(quota_entity({.names = {"user=a"}, .defaults = {"user"}}).error().message.contains("user is named twice"));
  EXPECT_TRUE(quota_entity({.names = {"clientid=a"}}).error().message.contains("did you mean 'client-id'"));
  for (const char* name : {"user", "user=", "=a"}) EXPECT_TRUE(quota_entity({.names = {name}}).error().message.contains("TYPE=NAME")) << name;
}

TEST(QuotaWords, AFilterMayLeaveOpen) {
  const auto filter = quota_filter({.names = {"user=ann"}, .defaults = {"ip"}, .any = {"client-id"}, .strict = true});
  ASSERT_TRUE(filter && filter->parts.size() == 3 && filter->strict);
  EXPECT_EQ(filter->parts[0].match, Match::kName);
  EXPECT_EQ(filter->parts[1].match, Match::kDefault);
  EXPECT_EQ(filter->parts[2].match, Match::kAny);
  EXPECT_TRUE(quota_filter({})->parts.empty());
  EXPECT_FALSE(quota_filter({.strict = true}));
}

TEST(QuotaWords, NumbersAreSet) {
  const auto change = quotas_to_set({.names = {"user=ann"}, .quotas = {"producer_byte_rate=1048576", "request_percentage=12.5"}});
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(change->values, (decltype(change->values){{"producer_byte_rate", 1048576.0}, {"request_percentage", 12.5}}));
  const auto with = [](std::vector<std::string> quotas) { return refusal({.names = {"user=ann"}, .quotas = std::move(quotas)}); };
  for (const char* quota : {"producer_byte_rate", "producer_byte_rate=", "=5"}) EXPECT_TRUE(with({quota}).contains("QUOTA=NUMBER")) << quota;
  for (const char* number : {"1MiB", "much", "nan", "inf", "1e999"}) EXPECT_TRUE(with({"a=" + std::string(number)}).contains("is not a number")) << number;
  EXPECT_TRUE(with({"a=1", "a=2"}).contains("set twice"));
}

TEST(QuotaWords, WhatIsThereIsLifted) {
  const kafka::QuotaValues now{{"consumer_byte_rate", 5}, {"producer_byte_rate", 6}};
  EXPECT_EQ(quotas_to_clear({.names = {"user=ann"}}, now)->values.size(), 2u);
  const auto one = quotas_to_clear({.names = {"user=ann"}, .quotas = {"producer_byte_rate"}}, now);
  EXPECT_EQ(one->values, (decltype(one->values){{"producer_byte_rate", std::nullopt}}));
  const auto wrong = quotas_to_clear({.names = {"user=ann"}, .quotas = {"producer_byterate"}}, now);
  EXPECT_EQ(wrong.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(wrong.error().message, "user 'ann' has no quota 'producer_byterate'; did you mean 'producer_byte_rate'?");
}

TEST(QuotaWords, ValuesAreShownInFull) {
  EXPECT_EQ(quota_value_text(1e12), "1000000000000");
  EXPECT_EQ(quota_value_text(12.5), "12.5");
  EXPECT_EQ(quota_value_text(1e300), "1e+300");
}

}  // namespace
}  // namespace ms::server
