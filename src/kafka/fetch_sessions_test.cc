#include "kafka/fetch_sessions.h"

#include <gtest/gtest.h>

namespace ms::kafka {
namespace {

FetchRequest request(int32_t session, int32_t epoch, std::vector<int32_t> partitions, std::vector<int32_t> forgotten = {}) {
  FetchRequest r;
  r.session_id = session;
  r.session_epoch = epoch;
  if (!partitions.empty()) {
    auto& topic = r.topics.emplace_back();
    topic.topic = "t";
    for (const int32_t p : partitions) topic.partitions.push_back({.partition = p, .fetch_offset = p * 10 + epoch});
  }
  if (!forgotten.empty()) r.forgotten_topics_data.push_back({.topic = "t", .topic_id = {}, .partitions = forgotten});
  return r;
}

TEST(FetchSessions, IncrementalRequestsChangeWhatTheyName) {
  FetchSessions sessions(10);
  const auto first = sessions.begin(request(0, 0, {0, 1, 2}), 12);
  ASSERT_TRUE(first.session);
  EXPECT_FALSE(first.incremental);
  const int32_t id = first.session->id;
  sessions.end(first.session);
  auto second = sessions.begin(request(id, 1, {1, 3}, {2}), 12);
  ASSERT_TRUE(second.session);
  EXPECT_TRUE(second.incremental);
  ASSERT_EQ(second.list().size(), 3u);
  EXPECT_EQ(second.list()[0].offset, 0);
  EXPECT_EQ(second.list()[1].offset, 11);
  EXPECT_EQ(second.list()[2].partition, 3);
  sessions.end(second.session);
  EXPECT_EQ(sessions.begin(request(id, 1, {}), 12).error, ErrorCode::kInvalidFetchSessionEpoch);
  EXPECT_EQ(sessions.begin(request(id + 1, 2, {}), 12).error, ErrorCode::kFetchSessionIdNotFound);
  EXPECT_EQ(sessions.begin(request(id, 2, {}), 13).error, ErrorCode::kFetchSessionTopicIdError);  // names there, ids here
}

TEST(FetchSessions, OfAPartitionThatIsNamedTwiceTheLastCounts) {
  auto twice = request(0, 0, {0, 1, 0, 1, 1});
  twice.topics[0].partitions[2].fetch_offset = 7, twice.topics[0].partitions[4].fetch_offset = 8;
  const auto items = items_of(twice);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items.capacity(), 2u);  // sessions keep them, and count them
  EXPECT_EQ(std::pair(items[0].partition, items[0].offset), std::pair(0, int64_t{7}));
  EXPECT_EQ(std::pair(items[1].partition, items[1].offset), std::pair(1, int64_t{8}));
  FetchSessions sessions(10);
  const auto first = sessions.begin(request(0, 0, {5}), 12);
  sessions.end(first.session);
  EXPECT_EQ(sessions.begin(request(first.session->id, 1, {0, 1, 0, 1}), 12).list().size(), 3u);
}

TEST(FetchSessions, FinalEpochClosesAndFetchesByItself) {
  FetchSessions sessions(10);
  const auto first = sessions.begin(request(0, 0, {0}), 12);
  const int32_t id = first.session->id;
  sessions.end(first.session);
  const auto last = sessions.begin(request(id, -1, {0}), 12);
  EXPECT_FALSE(last.session);
  EXPECT_EQ(last.items.size(), 1u);
  EXPECT_EQ(sessions.size(), 0u);
}

TEST(FetchSessions, OneRequestAtATimeAndABoundedNumber) {
  FetchSessions sessions(2);
  const auto a = sessions.begin(request(0, 0, {0}), 12);
  EXPECT_EQ(sessions.begin(request(a.session->id, 1, {}), 12).error, ErrorCode::kInvalidFetchSessionEpoch);
  sessions.end(a.session);
  sessions.begin(request(0, 0, {0}), 12);
  sessions.begin(request(0, 0, {0}), 12);
  EXPECT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions.begin(request(a.session->id, 1, {}), 12).error, ErrorCode::kFetchSessionIdNotFound);
}

TEST(FetchSessions, AllTogetherTakeBoundedMemory) {
  FetchSessions sessions(1000);
  std::vector<int32_t> many(kSessionPartitionsMax);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int32_t>(i);
  const auto large = request(0, 0, many);
  for (int i = 0; i < 30; ++i) {
    const auto context = sessions.begin(large, 12);
    ASSERT_TRUE(context.session);
    sessions.end(context.session);
    EXPECT_LE(sessions.bytes(), kSessionsBytesMax);
  }
  EXPECT_GT(sessions.size(), 2u);
  EXPECT_LT(sessions.size(), 30u);
  auto named = large;  // every partition would have the name of its topic
  named.topics[0].topic = std::string(30'000, 'n');
  EXPECT_EQ(sessions.begin(named, 12).error, ErrorCode::kInvalidRequest);
  // A session that grows takes the place of others, and is forgotten when it alone is too large.
  const auto grows = sessions.begin(request(0, 0, {0}), 12).session;
  sessions.end(grows);
  EXPECT_TRUE(sessions.begin(request(grows->id, 1, many), 12).session);
  EXPECT_LE(sessions.bytes(), kSessionsBytesMax);
}

TEST(FetchSessions, NoSessionForNothingOrForOldClients) {
  FetchSessions sessions(10);
  EXPECT_FALSE(sessions.begin(request(0, 0, {}), 12).session);
  EXPECT_FALSE(sessions.begin(request(0, 0, {1}), 6).session);
}

}  // namespace
}  // namespace ms::kafka
