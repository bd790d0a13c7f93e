#include "log/transactions.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/check.h"
#include "log/commands.h"
#include "log/meta_state.h"

namespace ms::log {
namespace {

constexpr TopicId kTopic{Uuid{{1}}};
TopicPartition at(int32_t partition) { return {kTopic, {partition}}; }
using Partitions = std::set<TopicPartition>;

class TransactionTableTest : public ::testing::Test {
 protected:
  Result<TransactionOutcome> apply(const TransactionStep& step) { return table_.apply(step, now_, next_id_); }
  ProducerIdentity init(const std::string& id, ProducerIdentity expected = {}) { return apply(InitTransaction{id, 60'000, expected}).value().producer; }
  ErrorKind error(const TransactionStep& step) {
    const auto outcome = apply(step);
    return outcome ? ErrorKind::kInternal : outcome.error().kind;
  }
  TransactionState state(const std::string& id) const { return table_.all().at(id).state; }

  TransactionTable table_;
  AppendTime now_{1'000'000};
  int64_t next_id_ = 5;
};

TEST_F(TransactionTableTest, ClassicLifeOfAnId) {
  const ProducerIdentity p = init("a");
  EXPECT_EQ(p, (ProducerIdentity{5, 0}));
  EXPECT_EQ(error(EndTransaction{"a", p, true, false}), ErrorKind::kConflict);  // nothing is open
  ASSERT_TRUE(apply(AddTransactionPartitions{"a", p, {at(0), at(1)}}));
  EXPECT_FALSE(apply(AddTransactionPartitions{"a", p, {at(1)}})->changed);
  EXPECT_EQ(error(StageTransactionOffsets{"a", p, "g", {{{kTopic, 0}, {{7}}}}, false}), ErrorKind::kConflict);
  ASSERT_TRUE(apply(AddTransactionGroup{"a", p, "g"}));
  ASSERT_TRUE(apply(StageTransactionOffsets{"a", p, "g", {{{kTopic, 0}, {{7}}}}, false}));
  const auto ended = apply(EndTransaction{"a", p, true, false}).value();
  EXPECT_EQ(ended.producer, p);
  EXPECT_EQ(ended.end->marker, p);
  EXPECT_EQ(ended.end->partitions, (Partitions{at(0), at(1)}));
  EXPECT_EQ(ended.end->offsets.at("g").at({kTopic, 0}).offset, Offset{7});
  EXPECT_FALSE(apply(EndTransaction{"a", p, true, false})->changed);  // a retry
  EXPECT_EQ(error(EndTransaction{"a", p, false, false}), ErrorKind::kConflict);
  ASSERT_TRUE(apply(AddTransactionPartitions{"a", p, {at(2)}}));
  EXPECT_EQ(apply(EndTransaction{"a", p, false, false})->end->partitions, Partitions{at(2)});  // not those of before
}

TEST_F(TransactionTableTest, EveryEndOfTheSecondGenerationBumpsTheEpoch) {
  ProducerIdentity p = init("a");
  ASSERT_TRUE(apply(AddTransactionPartitions{"a", p, {at(0)}}));
  const auto ended = apply(EndTransaction{"a", p, true, true}).value();
  EXPECT_EQ(ended.producer, (ProducerIdentity{5, 1}));
  EXPECT_EQ(ended.end->marker, (ProducerIdentity{5, 1}));  // fences the old epoch in the partitions, too
  EXPECT_EQ(apply(EndTransaction{"a", p, true, true})->producer, ended.producer);  // a retry
  EXPECT_FALSE(apply(EndTransaction{"a", p, true, true})->changed);
  EXPECT_EQ(error(EndTransaction{"a", p, false, true}), ErrorKind::kFenced);
  EXPECT_EQ(error(AddTransactionPartitions{"a", p, {at(0)}}), ErrorKind::kFenced);
  // Nothing was sent: an abort gives the next epoch, a commit is refused.
  EXPECT_EQ(error(EndTransaction{"a", ended.producer, true, true}), ErrorKind::kConflict);
  const auto aborted = apply(EndTransaction{"a", ended.producer, false, true}).value();
  EXPECT_EQ(aborted.producer, (ProducerIdentity{5, 2}));
  EXPECT_TRUE(aborted.end->partitions.empty());
}

TEST_F(TransactionTableTest, AnotherProducerFencesAndAborts) {
  const ProducerIdentity zombie = init("a");
  ASSERT_TRUE(apply(AddTransactionPartitions{"a", zombie, {at(3)}}));
  const auto heir = apply(InitTransaction{"a", 1, {}}).value();
  EXPECT_EQ(heir.producer, (ProducerIdentity{5, 1}));
  ASSERT_TRUE(heir.end);
  EXPECT_FALSE(heir.end->commit);
  EXPECT_EQ(heir.end->partitions, Partitions{at(3)});
  for (const bool bumps : {false, true})
    for (const bool commit : {false, true}) EXPECT_EQ(error(EndTransaction{"a", zombie, commit, bumps}), ErrorKind::kFenced);
  EXPECT_EQ(error(InitTransaction{"a", 1, zombie}), ErrorKind::kFenced);
  EXPECT_EQ(table_.check_append(zombie, at(3), {.joins = true}).error, AppendError::kInvalidProducerEpoch);
  EXPECT_EQ(error(EndTransaction{"b", zombie, true, false}), ErrorKind::kNotFound);
  EXPECT_EQ(error(EndTransaction{"a", {99, 0}, true, false}), ErrorKind::kNotFound);
}

TEST_F(TransactionTableTest, AProducerThatNamesItselfMayAskTwice) {
  const ProducerIdentity p = init("a");
  const ProducerIdentity next = init("a", p);
  EXPECT_EQ(next, (ProducerIdentity{5, 1}));
  EXPECT_FALSE(apply(InitTransaction{"a", 60'000, p})->changed);  // its first answer was lost
  EXPECT_EQ(init("a", p), next);
  ASSERT_TRUE(apply(AddTransactionPartitions{"a", next, {at(0)}}));
  EXPECT_EQ(error(InitTransaction{"a", 60'000, p}), ErrorKind::kFenced);
}

TEST_F(TransactionTableTest, UsedUpEpochsGiveANewProducerId) {
  ProducerIdentity p = init("a");
  init("b");
  while (p.id == 5) {
    ASSERT_TRUE(apply(AddTransactionPartitions{"a", p, {at(0)}}));
    const auto ended = apply(EndTransaction{"a", p, true, true}).value();
    ASSERT_GT(ended.end->marker.epoch, p.epoch);
    ASSERT_EQ(ended.end->marker.id, p.id);
    if (ended.producer.id != p.id) {
      EXPECT_EQ(p.epoch, TransactionTable::kEpochMax);
      EXPECT_EQ(ended.producer, (ProducerIdentity{7, 0}));
      EXPECT_EQ(apply(EndTransaction{"a", p, true, true})->producer, ended.producer);  // a retry by its old id
      EXPECT_EQ(table_.check_append(p, at(0), {.joins = true}).error, AppendError::kInvalidProducerIdMapping);
    }
    p = ended.producer;
  }
}

TEST_F(TransactionTableTest, WhatIsOpenTooLongIsAbortedAndWhatIsIdleForgotten) {
  const ProducerIdentity p = init("a");
  init("b");
  now_.us += 1'000'000;
  ASSERT_TRUE(apply(AddTransactionPartitions{"a", p, {at(0)}}));
  const AppendTime opened = now_;
  EXPECT_TRUE(table_.due({opened.us + 59'999'999}, 1'000'000).empty());
  const auto due = table_.due({opened.us + 60'000'000}, 1'000'000);
  ASSERT_EQ(due.size(), 1u);
  const auto expired = apply(due[0]).value();
  EXPECT_FALSE(expired.end->commit);
  EXPECT_EQ(state("a"), TransactionState::kCompleteAbort);
  EXPECT_EQ(error(EndTransaction{"a", p, true, true}), ErrorKind::kFenced);
  EXPECT_EQ(error(EndTransaction{"a", p, true, false}), ErrorKind::kFenced);
  EXPECT_EQ(apply(EndTransaction{"a", p, false, true})->producer, expired.producer);  // it wanted to abort: it may go on
  for (const TransactionStep& step : table_.due({opened.us + 3'600'000'000}, 1'000)) ASSERT_TRUE(apply(step));
  EXPECT_TRUE(table_.all().empty());
}

TEST_F(TransactionTableTest, AppendsNeedTheirTransaction) {
  const ProducerIdentity p = init("a");
  EXPECT_EQ(table_.check_append({1, 0}, at(0), {.joins = true}).error, AppendError::kInvalidProducerIdMapping);
  EXPECT_EQ(table_.check_append(p, at(0), {.joins = false}).error, AppendError::kInvalidTxnState);
  EXPECT_EQ(table_.check_append(p, at(0), {.id = "b", .joins = true}).error, AppendError::kInvalidProducerIdMapping);
  const auto joins = table_.check_append(p, at(0), {.joins = true});
  EXPECT_EQ(joins.error, AppendError::kNone);
  ASSERT_TRUE(joins.adds);
  ASSERT_TRUE(apply(*joins.adds));
  EXPECT_FALSE(table_.check_append(p, at(0), {.joins = true}).adds);
  EXPECT_EQ(table_.check_append(p, at(0), {.joins = false}).error, AppendError::kNone);
  EXPECT_EQ(table_.check_append(p, at(1), {.joins = false}).error, AppendError::kInvalidTxnState);
  EXPECT_EQ(table_.check_append({p.id, 1}, at(0), {.joins = false}).error, AppendError::kInvalidProducerEpoch);
}

TEST(ProducerTable, AForgottenProducerOfTheSecondGenerationStartsAgainAtZero) {
  ProducerTable table;
  const auto append = [](int64_t id, int32_t sequence, bool zero) { return ProducerAppend{id, 0, sequence, sequence, zero}; };
  table.record(append(1, 0, true), {0}, {1});
  EXPECT_EQ(table.decide(append(1, 1, true)).error, AppendError::kNone);
  for (int64_t id = 2; table.entries().contains(1); ++id) table.record(append(id, 0, true), {id}, {id});
  EXPECT_EQ(table.decide(append(1, 1, true)).error, AppendError::kOutOfOrderSequence);
  EXPECT_EQ(table.decide(append(1, 0, true)).error, AppendError::kNone);
  EXPECT_EQ(table.decide(append(1, 1, false)).error, AppendError::kNone);
}

// A log in memory that does what the writer does, and next to it what each partition must hold by the plainest means.
class World {
 public:
  World() { CHECK(state_.apply(CreateTopic{kTopic, "t", kPartitions, {}, false}, {1})); }

  void move(uint32_t random) {
    const auto pick = [&](uint32_t n) { const uint32_t out = random % n; random /= n; return out; };
    now_.us += 1'000 * pick(50);
    const std::string id(1, static_cast<char>('a' + pick(2)));
    const uint32_t what = pick(9), partition = pick(kPartitions);
    const bool second = pick(2) == 1, commit = pick(2) == 1, stale = pick(6) == 0;
    auto& known = producers_[id];
    const ProducerIdentity by = known.empty() ? ProducerIdentity{} : stale ? known[pick(static_cast<uint32_t>(known.size()))] : known.back();
    if (what == 0) return step(InitTransaction{id, 40, stale ? by : ProducerIdentity{}});
    if (what == 1) return step(AddTransactionPartitions{id, by, {at(static_cast<int32_t>(partition))}});
    if (what == 2) return step(StageTransactionOffsets{id, by, "g", {{{kTopic, static_cast<int32_t>(partition)}, {{++offset_}}}}, true});
    if (what == 3) return step(EndTransaction{id, by, commit, second});
    if (what == 4)
      for (const TransactionStep& due : state_.transactions().due(now_, 1'000'000)) step(due);
    else append(by, static_cast<int32_t>(partition), second, pick(8) == 0);
  }

  void check() const {
    // What was written is enough to come to the same state.
    MetaState again;
    CHECK(again.apply(CreateTopic{kTopic, "t", kPartitions, {}, false}, {1}));
    for (const auto& [entry, when] : written_) {
      if (const auto* batch = std::get_if<AppendBatch>(&entry)) {
        const auto decision = again.append(*batch, when);
        RC_ASSERT(decision.error == AppendError::kNone);
        RC_ASSERT(decision.base == batch->base);
      } else {
        RC_ASSERT(again.apply(std::get<TransactionStep>(entry), when).has_value());
      }
    }
    // Time alone is no part of what was written.
    RC_ASSERT(again.encode().substr(12) == state_.encode().substr(12));
    const auto decoded = MetaState::decode(state_.encode());
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(decoded->encode() == state_.encode());
    for (int32_t p = 0; p < kPartitions; ++p) check_partition(p);
    check_offsets();
  }

 private:
  static constexpr int32_t kPartitions = 3;
  enum class Fate { kOpen, kCommitted, kAborted };
  struct Entry {
    int64_t producer = -1;
    bool marker = false;
    Fate fate = Fate::kOpen;
  };

  void step(const TransactionStep& step) {
    const std::string id = std::visit([](const auto& s) { return s.id; }, step);
    const auto outcome = state_.apply(step, now_);
    if (!outcome) return;
    // Who was told so once is the only one, until somebody else is.
    auto& known = producers_[id];
    if (known.empty() || known.back() != outcome->producer) {
      RC_ASSERT(std::ranges::find(known, outcome->producer) == known.end());
      known.push_back(outcome->producer);
    }
    if (!outcome->changed) return;
    written_.emplace_back(step, now_);
    if (const auto* stage = std::get_if<StageTransactionOffsets>(&step))
      for (const auto& [key, value] : stage->offsets) staged_[id][key] = value.offset.value;
    if (!outcome->end) return;
    if (outcome->end->commit)
      for (const auto& [key, value] : staged_[id]) offsets_[key] = value;
    staged_.erase(id);
    const auto kind = outcome->end->commit ? BatchRole::Kind::kCommitMarker : BatchRole::Kind::kAbortMarker;
    for (const TopicPartition& p : outcome->end->partitions) {
      AppendBatch marker{.to = p, .records = 1, .producer_id = outcome->end->marker.id, .producer_epoch = outcome->end->marker.epoch,
                         .role = {kind, outcome->end->marker.id}};
      const auto decision = state_.append(marker, now_);
      RC_ASSERT(decision.error == AppendError::kNone);
      marker.base = decision.base;
      written_.emplace_back(marker, now_);
      auto& entries = entries_[p.partition.value];
      for (Entry& e : entries)
        if (e.producer == marker.producer_id && e.fate == Fate::kOpen) e.fate = outcome->end->commit ? Fate::kCommitted : Fate::kAborted;
      entries.push_back({marker.producer_id, true, Fate::kCommitted});
    }
    // Whole or not at all: nothing of this producer is left undecided anywhere.
    for (const auto& [p, entries] : entries_)
      for (const Entry& e : entries) RC_ASSERT(!(e.producer == outcome->end->marker.id && e.fate == Fate::kOpen));
  }

  // `skips`: its sequence is not the next one, which only a producer of the first generation without state may do.
  void append(ProducerIdentity by, int32_t partition, bool joins, bool skips) {
    if (by.id < 0) return;
    auto& sequence = sequences_[{by, partition}];
    const bool skip_refused = skips && (joins || state_.find(at(partition))->producers.entries().contains(by.id));
    AppendBatch batch{.to = at(partition),
                      .records = 1,
                      .producer_id = by.id,
                      .producer_epoch = by.epoch,
                      .base_sequence = sequence + (skips ? 7 : 0),
                      .role = {BatchRole::Kind::kTransactional, by.id}};
    const auto decision = state_.append(batch, now_, {.joins = joins});
    const auto& t = std::ranges::find_if(state_.transactions().all(), [&](const auto& item) { return item.second.producer == by; });
    if (skip_refused) RC_ASSERT(decision.error != AppendError::kNone);
    else
      RC_ASSERT((decision.error == AppendError::kNone) ==
                (t != state_.transactions().all().end() && t->second.partitions.contains(at(partition))));
    if (decision.error != AppendError::kNone) return;
    if (decision.joined) written_.emplace_back(TransactionStep(*decision.joined), now_);
    batch.base = decision.base;
    written_.emplace_back(batch, now_);
    entries_[partition].push_back({by.id, false, Fate::kOpen});
    sequence = batch.base_sequence + 1;
  }

  void check_partition(int32_t p) const {
    const auto found = entries_.find(p);
    const std::vector<Entry> entries = found == entries_.end() ? std::vector<Entry>{} : found->second;
    const auto open = std::ranges::find(entries, Fate::kOpen, &Entry::fate);
    const PartitionHead& head = *state_.find(at(p));
    const auto stable = head.transactions.last_stable(0, head.next_offset);
    RC_ASSERT(stable == open - entries.begin());
    for (int64_t from = 0; from < stable; ++from) {
      const auto aborted = head.transactions.aborted_in(from, from + 1);
      const Entry& e = entries[static_cast<size_t>(from)];
      const bool listed = std::ranges::any_of(aborted, [&](const auto& a) { return a.producer_id == e.producer && a.first.value <= from && from < a.marker.value; });
      RC_ASSERT(listed == (e.fate == Fate::kAborted));
    }
  }
  void check_offsets() const {
    std::map<OffsetKey, int64_t> stored;
    if (const auto group = state_.groups().find("g"); group != state_.groups().end())
      for (const auto& [key, value] : group->second) stored[key] = value.offset.value;
    RC_ASSERT(stored == offsets_);
  }

  MetaState state_;
  AppendTime now_{1};
  std::vector<std::pair<std::variant<AppendBatch, TransactionStep>, AppendTime>> written_;
  std::map<std::string, std::vector<ProducerIdentity>> producers_;
  std::map<std::pair<ProducerIdentity, int32_t>, int32_t> sequences_;
  std::map<int32_t, std::vector<Entry>> entries_;
  std::map<std::string, std::map<OffsetKey, int64_t>> staged_;
  std::map<OffsetKey, int64_t> offsets_;
  int64_t offset_ = 0;
};

RC_GTEST_PROP(TransactionLaws, AnyMovesKeepTheLogAndItsReplayWhole, ()) {
  World world;
  const auto moves = rc::gen::resize(300, rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(0, UINT32_MAX)));
  for (const uint32_t random : *moves) world.move(random);
  world.check();
}

}  // namespace
}  // namespace ms::log
