// The embedded metadata store: a deterministic state machine in memory. apply(command) gives one named outcome; the
// same commands in the same order give the same state, which is how the write-ahead log is replayed.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "log/commands.h"
#include "log/producer_state.h"
#include "log/transactions.h"

namespace ms::log {

struct PartitionHead {
  int64_t log_start = 0;
  int64_t next_offset = 0;
  std::map<int64_t, std::pair<uint64_t, ObjectRun>> runs;  // by base offset: object, run; without gaps between them
  ProducerTable producers;
  PartitionTransactions transactions;
  int64_t reconciled() const { return runs.empty() ? reconciled_floor : std::max(reconciled_floor, runs.rbegin()->second.second.next.value); }
  int64_t reconciled_floor = 0;  // where runs ended that retention has removed
  int64_t last_removed_us = 0;   // append time of the last record below log_start, or a later one; 0: not known
};

struct TopicState {
  TopicInfo info;
  std::vector<PartitionHead> partitions;
};

struct AppendDecision {
  AppendError error = AppendError::kNone;
  std::string message;
  Offset base;
  AppendTime at;
  bool duplicate = false;
  std::optional<AddTransactionPartitions> joined;  // applied before the batch; to be written before it
};

// One thread at a time. Errors of apply leave the state as it was.
class MetaState {
 public:
  // The value is the new producer id for InitProducer, the first object for ReserveObjects, how many went for ExpireOffsets, else 0.
  Result<uint64_t> apply(const Command& command, AppendTime now);
  // Who ends a transaction appends its markers next, in the same frame.
  Result<TransactionOutcome> apply(const TransactionStep& step, AppendTime now);
  // Decides offset and sequence; on success the batch is part of the state. Terms can only refuse: what was accepted under any is
  // accepted without, which is how it is replayed.
  AppendDecision append(const AppendBatch& batch, AppendTime now, const TransactionTerms& terms = {});

  const std::map<TopicId, TopicState>& topics() const { return topics_; }
  const GroupOffsets& groups() const { return groups_; }
  const std::set<uint64_t>& reserved_objects() const { return reserved_; }
  const std::map<uint64_t, int64_t>& doomed_objects() const { return doomed_; }  // object -> since when, us
  const EntrySpaces& entries() const { return entries_; }
  const TransactionTable& transactions() const { return transactions_; }
  AppendTime last_append_time() const { return {last_append_us_}; }
  int64_t partition_count() const { return partition_count_; }
  const PartitionHead* find(const TopicPartition& p) const;

  std::string encode() const;
  static Result<MetaState> decode(std::string_view bytes);

 private:
  Result<uint64_t> on(const CreateTopic& c, AppendTime now);
  Result<uint64_t> on(const DeleteTopic& c, AppendTime now);
  Result<uint64_t> on(const CreatePartitions& c, AppendTime now);
  Result<uint64_t> on(const AlterConfig& c, AppendTime now);
  Result<uint64_t> on(const InitProducer& c, AppendTime now);
  Result<uint64_t> on(const CommitOffsets& c, AppendTime now);
  Result<uint64_t> on(const ExpireOffsets& c, AppendTime now);
  Result<uint64_t> on(const DeleteGroupOffsets& c, AppendTime now);
  Result<uint64_t> on(const ReserveObjects& c, AppendTime now);
  Result<uint64_t> on(const AddObject& c, AppendTime now);
  Result<uint64_t> on(const AdvanceLogStart& c, AppendTime now);
  Result<uint64_t> on(const ForgetObjects& c, AppendTime now);
  Result<uint64_t> on(const ChangeEntries& c, AppendTime now);
  Result<uint64_t> on(const ReplaceRuns& c, AppendTime now);
  PartitionHead* head(const TopicPartition& p);
  AppendDecision append_marker(PartitionHead& partition, const AppendBatch& batch, AppendTime now);
  void drop_run(uint64_t object, AppendTime now);

  std::map<TopicId, TopicState> topics_;
  std::map<std::string, TopicId> by_name_;
  GroupOffsets groups_;
  TransactionTable transactions_;
  int64_t last_append_us_ = 0;
  int64_t next_producer_id_ = 0;
  uint64_t next_object_ = 1;
  int64_t partition_count_ = 0;
  std::set<uint64_t> reserved_;
  std::map<uint64_t, int64_t> live_runs_;  // object -> runs still wanted
  std::map<uint64_t, int64_t> doomed_;
  EntrySpaces entries_;
};

}  // namespace ms::log
