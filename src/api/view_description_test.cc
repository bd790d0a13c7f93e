#include "api/view_description.h"

#include <gtest/gtest.h>

#include "feature/value.h"

namespace ms::api {
namespace {

TEST(Ages, QuantilesOverThoseThatHaveAnEvent) {
  std::vector<int64_t> times{feature::kNoEventTime};
  for (int64_t i = 0; i <= 100; ++i) times.push_back(1'000'000 - i * kMicrosPerMilli);
  const Json ages = ages_json(times, 500, 1'000'000);
  EXPECT_EQ(ages,
            Json({{"entities", 102}, {"of", 500}, {"without_events", 1}, {"min", 0}, {"p50", 50}, {"p90", 90}, {"p99", 99}, {"max", 100}}))
      << ages.dump();
}

TEST(Ages, NobodyHasAny) {
  const Json none = ages_json({}, 0, 5);
  EXPECT_TRUE(none["p50"].is_null());
  EXPECT_EQ(none["entities"], 0);
  const std::vector<int64_t> gone{feature::kNoEventTime};
  EXPECT_TRUE(ages_json(gone, 1, 5)["max"].is_null());
}

}  // namespace
}  // namespace ms::api
