// Committed offsets that expire: the command, its bytes, snapshots of either version, and commits that come in between.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "log/meta_state.h"
#include "log/testing/log_fixture.h"

namespace ms::log {
namespace {

using Offsets = std::map<OffsetKey, CommittedOffset>;
constexpr TopicId kTopic{Uuid{{7}}};

CommittedOffset offset_of(int64_t offset, int64_t commit_time_ms, std::optional<int64_t> expire_time_ms = {}) {
  return {.offset = {offset}, .leader_epoch = 3, .metadata = "m", .commit_time_ms = commit_time_ms, .expire_time_ms = expire_time_ms};
}
OffsetKey key_of(int32_t partition) { return {kTopic, partition}; }

MetaState with_topic() {
  MetaState state;
  EXPECT_TRUE(state.apply(CreateTopic{kTopic, "t", 4, {}, false}, {1}));
  return state;
}

TEST(ExpireOffsets, OnlyWhatIsAsItWasSeenGoes) {
  MetaState state = with_topic();
  const Offsets seen = {{key_of(0), offset_of(1, 10)}, {key_of(1), offset_of(1, 10)}, {key_of(2), offset_of(1, 10, 50)}, {key_of(3), offset_of(1, 10)}};
  ASSERT_TRUE(state.apply(CommitOffsets{"g", seen}, {2}));
  // Everything that a commit can change, one at a time; the last one is untouched.
  Offsets after = seen;
  after[key_of(0)].commit_time_ms = 11;
  after[key_of(1)].offset = {2};
  after[key_of(2)].expire_time_ms = 51;
  ASSERT_TRUE(state.apply(CommitOffsets{"g", after}, {3}));
  EXPECT_EQ(state.apply(ExpireOffsets{"g", seen}, {4}), 1u);
  after.erase(key_of(3));
  EXPECT_EQ(state.groups().at("g"), after);
  EXPECT_EQ(state.apply(ExpireOffsets{"g", seen}, {5}), 0u);
  EXPECT_EQ(state.apply(ExpireOffsets{"nobody", seen}, {5}), 0u);
  EXPECT_FALSE(state.groups().contains("nobody"));
  // With the last offset the group goes.
  EXPECT_EQ(state.apply(ExpireOffsets{"g", after}, {6}), 3u);
  EXPECT_TRUE(state.groups().empty());
}

TEST(ExpireOffsets, ACommitThatForgetsOrAnotherGroupsOffsetsAreNotTouched) {
  MetaState state = with_topic();
  const Offsets seen = {{key_of(0), offset_of(1, 10)}};
  ASSERT_TRUE(state.apply(CommitOffsets{"g", seen}, {2}));
  ASSERT_TRUE(state.apply(CommitOffsets{"h", seen}, {2}));
  EXPECT_EQ(state.apply(ExpireOffsets{"g", seen}, {3}), 1u);
  EXPECT_EQ(state.groups().at("h"), seen);
}

TEST(ExpireOffsets, CommandsReadBackAsTheyWereWritten) {
  const Offsets offsets = {{key_of(0), offset_of(1, 10)}, {key_of(1), offset_of(2, 20, 30)}};
  for (const Command& command : {Command{CommitOffsets{"g", offsets}}, Command{ExpireOffsets{"g", offsets}}}) {
    ByteWriter out;
    encode(out, command);
    ByteReader in(out.str());
    const FrameEntry read = decode_entry(in).value();
    EXPECT_TRUE(in.at_end());
    if (const auto* commit = std::get_if<CommitOffsets>(&command)) {
      EXPECT_EQ(std::get<CommitOffsets>(std::get<Command>(read)).offsets, commit->offsets);
    } else {
      EXPECT_EQ(std::get<ExpireOffsets>(std::get<Command>(read)).seen, std::get<ExpireOffsets>(command).seen);
    }
    for (size_t size = 0; size < out.size(); ++size) {
      ByteReader cut(std::string_view(out.str()).substr(0, size));
      EXPECT_FALSE(decode_entry(cut));
    }
  }
}

// As it was written before offsets could say when they expire.
TEST(ExpireOffsets, AnOlderCommitIsRead) {
  const Offsets offsets = {{key_of(0), offset_of(1, 10)}, {key_of(1), offset_of(2, 20)}};
  ByteWriter older;
  older.u8(16 + 5), older.sized("g"), encode(older, offsets);
  ByteReader in(older.str());
  const FrameEntry read = decode_entry(in).value();
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(std::get<CommitOffsets>(std::get<Command>(read)).group, "g");
  EXPECT_EQ(std::get<CommitOffsets>(std::get<Command>(read)).offsets, offsets);
}

TEST(ExpireOffsets, AnOlderSnapshotIsRead) {
  const Offsets offsets = {{key_of(0), offset_of(1, 10)}, {key_of(1), offset_of(2, 20)}};
  const std::string none = with_topic().encode();
  MetaState state = with_topic();
  ASSERT_TRUE(state.apply(CommitOffsets{"g", offsets}, {1}));
  ByteWriter now, before;
  now.varint(1), now.sized("g"), encode_expiring(now, offsets);
  before.varint(1), before.sized("g"), encode(before, offsets);
  const std::string encoded = state.encode();
  std::string older = encoded;
  const size_t at = older.find(now.str());
  ASSERT_NE(at, std::string::npos);
  older.replace(at, now.size(), before.str());
  older[0] = 5;
  const auto read = MetaState::decode(older);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->groups(), state.groups());
  EXPECT_EQ(read->encode(), encoded);
  EXPECT_NE(encoded, none);
}

class ExpireOffsetsInTheLog : public testing::LogFixture {
 protected:
  template <class T, class F>
  static Result<T> wait(F&& start) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    start([&](Result<T> result) { promise.set_value(std::move(result)); });
    return future.get();
  }
  Result<uint64_t> expire(const Offsets& seen) {
    return wait<uint64_t>([&](auto done) { log().expire_offsets("g", seen, std::move(done)); });
  }
  Result<> commit_all(const Offsets& offsets) {
    return wait<void>([&](auto done) { log().commit_offsets("g", offsets, std::move(done)); });
  }
};

TEST_F(ExpireOffsetsInTheLog, SurviveRestartAndSnapshot) {
  open();
  const TopicPartition p = topic("t", 3);
  const Offsets all = {{{p.topic, 0}, offset_of(1, 10)}, {{p.topic, 1}, offset_of(2, 20, 30)}, {{p.topic, 2}, offset_of(3, 30)}};
  ASSERT_TRUE(commit_all(all));
  EXPECT_EQ(log().committed_offsets("g"), all);
  EXPECT_EQ(expire({*all.begin()}).value(), 1u);
  Offsets left = all;
  left.erase(left.begin());
  EXPECT_EQ(log().committed_offsets("g"), left);
  reopen();  // from the frames
  EXPECT_EQ(log().committed_offsets("g"), left);
  append(p, 1);
  ASSERT_TRUE(log().reconcile());
  reopen();  // from the snapshot
  EXPECT_EQ(log().committed_offsets("g"), left);
  EXPECT_EQ(expire(all).value(), 2u);
  EXPECT_TRUE(log().groups_with_offsets().empty());
  reopen();
  EXPECT_TRUE(log().groups_with_offsets().empty());
}

TEST_F(ExpireOffsetsInTheLog, ACommitBetweenLookingAndExpiringStays) {
  open();
  const TopicPartition p = topic("t", 1);
  const OffsetKey key{p.topic, 0};
  ASSERT_TRUE(commit_all({{key, offset_of(0, 0)}}));
  const Offsets seen = log().committed_offsets("g");
  ASSERT_TRUE(commit_all({{key, offset_of(0, 1)}}));  // the same offset, later
  EXPECT_EQ(expire(seen).value(), 0u);
  EXPECT_EQ(log().committed_offsets("g").at(key).commit_time_ms, 1);

  // Even ones expire as soon as they are seen, while others are committed: no odd one is ever missing.
  std::atomic<bool> over = false;
  std::atomic<uint64_t> expired = 0;
  std::thread expirer([&] {
    while (!over) {
      const Offsets now = log().committed_offsets("g");
      if (!now.empty() && now.at(key).offset.value % 2 == 0) expired += expire(now).value();
    }
  });
  const auto is_there = [&](int64_t n) {
    const Offsets now = log().committed_offsets("g");
    return !now.empty() && now.at(key).offset.value == n;
  };
  int64_t missing = 0;
  for (int64_t n = 2; n < 500 || (expired == 0 && n < 100'000); n += 2) {
    ASSERT_TRUE(commit_all({{key, offset_of(n, n)}}));
    ASSERT_TRUE(commit_all({{key, offset_of(n + 1, n + 1)}}));
    for (int looks = 0; looks < 3; ++looks) missing += !is_there(n + 1);
  }
  over = true;
  expirer.join();
  EXPECT_EQ(missing, 0);
  EXPECT_GT(expired, 0u);
}

TEST_F(ExpireOffsetsInTheLog, GoWithTheirTopic) {
  open();
  const TopicPartition p = topic("t", 1);
  ASSERT_TRUE(commit_all({{{p.topic, 0}, offset_of(1, 10)}}));
  const Offsets seen = log().committed_offsets("g");
  ASSERT_TRUE(log().delete_topic(p.topic));
  EXPECT_TRUE(log().groups_with_offsets().empty());
  EXPECT_EQ(expire(seen).value(), 0u);
  reopen();
  EXPECT_TRUE(log().groups_with_offsets().empty());
}

}  // namespace
}  // namespace ms::log
