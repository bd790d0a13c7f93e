// The transactional ids: Kafka's transaction coordinator as a pure state machine, in both generations of the protocol
// (classic: the producer keeps its epoch; KIP-890: every end bumps it). The same steps in the same order give the same state.
//
// There are no Prepare states: a transaction's end is one frame of the write-ahead log, so nobody can see it half done.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "log/commands.h"

namespace ms::log {

struct Transaction {
  ProducerIdentity producer;
  ProducerIdentity previous;  // what `producer` was before the last bump: its retries are answered
  int32_t timeout_ms = 0;
  TransactionState state = TransactionState::kEmpty;
  AppendTime started, changed;
  // While ongoing.
  std::set<TopicPartition> partitions;
  std::set<std::string> groups;
  GroupOffsets offsets;
};

// What an end (or a new producer, which ends what it finds open) does to the log besides the table.
struct TransactionEnd {
  ProducerIdentity marker;  // whose control batches go to `partitions`
  bool commit = false;
  std::set<TopicPartition> partitions;
  GroupOffsets offsets;
};
struct TransactionOutcome {
  ProducerIdentity producer;
  bool changed = true;  // false: a retry, nothing to write
  std::optional<TransactionEnd> end;
};

struct TransactionalAppend {
  AppendError error = AppendError::kNone;
  std::string message;
  std::optional<AddTransactionPartitions> adds;  // apply this first
};

class TransactionTable {
 public:
  static constexpr size_t kIdsMax = 100'000;
  static constexpr size_t kPartitionsMax = 10'000;   // of one transaction: its end must fit one frame
  static constexpr size_t kOffsetsMax = 100'000;     // staged by one transaction
  static constexpr int16_t kEpochMax = INT16_MAX - 1;  // one is left for fencing; then the id gets a new producer id

  Result<TransactionOutcome> apply(const TransactionStep& step, AppendTime now, int64_t& next_producer_id);
  // Whether a transactional batch belongs to an open transaction, or can open or join one.
  TransactionalAppend check_append(ProducerIdentity by, const TopicPartition& to, const TransactionTerms& terms) const;

  const std::map<std::string, Transaction>& all() const { return transactions_; }
  size_t id_bytes(int64_t producer_id) const;  // of the transactional id that has this producer
  size_t markers_of(const TransactionStep& step) const;  // at most so many does it write
  // Transactions open for longer than their timeout, and ids that nobody has used for `idle_ms`.
  std::vector<TransactionStep> due(AppendTime now, int64_t idle_ms) const;
  void forget_topic(TopicId topic);

  void encode(ByteWriter& out) const;
  static Result<TransactionTable> decode(ByteReader& in);

 private:
  struct Context {
    AppendTime now;
    int64_t& next_producer_id;
  };
  Result<TransactionOutcome> on(const InitTransaction& s, Context& c);
  Result<TransactionOutcome> on(const AddTransactionPartitions& s, Context& c);
  Result<TransactionOutcome> on(const AddTransactionGroup& s, Context& c);
  Result<TransactionOutcome> on(const StageTransactionOffsets& s, Context& c);
  Result<TransactionOutcome> on(const EndTransaction& s, Context& c);
  Result<TransactionOutcome> on(const ExpireTransaction& s, Context& c);
  Result<TransactionOutcome> on(const ForgetTransactionalId& s, Context& c);
  Result<Transaction*> find(const std::string& id, ProducerIdentity by);
  void change_producer(const std::string& id, Transaction& t, ProducerIdentity to);
  TransactionEnd close(Transaction& t, bool commit, int16_t marker_epoch, AppendTime now);

  std::map<std::string, Transaction> transactions_;
  std::unordered_map<int64_t, std::string> by_producer_;  // current producer ids
};

}  // namespace ms::log
