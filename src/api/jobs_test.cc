#include "api/jobs.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>

#include "base/check.h"

namespace ms::api {
namespace {

// Hangs no longer than a broken test may.
void await(std::promise<void>& promise) { CHECK(promise.get_future().wait_for(std::chrono::minutes(1)) == std::future_status::ready); }

std::string state_of(const JobTable& jobs, const std::string& id) { return jobs.describe(id).value()["state"]; }

Json changed(JobTable& jobs, const std::string& id) {
  std::promise<Json> told;
  jobs.watch(id, 10'000, [&](Result<Json> job) { told.set_value(job.value()); });
  return told.get_future().get();
}

std::string ended(JobTable& jobs, const std::string& id) {
  for (;;) {
    const Json job = changed(jobs, id);
    if (job["state"] != "queued" && job["state"] != "running") return job["state"];
  }
}

TEST(JobTable, ACancelledJobThatWaitsEndsAtOnce) {
  JobTable jobs(system_clock());
  std::promise<void> began, go;
  const auto first = jobs.start("first", [&](const JobProgressSink&, std::stop_token stop) -> Result<Json> {
    began.set_value();
    await(go);
    if (stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
    return Json{{"rows", 1}};
  });
  await(began);
  bool ran = false;
  const auto second = jobs.start("second", [&](const JobProgressSink&, std::stop_token) -> Result<Json> { return ran = true, Json(); });
  const auto third = jobs.start("third", [&](const JobProgressSink&, std::stop_token) -> Result<Json> { return Json{{"rows", 3}}; });
  EXPECT_EQ(state_of(jobs, *second), "queued");
  ASSERT_TRUE(jobs.cancel(*second));
  EXPECT_EQ(state_of(jobs, *second), "cancelled");  // while the first one still runs
  EXPECT_EQ(state_of(jobs, *first), "running");
  ASSERT_TRUE(jobs.cancel(*second));  // again: nothing happens
  go.set_value();
  EXPECT_EQ(ended(jobs, *first), "done");
  EXPECT_EQ(ended(jobs, *third), "done");
  EXPECT_FALSE(ran);
  EXPECT_EQ(state_of(jobs, *second), "cancelled");
}

TEST(JobTable, ManyWatchWithoutAThreadEach) {
  JobTable jobs(system_clock());
  std::promise<void> began, go;
  const auto id = jobs.start("work", [&](const JobProgressSink&, std::stop_token) -> Result<Json> {
    began.set_value();
    await(go);
    return Json{{"rows", 1}};
  });
  await(began);
  std::atomic<int> done = 0;
  std::promise<void> all;
  for (int i = 0; i < 100; ++i)
    jobs.watch(*id, 10'000, [&](const Result<Json>& job) {
      EXPECT_EQ((*job)["state"], "done");
      if (++done == 100) all.set_value();
    });
  EXPECT_EQ(done, 0);
  std::promise<std::string> late;
  jobs.watch(*id, 1, [&](Result<Json> job) { late.set_value((*job)["state"]); });
  EXPECT_EQ(late.get_future().get(), "running");  // its time was over
  go.set_value();
  await(all);
  std::promise<Result<Json>> unknown;
  jobs.watch("01ARZ3NDEKTSV4RRFFQ69G5FAV", 10'000, [&](Result<Json> job) { unknown.set_value(std::move(job)); });
  EXPECT_EQ(unknown.get_future().get().error().kind, ErrorKind::kNotFound);
}

TEST(JobTable, StoppingTellsWhoWatches) {
  JobTable jobs(system_clock());
  const auto id = jobs.start("work", [](const JobProgressSink&, std::stop_token stop) -> Result<Json> {
    std::promise<void> asked;
    const std::stop_callback callback(stop, [&] { asked.set_value(); });
    await(asked);
    return fail(ErrorKind::kCancelled, "cancelled");
  });
  std::promise<void> told;
  jobs.watch(*id, 10'000, [&](const Result<Json>&) { told.set_value(); });
  jobs.stop();
  await(told);
}

TEST(JobTable, ARunningJobIsAskedToStop) {
  JobTable jobs(system_clock());
  const auto id = jobs.start("work", [](const JobProgressSink& progress, std::stop_token stop) -> Result<Json> {
    progress({"waiting", 1, 2, 0, 0});
    std::promise<void> asked;
    const std::stop_callback callback(stop, [&] { asked.set_value(); });
    await(asked);
    return fail(ErrorKind::kCancelled, "cancelled");
  });
  ASSERT_TRUE(jobs.cancel(*id));
  EXPECT_EQ(ended(jobs, *id), "cancelled");
  EXPECT_EQ(jobs.cancel("01ARZ3NDEKTSV4RRFFQ69G5FAV").error().kind, ErrorKind::kNotFound);
  const auto last = jobs.start("work", [](const JobProgressSink&, std::stop_token) -> Result<Json> { return fail(ErrorKind::kInternal, "broken"); });
  EXPECT_EQ(ended(jobs, *last), "failed");
  jobs.stop();
  EXPECT_FALSE(jobs.start("work", [](const JobProgressSink&, std::stop_token) -> Result<Json> { return Json(); }));
}

}  // namespace
}  // namespace ms::api
