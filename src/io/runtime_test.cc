#include "io/runtime.h"

#include <gtest/gtest.h>

#include <future>
#include <set>

namespace ms::io {
namespace {

TEST(IoRuntime, PostsRunInOrderOnTheirThread) {
  auto runtime = IoRuntime::start({.threads = 2});
  ASSERT_TRUE(runtime);
  IoThread& thread = (*runtime)->thread(1);
  std::vector<int> order;
  std::promise<bool> done;
  for (int i = 0; i < 100; ++i) thread.post([&order, i] { order.push_back(i); });
  thread.post([&] { done.set_value(thread.is_current()); });
  EXPECT_TRUE(done.get_future().get());
  EXPECT_FALSE(thread.is_current());
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(IoRuntime, PlacesRoundRobin) {
  auto runtime = IoRuntime::start({.threads = 3});
  ASSERT_TRUE(runtime);
  std::set<IoThread*> seen;
  for (int i = 0; i < 3; ++i) seen.insert(&(*runtime)->next());
  EXPECT_EQ(seen.size(), 3u);
}

TEST(IoRuntime, TimerRunsOnceAndCancelledTimerNever) {
  auto runtime = IoRuntime::start({.threads = 1});
  ASSERT_TRUE(runtime);
  IoThread& thread = (*runtime)->thread(0);
  std::promise<std::vector<int>> done;
  std::vector<int> ran;
  std::unique_ptr<Timer> cancelled, replaced, last;
  thread.post([&] {
    cancelled = std::make_unique<Timer>(thread);
    replaced = std::make_unique<Timer>(thread);
    last = std::make_unique<Timer>(thread);
    cancelled->start(0, [&] { ran.push_back(1); });
    cancelled->cancel();
    replaced->start(0, [&] { ran.push_back(2); });
    replaced->start(1'000, [&] { ran.push_back(3); });
    last->start(5'000, [&] { done.set_value(ran); });
  });
  EXPECT_EQ(done.get_future().get(), std::vector<int>{3});
  (*runtime)->stop();
}

TEST(IoRuntime, StopIsIdempotentAndDropsWhatIsPosted) {
  auto runtime = IoRuntime::start({.threads = 1});
  ASSERT_TRUE(runtime);
  (*runtime)->stop();
  bool ran = false;
  (*runtime)->thread(0).post([&] { ran = true; });
  (*runtime)->stop();
  runtime->reset();
  EXPECT_FALSE(ran);
}

// Connections end on any loop, and what the last of them holds may live on another.
TEST(IoRuntime, WhatNeverRanMayOwnTimersOfOtherThreads) {
  auto runtime = IoRuntime::start({.threads = 2});
  ASSERT_TRUE(runtime);
  (*runtime)->stop();
  for (const size_t i : {0, 1}) {
    auto timer = std::make_shared<Timer>((*runtime)->thread(1 - i));
    timer->start(1'000, [] {});
    (*runtime)->thread(i).post([timer] {});
  }
}

}  // namespace
}  // namespace ms::io
