// Transactions through the door of the log: what readers see, and that a restart changes nothing.
#include <gtest/gtest.h>

#include "log/testing/log_fixture.h"

namespace ms::log {
namespace {

class TransactionLogTest : public testing::LogFixture {
 protected:
  Result<ProducerIdentity> step(TransactionStep step) {
    std::promise<Result<ProducerIdentity>> promise;
    log().transact(std::move(step), [&](Result<ProducerIdentity> done) { promise.set_value(std::move(done)); });
    return promise.get_future().get();
  }
  ProducerIdentity init(const std::string& id) { return step(InitTransaction{id, 1'000, {}}).value(); }
  // One batch as clients of KIP-890 send it; with `joins` false as those before.
  AppendOutcome send(ProducerIdentity by, TopicPartition p, size_t records, int32_t sequence = 0, bool joins = true) {
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(batch(records, {.producer_id = by.id, .producer_epoch = by.epoch, .base_sequence = sequence, .transactional = true})), 0, {.joins = joins}});
    return append(std::move(parts)).at(0);
  }
  ProducerIdentity end(const std::string& id, ProducerIdentity by, bool commit) { return step(EndTransaction{id, by, commit, true}).value(); }

  // The values a reader of committed data sees from `from` on, and where it gets to.
  struct Seen {
    std::vector<std::string> values;
    Offset next;
    auto operator<=>(const Seen&) const = default;
  };
  Seen committed(TopicPartition p, size_t max_bytes = 200) {
    Seen out{{}, log().partition_state(p).value().log_start};
    for (;;) {
      const auto read = log().read(p, out.next, max_bytes).value();
      if (out.next >= read.last_stable || read.batches.empty()) return out;
      for (const ReadBatch& each : read.batches) {
        if (each.base >= read.last_stable) return out;
        out.next = {each.last.value + 1};
        std::string scratch;
        auto reader = RecordReader::open(each.bytes.span(), scratch).value();
        RecordView record;
        while (each.committed && reader.next(record) == RecordReader::Step::kRecord) out.values.emplace_back(*record.value);
      }
    }
  }
  int64_t stable(TopicPartition p) { return log().partition_state(p).value().last_stable.value; }
};

using Values = std::vector<std::string>;

TEST_F(TransactionLogTest, CommittedReadsInterleaved) {
  open();
  const TopicPartition p = topic("t", 2), q{p.topic, {1}};
  ProducerIdentity a = init("a"), b = init("b");
  EXPECT_EQ(send(a, p, 2).base_offset.value, 0);   // 0, 1
  EXPECT_EQ(send(b, p, 1).base_offset.value, 2);   // 2
  append(p, 1);                                    // 3, plain
  EXPECT_EQ(stable(p), 0);
  EXPECT_EQ(committed(p), (Seen{{}, {0}}));
  a = end("a", a, false);                          // 4
  EXPECT_EQ(stable(p), 2);
  EXPECT_EQ(committed(p), (Seen{{}, {2}}));
  send(a, p, 1), send(a, q, 1);                    // 5
  b = end("b", b, true);                           // 6
  EXPECT_EQ(stable(p), 5);
  EXPECT_EQ(committed(p), (Seen{{"1.0", "2.0"}, {5}}));
  EXPECT_EQ(committed(q), (Seen{{}, {0}}));
  end("a", a, true);                               // 7
  EXPECT_EQ(committed(p), (Seen{{"1.0", "2.0", "3.0"}, {8}}));
  EXPECT_EQ(committed(q), (Seen{{"4.0"}, {2}}));
  const auto read = log().read(p, {0}, 1 << 20).value();
  ASSERT_EQ(read.aborted.size(), 1u);
  EXPECT_EQ(read.aborted[0].producer_id, a.id);
  EXPECT_EQ(read.aborted[0].first.value, 0);
  EXPECT_EQ(read.aborted[0].marker.value, 4);
  EXPECT_TRUE(log().read(p, {5}, 1 << 20).value().aborted.empty());
}

TEST_F(TransactionLogTest, NothingChangesByRestartsObjectsAndSnapshots) {
  for (const size_t cache : {size_t{0}, size_t{64} << 20}) {
    options().tail_cache_bytes_max = cache;
    restart_empty();
    const TopicPartition p = topic("t", 1, {{"retention.ms", "10000000"}});
    ProducerIdentity a = init("a"), open_one = init("open");
    for (int i = 0; i < 6; ++i) {
      if (i == 5) send(open_one, p, 1);
      send(a, p, 3);
      a = end("a", a, i % 2 == 0);
    }
    const Seen before = committed(p);
    EXPECT_EQ(before.values.size(), 9u);
    EXPECT_EQ(stable(p), 20);
    reopen();
    EXPECT_EQ(committed(p), before);
    ASSERT_TRUE(log().reconcile());
    EXPECT_EQ(committed(p), before);
    for (int i = 0; i < 40; ++i) append_bytes({topic("fill" + std::to_string(i), 1).topic, {0}}, 200'000);
    ASSERT_TRUE(log().reconcile());  // lets go of the first segments, so what they did must be in a snapshot
    ASSERT_TRUE(fs().exists("/log/meta.snapshot").value());
    EXPECT_EQ(committed(p), before);
    reopen();
    EXPECT_EQ(committed(p), before);
    EXPECT_EQ(stable(p), 20);
    end("open", open_one, true);
    EXPECT_EQ(committed(p).values.size(), 10u);
    EXPECT_EQ(committed(p).next.value, 26);
    reopen();
    EXPECT_EQ(committed(p).next.value, 26);
    EXPECT_EQ(end("a", a, false).epoch, a.epoch + 1);
  }
}

TEST_F(TransactionLogTest, OffsetsComeWithTheCommitAndNotBefore) {
  open();
  const TopicPartition p = topic("t", 1);
  ProducerIdentity a = init("a");
  const auto stage = [&](int64_t offset, bool joins) { return step(StageTransactionOffsets{"a", a, "g", {{{p.topic, 0}, {{offset}}}}, joins}); };
  EXPECT_EQ(stage(3, false).error().kind, ErrorKind::kConflict);
  ASSERT_TRUE(stage(3, true));
  EXPECT_TRUE(log().committed_offsets("g").empty());
  EXPECT_EQ(log().unstable_offsets("g").size(), 1u);
  reopen();
  EXPECT_EQ(log().unstable_offsets("g").size(), 1u);
  a = end("a", a, false);
  EXPECT_TRUE(log().committed_offsets("g").empty());
  EXPECT_TRUE(log().unstable_offsets("g").empty());
  ASSERT_TRUE(stage(4, true));
  send(a, p, 1);
  a = end("a", a, true);
  EXPECT_EQ(log().committed_offsets("g").at({p.topic, 0}).offset.value, 4);
  EXPECT_TRUE(log().unstable_offsets("g").empty());
  reopen();
  EXPECT_EQ(log().committed_offsets("g").at({p.topic, 0}).offset.value, 4);
}

// KIP-890: a transactional producer that the partition knows nothing of starts at 0. Before, it might start anywhere; so does replay, to
// which only what was accepted comes.
TEST_F(TransactionLogTest, TheFirstSequenceOfTheSecondGenerationIsZero) {
  open();
  const TopicPartition p = topic("t", 2), q{p.topic, {1}};
  ProducerIdentity a = init("a");
  EXPECT_EQ(send(a, p, 1, 5).error, AppendError::kOutOfOrderSequence);
  EXPECT_EQ(log().partition_state(p).value().high_watermark.value, 0);
  EXPECT_EQ(send(a, p, 1, 0, false).error, AppendError::kInvalidTxnState);  // what was refused has joined nothing
  EXPECT_EQ(send(a, p, 2, 0).error, AppendError::kNone);
  EXPECT_TRUE(send(a, p, 2, 0).duplicate);
  EXPECT_EQ(send(a, p, 1, 3).error, AppendError::kOutOfOrderSequence);
  EXPECT_EQ(send(a, p, 1, 2).error, AppendError::kNone);
  EXPECT_EQ(send(a, q, 1, 3).error, AppendError::kOutOfOrderSequence);  // each partition for itself
  ASSERT_TRUE(step(AddTransactionPartitions{"a", a, {q}}));
  EXPECT_EQ(send(a, q, 1, 3).error, AppendError::kOutOfOrderSequence);  // whoever added it
  EXPECT_EQ(send(a, q, 1, 3, false).error, AppendError::kNone);
  reopen();
  EXPECT_TRUE(send(a, q, 1, 3).duplicate);
  EXPECT_EQ(send(a, q, 1, 4).error, AppendError::kNone);
  a = end("a", a, true);
  EXPECT_EQ(send(a, p, 1, 3).error, AppendError::kOutOfOrderSequence);
  EXPECT_EQ(send(a, p, 1, 0).error, AppendError::kNone);
  // Batches without a transaction come with the same requests.
  std::vector<AppendPart> parts;
  parts.push_back({p, Slice::copy(batch(1, {.producer_id = 99, .producer_epoch = 0, .base_sequence = 3})), 0, {.joins = true}});
  EXPECT_EQ(append(std::move(parts)).at(0).error, AppendError::kNone);
}

// As in Kafka: whoever looks at the time of the log's end sees the log's.
TEST_F(TransactionLogTest, MarkersHaveTheTimeOfTheirTopic) {
  open();
  const TopicPartition by_client = topic("by_client", 1), by_log = topic("by_log", 1, {{"message.timestamp.type", "LogAppendTime"}});
  const ProducerIdentity a = init("a");
  send(a, by_client, 1), send(a, by_log, 1);
  clock().advance(5 * kMicrosPerSecond);
  end("a", a, true);
  for (const bool stamped : {false, true}) {
    const auto marker = log().read(stamped ? by_log : by_client, {1}, 1).value().batches.at(0);
    const auto header = parse_record_batch(marker.bytes.span()).value();
    EXPECT_TRUE(header.control());
    EXPECT_EQ(header.log_append_time(), stamped);
    EXPECT_EQ(header.max_timestamp_ms, clock().wall_us() / kMicrosPerMilli);
  }
}

TEST_F(TransactionLogTest, WhoMayAppend) {
  open();
  const TopicPartition p = topic("t", 2), q{p.topic, {1}};
  const ProducerIdentity a = init("a");
  EXPECT_EQ(send(a, p, 1, 0, false).error, AppendError::kInvalidTxnState);
  ASSERT_TRUE(step(AddTransactionPartitions{"a", a, {p}}));
  EXPECT_EQ(send(a, p, 1, 0, false).error, AppendError::kNone);
  EXPECT_TRUE(send(a, p, 1, 0, false).duplicate);
  EXPECT_EQ(send(a, p, 1, 5, false).error, AppendError::kOutOfOrderSequence);
  EXPECT_EQ(send(a, q, 1, 0, false).error, AppendError::kInvalidTxnState);
  EXPECT_EQ(send({a.id + 1, 0}, p, 1).error, AppendError::kInvalidProducerIdMapping);
  // Plain batches of a producer that has a transaction open there.
  EXPECT_EQ(append(p, 1, {.producer_id = a.id, .producer_epoch = a.epoch, .base_sequence = 1}).error, AppendError::kInvalidTxnState);
  const ProducerIdentity heir = init("a");
  EXPECT_EQ(send(a, p, 1, 1).error, AppendError::kInvalidProducerEpoch);
  EXPECT_EQ(append(p, 1, {.producer_id = a.id, .producer_epoch = a.epoch, .base_sequence = 1}).error, AppendError::kInvalidProducerEpoch);
  EXPECT_EQ(send(heir, p, 1).error, AppendError::kNone);
  const std::string marker = build_marker_batch({.producer_id = heir.id, .producer_epoch = heir.epoch, .commit = true, .timestamp_ms = 1});
  EXPECT_EQ(append_one(p, marker).error, AppendError::kInvalidRecord);
}

TEST_F(TransactionLogTest, TimedOutTransactionsAreAborted) {
  open();
  const TopicPartition p = topic("t", 1);
  const ProducerIdentity a = init("a");
  send(a, p, 1);
  append(p, 1);
  ASSERT_TRUE(log().expire_transactions());
  EXPECT_EQ(stable(p), 0);
  clock().advance(1'000'000);
  reopen();
  ASSERT_TRUE(log().expire_transactions());
  EXPECT_EQ(committed(p), (Seen{{"1.0"}, {3}}));
  EXPECT_EQ(step(EndTransaction{"a", a, true, true}).error().kind, ErrorKind::kFenced);
  EXPECT_EQ(log().transactions().value().at(0).state, TransactionState::kCompleteAbort);
  clock().advance(options().transactional_id_expiration_ms * 1000);
  ASSERT_TRUE(log().expire_transactions());
  EXPECT_TRUE(log().transactions().value().empty());
}

TEST_F(TransactionLogTest, ProducersAndTransactionsAreListed) {
  open();
  const TopicPartition p = topic("t", 1);
  append(p, 3);
  const ProducerIdentity a = init("a");
  send(a, p, 2);
  const auto producers = log().producers(p).value();
  ASSERT_EQ(producers.size(), 1u);
  EXPECT_EQ(producers[0].producer, a);
  EXPECT_EQ(producers[0].last_sequence, 1);
  EXPECT_EQ(producers[0].open_since, Offset{3});
  const auto transactions = log().transactions().value();
  ASSERT_EQ(transactions.size(), 1u);
  EXPECT_EQ(transactions[0].partitions, std::vector{p});
  EXPECT_EQ(transactions[0].started.us, clock().wall_us());
  end("a", a, true);
  EXPECT_EQ(log().producers(p).value()[0].open_since, std::nullopt);
  EXPECT_EQ(log().producers({p.topic, {9}}).error().kind, ErrorKind::kNotFound);
}

TEST_F(TransactionLogTest, TopicsMayGoWhileTheirTransactionIsOpen) {
  open();
  const TopicPartition p = topic("t", 1), q = topic("u", 1);
  const ProducerIdentity a = init("a");
  send(a, p, 1), send(a, q, 1);
  ASSERT_TRUE(log().delete_topic(p.topic));
  end("a", a, true);
  EXPECT_EQ(committed(q).next.value, 2);
  reopen();
  EXPECT_EQ(committed(q).next.value, 2);
}

// The log start may pass an open transaction; what it decides later is about the records that are left.
TEST_F(TransactionLogTest, RetentionPassesTransactions) {
  options().object_bytes_target = 2'000;
  open();
  const TopicPartition p = topic("t", 1, {{"retention.bytes", "1"}});
  ProducerIdentity a = init("a"), b = init("b");
  send(a, p, 1);
  a = end("a", a, false);
  send(b, p, 1);
  append_bytes(p, 3'000);
  ASSERT_TRUE(log().reconcile());
  append(p, 1);
  ASSERT_TRUE(log().enforce_retention());
  const auto state = log().partition_state(p).value();
  EXPECT_GT(state.log_start.value, 2);
  EXPECT_EQ(state.last_stable, state.log_start);
  send(b, p, 1, 1);
  end("b", b, false);
  const Seen seen = committed(p);
  reopen();
  EXPECT_EQ(committed(p), seen);
  EXPECT_EQ(stable(p), log().partition_state(p).value().high_watermark.value);
}

}  // namespace
}  // namespace ms::log
