#include "log/periodic.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace ms::log {
namespace {

constexpr int64_t kDay = 24 * 3600 * 1000;

TEST(Periodic, RunsInOrderAndAgain) {
  std::promise<void> often;
  std::vector<int> order;
  int seconds = 0;
  Periodic work;
  work.start({{"first", 1, [&] { return order.push_back(1), Result<>{}; }},
              {"second", 1,
               [&] {
                 order.push_back(2);
                 if (++seconds == 3) often.set_value();
                 return Result<>{};
               }},
              {"never", 0, [&] { return order.push_back(3), Result<>{}; }},
              {"tomorrow", kDay, [&] { return order.push_back(4), Result<>{}; }}});
  often.get_future().get();
  work.stop();
  // Alternately; but the first is due alone, too, when a millisecond goes by between the ends of the two.
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_LE(order[i], 2);
    if (order[i] == 2) EXPECT_TRUE(i > 0 && order[i - 1] == 1) << i;
  }
}

TEST(Periodic, HurriesTheFirstEvenBeforeItStarts) {
  std::promise<void> once, twice;
  int times = 0;
  Periodic work;
  work.hurry();
  work.start({{"first", kDay, [&] { return (++times == 1 ? once : twice).set_value(), Result<>{}; }},
              {"other", kDay, [&] { return ADD_FAILURE(), Result<>{}; }}});
  once.get_future().get();
  work.hurry();
  twice.get_future().get();
}

TEST(Periodic, SaysWhatFailedButNotWhenItCloses) {
  ::testing::internal::CaptureStderr();
  std::promise<void> failed, closing;
  {
    int times = 0;
    Periodic work;
    work.start({{"the_first_failed", 1, [&]() -> Result<> {
                   if (++times == 2) failed.set_value(), closing.get_future().get();
                   return fail(ErrorKind::kUnavailable, times == 1 ? "once" : "late");
                 }}});
    failed.get_future().get();
    work.closing();
    closing.set_value();
  }
  const std::string logged = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(logged.find("event=the_first_failed error=once"), std::string::npos) << logged;
  EXPECT_EQ(logged.find("late"), std::string::npos) << logged;
}

TEST(Periodic, WithoutAnIntervalNothingRuns) {
  Periodic work;
  work.start({{"first", 0, [] { return ADD_FAILURE(), Result<>{}; }}});
  work.hurry();
  work.stop();
}

}  // namespace
}  // namespace ms::log
