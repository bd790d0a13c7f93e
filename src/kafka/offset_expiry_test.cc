// What expires now: by hand, and on random histories against a reference that looks at every instant.
#include "kafka/offset_expiry.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms::kafka {
namespace {

using Members = GroupUse::Members;

TopicId topic(uint8_t n) {
  TopicId id;
  id.uuid.bytes[0] = n;
  return id;
}
CommittedOffsets one(int64_t commit_time_ms, std::optional<int64_t> expire_time_ms = {}) {
  return {{{topic(1), 0}, {.offset = {5}, .metadata = {}, .commit_time_ms = commit_time_ms, .expire_time_ms = expire_time_ms}}};
}
bool expires(const CommittedOffsets& offsets, const GroupUse& use, int64_t now_ms) { return !expired_offsets(offsets, {}, use, {now_ms, 100}).empty(); }

TEST(OffsetExpiry, WithoutMembersTheLaterOfCommitAndLeavingCounts) {
  const auto empty_since = [](int64_t ms) { return GroupUse{.members = Members::kNone, .empty_since_ms = ms}; };
  EXPECT_FALSE(expires(one(0), empty_since(50), 149));
  EXPECT_TRUE(expires(one(0), empty_since(50), 150));
  EXPECT_FALSE(expires(one(70), empty_since(50), 169));
  EXPECT_TRUE(expires(one(70), empty_since(50), 170));
}

TEST(OffsetExpiry, WithMembersWhatNobodySubscribesToGoesByItsCommit) {
  EXPECT_FALSE(expires(one(0), {.members = Members::kSome, .subscribed = {topic(1)}}, 1'000'000));
  EXPECT_FALSE(expires(one(0), {.members = Members::kSome, .subscribed = {topic(2)}}, 99));
  EXPECT_TRUE(expires(one(0), {.members = Members::kSome, .subscribed = {topic(2)}}, 100));
  EXPECT_FALSE(expires(one(0), {.members = Members::kUnclear}, 1'000'000));
}

TEST(OffsetExpiry, ATimeThatACommitNamesStandsInThePlaceOfTheServers) {
  const GroupUse empty{.members = Members::kNone, .empty_since_ms = 1'000};
  EXPECT_FALSE(expires(one(0, 10), empty, 9));
  EXPECT_TRUE(expires(one(0, 10), empty, 10));
  EXPECT_FALSE(expires(one(0, 5'000), empty, 4'999));
  EXPECT_FALSE(expires(one(0, 10), {.members = Members::kSome, .subscribed = {topic(1)}}, 1'000));
  EXPECT_EQ(expire_time_of(-1, 7), std::nullopt);
  EXPECT_EQ(expire_time_of(0, 7), 7);
  EXPECT_EQ(expire_time_of(3, 7), 10);
  EXPECT_EQ(expire_time_of(INT64_MAX, 7), INT64_MAX);
}

TEST(OffsetExpiry, AnOffsetThatAnOpenTransactionChangesStays) {
  const GroupUse empty{.members = Members::kNone};
  EXPECT_TRUE(expired_offsets(one(0), {{topic(1), 1}}, empty, {100, 100}).contains({topic(1), 0}));
  EXPECT_TRUE(expired_offsets(one(0), {{topic(1), 0}}, empty, {100, 100}).empty());
}

TEST(OffsetExpiry, AClockThatWentBackExpiresNothing) {
  EXPECT_FALSE(expires(one(1'000), {.members = Members::kNone}, 0));
}

// A group's life, instant by instant: who was there, and when what was committed.
struct History {
  explicit History(Rng& rng) : now(static_cast<int64_t>(rng.below(40))), retention(1 + static_cast<int64_t>(rng.below(15))) {
    present.resize(static_cast<size_t>(now) + 1);
    for (size_t stays = rng.below(4); stays > 0; --stays) {
      const size_t from = rng.below(present.size());
      const size_t until = from + rng.below(8);
      for (size_t t = from; t <= until && t < present.size(); ++t) present[t] = true;
    }
    for (int32_t p = 0; p < 4; ++p) {
      log::CommittedOffset& offset = committed[{topic(static_cast<uint8_t>(rng.below(3))), p}];
      offset.commit_time_ms = static_cast<int64_t>(rng.below(present.size()));
      if (rng.below(4) == 0) offset.expire_time_ms = offset.commit_time_ms + static_cast<int64_t>(rng.below(20));
      if (rng.below(5) == 0) pending.insert(std::prev(committed.end())->first);
    }
    for (uint8_t n = 0; n < 3; ++n)
      if (rng.below(2) == 0) subscribed.insert(topic(n));
    settled = rng.below(4) != 0;
  }
  GroupUse use() const {
    if (present.back()) return settled ? GroupUse{.members = Members::kSome, .subscribed = subscribed} : GroupUse{};
    const auto last = std::find(present.rbegin(), present.rend(), true);
    return {.members = Members::kNone, .empty_since_ms = present.rend() - last - 1};
  }
  // Was it in use at any instant of the retention, the present one included?
  bool in_use(const log::OffsetKey& key) const {
    const bool members = present.back();
    if (pending.contains(key) || (members && (!settled || subscribed.contains(key.first)))) return true;
    const log::CommittedOffset& offset = committed.at(key);
    if (offset.expire_time_ms) {
      for (int64_t t = 0; t <= now; ++t)
        if (t == *offset.expire_time_ms) return false;
      return true;
    }
    for (int64_t t = now; t > now - retention; --t)
      if (t == offset.commit_time_ms || (!members && t >= 0 && present[static_cast<size_t>(t)])) return true;
    return now - retention < 0;
  }

  int64_t now, retention;
  std::vector<bool> present;
  CommittedOffsets committed;
  std::set<log::OffsetKey> pending;
  std::set<TopicId> subscribed;
  bool settled = false;
};

TEST(OffsetExpiry, ExpiresWhatWasNotUsedForTheRetentionInRandomHistories) {
  size_t kept = 0, expired = 0;
  for (uint64_t seed = 1; seed <= 20'000; ++seed) {
    Rng rng(seed);
    const History h(rng);
    CommittedOffsets expected;
    for (const auto& [key, offset] : h.committed)
      if (!h.in_use(key)) expected.emplace(key, offset);
    const CommittedOffsets got = expired_offsets(h.committed, h.pending, h.use(), {h.now, h.retention});
    ASSERT_EQ(got, expected) << "seed " << seed;
    expired += got.size(), kept += h.committed.size() - got.size();
  }
  EXPECT_GT(expired, 10'000u);
  EXPECT_GT(kept, 10'000u);
}

}  // namespace
}  // namespace ms::kafka
