#include "kafka/fair_queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace ms::kafka {
namespace {

std::string popped(FairQueue<std::string>& queue) {
  std::string all;
  while (!queue.empty()) all += queue.pop() + " ";
  return all;
}

TEST(FairQueue, InOrderForOne) {
  FairQueue<std::string> queue(10);
  for (const char* job : {"1", "2", "3"}) EXPECT_FALSE(queue.push("", job));
  EXPECT_EQ(popped(queue), "1 2 3 ");
}

TEST(FairQueue, InTurnsForSeveral) {
  FairQueue<std::string> queue(10);
  for (const char* job : {"a1", "a2", "a3", "a4", "b1", "c1", "c2"}) EXPECT_FALSE(queue.push(std::string(1, job[0]), job));
  EXPECT_EQ(queue.pop(), "a1");
  EXPECT_FALSE(queue.push("d", "d1"));
  EXPECT_EQ(popped(queue), "b1 c1 a2 d1 c2 a3 a4 ");
}

// Who comes back has no turn before those that wait.
TEST(FairQueue, WhoHasHadATurnIsBehindWhoWaits) {
  FairQueue<std::string> queue(10);
  EXPECT_FALSE(queue.push("a", "a1") || queue.push("b", "b1"));
  EXPECT_EQ(queue.pop(), "a1");
  EXPECT_FALSE(queue.push("a", "a2"));
  EXPECT_EQ(popped(queue), "b1 a2 ");
}

TEST(FairQueue, WhoHasMostLosesTheLastOfIt) {
  FairQueue<std::string> queue(4);
  for (const char* job : {"a1", "a2", "a3", "b1"}) EXPECT_FALSE(queue.push(std::string(1, job[0]), job));
  EXPECT_EQ(queue.push("a", "a4"), "a4");
  EXPECT_EQ(queue.push("c", "c1"), "a3");
  EXPECT_EQ(queue.push("c", "c2"), "c2");  // as many as a then
  EXPECT_EQ(queue.push("d", "d1"), "a2");
  EXPECT_EQ(queue.push("e", "e1"), "e1");  // nobody has two
  EXPECT_EQ(popped(queue), "a1 b1 c1 d1 ");
}

TEST(FairQueue, WithoutRoom) {
  FairQueue<std::string> queue(0);
  EXPECT_EQ(queue.push("a", "a1"), "a1");
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace ms::kafka
