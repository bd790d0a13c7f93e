// The event log: topics with partitions, durable appends, reads of what is durable. The one door of log/.
//
// Threads: every method is thread-safe. Callbacks run on the log's own writer thread, must not block and must not call
// back into the log; hand the work over. Nothing is visible (read, listed, notified) before it is durable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/types.h"

namespace ms::log {

struct LogOptions {
  std::string dir;  // WAL in dir/wal, objects in dir/objects
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  size_t group_bytes_max = 8u << 20;           // a group is sealed at this size even while a sync runs
  size_t pending_bytes_max = 256u << 20;       // appends waiting for durability; beyond it they are refused (kExhausted)
  size_t wal_segment_bytes = 64u << 20;
  size_t tail_cache_bytes_max = 128u << 20;    // reconciling begins early when half of it is not in objects yet
  size_t object_bytes_target = 64u << 20;
  size_t compaction_map_bytes_max = 128u << 20;  // keys of one pass; more of them take several passes
  int64_t reconcile_interval_ms = 30'000;      // then topics are compacted and small objects merged, too; 0: all by hand
  int64_t retention_check_interval_ms = 60'000;  // 0: only when enforce_retention() is called
  int32_t partitions_max = 100'000;            // over all topics
  size_t block_cache_bytes_max = 64u << 20;    // blocks of stream objects for readers behind the tail
  int64_t transaction_check_interval_ms = 1'000;  // 0: transactions time out only when expire_transactions() is called
  int64_t transactional_id_expiration_ms = 7ll * 24 * 3'600'000;  // an id without a transaction for so long is forgotten
  int64_t object_grace_ms = 60'000;            // a stream object nobody needs any more is removed after this long
  // Runs once when a write or sync of the WAL has failed; nothing is acknowledged any more. Empty: the process aborts,
  // because only a restart can tell what the disk has kept.
  std::function<void(const Error&)> on_failure;
};
// Nothing runs by itself: reconcile(), enforce_retention() and expire_transactions() wait to be called.
inline LogOptions by_hand(LogOptions options) {
  options.reconcile_interval_ms = options.retention_check_interval_ms = options.transaction_check_interval_ms = 0;
  return options;
}

// Topic configurations use Kafka's names (retention.ms, max.message.bytes, ...); unset ones have Kafka's defaults.
using TopicConfig = std::map<std::string, std::string>;

struct TopicInfo {
  TopicId id;
  std::string name;
  int32_t partitions = 0;
  TopicConfig config;  // only what was set
  bool internal = false;
};

// Which error a Kafka client must see. kNone for a duplicate of an idempotent producer too: it carries the first offset.
enum class AppendError : uint8_t {
  kNone,
  kUnknownTopicOrPartition,
  kCorruptMessage,        // length, CRC, magic, counts
  kMessageTooLarge,
  kInvalidRecord,
  kInvalidTimestamp,
  kOutOfOrderSequence,
  kUnknownProducerId,
  kInvalidProducerEpoch,
  kInvalidProducerIdMapping,  // a transactional batch of a producer id that no transactional id has
  kInvalidTxnState,           // the partition is not in a transaction of this producer
  kNoSpace,               // the disk is full: nothing was written
  kOverloaded,            // pending_bytes_max reached
  kStorage,               // the log has failed or is closing
};

// How a transactional batch comes: on behalf of which transactional id (none: whichever has its producer), and whether it
// adds its partition to the transaction, opening it if need be, and starts at sequence 0 where its producer is not known (KIP-890).
struct TransactionTerms {
  std::optional<std::string> id;
  bool joins = false;
};
struct AppendPart {
  TopicPartition to;
  Slice batch;  // exactly one Kafka record batch v2, as the client sent it; patched in place (offset, epoch): append a buffer once
  size_t block_bytes = 0;  // of the block `batch` lies in and keeps alive; at most the batch's own size: a block of its own
  TransactionTerms transaction;
};
struct AppendOutcome {
  AppendError error = AppendError::kNone;
  std::string message;  // empty when error is kNone
  Offset base_offset;
  Offset log_start_offset;
  AppendTime append_time;
  bool duplicate = false;
  std::vector<int32_t> refused_records;  // of a batch that is kInvalidRecord for their sake: which ones, from 0
};
using AppendDone = std::move_only_function<void(std::vector<AppendOutcome>)>;

struct ReadBatch {
  Slice bytes;  // one record batch v2, byte-exact, final offsets patched in
  Offset base;
  Offset last;
  AppendTime at;  // when its group was committed
  // False for markers and for batches of aborted transactions: their records are nobody's data. Final below last_stable.
  bool committed = true;
};
struct AbortedTransaction {
  int64_t producer_id = -1;
  Offset first, marker;  // its first record in the partition, and the control batch that ended it
};
struct ReadResult {
  std::vector<ReadBatch> batches;  // in offset order; the first may begin below the asked offset
  Offset log_start;
  Offset high_watermark;  // the offset after the last durable record
  Offset last_stable;     // below it every transaction is decided; = high_watermark while none is open
  std::vector<AbortedTransaction> aborted;  // that can have records in `batches`, in the order of their markers
};
struct PartitionState {
  Offset log_start, high_watermark, last_stable;
  int64_t bytes = 0;
  std::optional<AppendTime> last_removed;  // no record below log_start was appended later; none: not known, or none removed
};
struct OffsetAndTime {
  Offset offset;
  int64_t timestamp_ms = -1;
};

struct CommittedOffset {
  Offset offset;
  int32_t leader_epoch = -1;
  std::string metadata;
  int64_t commit_time_ms = 0;
  std::optional<int64_t> expire_time_ms = {};  // if who committed it has said so
  bool operator==(const CommittedOffset&) const = default;
};
using OffsetKey = std::pair<TopicId, int32_t>;
inline constexpr Offset kNoOffset{-1};  // committed: the one there was is forgotten

using Entries = std::map<std::string, std::string>;                       // by name
using EntryChanges = std::map<std::string, std::optional<std::string>>;  // nullopt: forgotten
inline constexpr size_t kEntryChangesBytesMax = 1u << 20;                 // names and values of one change

// ---- transactions. Each step is durable before it is answered, and ends whole or not at all: the markers in every
// partition, the group offsets and the state of the transactional id are one frame of the write-ahead log.
struct ProducerIdentity {
  int64_t id = -1;
  int16_t epoch = -1;
  auto operator<=>(const ProducerIdentity&) const = default;
};
// A new producer for the id: fences those before it, aborts what they left open. `expected`: who asks, if it knows.
struct InitTransaction { std::string id; int32_t timeout_ms = 0; ProducerIdentity expected; };
struct AddTransactionPartitions { std::string id; ProducerIdentity by; std::vector<TopicPartition> partitions; };
struct AddTransactionGroup { std::string id; ProducerIdentity by; std::string group; };
// Offsets that become the group's when the transaction commits. `joins`: the group needs no AddTransactionGroup (KIP-890).
struct StageTransactionOffsets { std::string id; ProducerIdentity by; std::string group; std::map<OffsetKey, CommittedOffset> offsets; bool joins = false; };
// `bumps_epoch`: the producer goes on with the identity in the outcome (KIP-890), else with the one it has.
struct EndTransaction { std::string id; ProducerIdentity by; bool commit = false; bool bumps_epoch = false; };
struct ExpireTransaction { std::string id; ProducerIdentity by; };       // aborts, and fences the producer
struct ForgetTransactionalId { std::string id; ProducerIdentity by; };  // nothing is open
using TransactionStep = std::variant<InitTransaction, AddTransactionPartitions, AddTransactionGroup, StageTransactionOffsets,
                                     EndTransaction, ExpireTransaction, ForgetTransactionalId>;
// Who the transactional id's producer is now. Errors: kNotFound (no such id, or another producer id), kFenced (a newer
// epoch), kConflict (not in this state), kExhausted (disk full, too many ids or partitions), kUnavailable.
using TransactionDone = std::move_only_function<void(Result<ProducerIdentity>)>;

enum class TransactionState : uint8_t { kEmpty, kOngoing, kCompleteCommit, kCompleteAbort };
struct TransactionInfo {
  std::string id;
  ProducerIdentity producer;
  TransactionState state = TransactionState::kEmpty;
  int32_t timeout_ms = 0;
  AppendTime started;  // of the transaction that is open
  std::vector<TopicPartition> partitions;
};
struct ProducerInfo {
  ProducerIdentity producer;
  int32_t last_sequence = -1;
  int64_t last_timestamp_ms = -1;
  std::optional<Offset> open_since;  // the first offset of its open transaction
};

class Log {
 public:
  // Recovers (torn tail cut; corrupt middle refused with kCorruption, naming file and position) and starts the writer,
  // the reconciler and the retention task. The caller holds the directory lock.
  static Result<std::unique_ptr<Log>> open(LogOptions options);
  virtual ~Log() = default;  // closes

  // Stops taking appends, makes what is pending durable, reconciles nothing, joins the threads. Idempotent.
  virtual Result<> close() = 0;

  // ---- topics. All return after the command is durable.
  // Errors: kAlreadyExists, kInvalidArgument (name, partitions, config), kConflict (partitions_max), kExhausted (disk full).
  virtual Result<TopicInfo> create_topic(const std::string& name, int32_t partitions, const TopicConfig& config,
                                         bool internal = false) = 0;
  virtual Result<> delete_topic(TopicId id) = 0;
  virtual Result<> create_partitions(TopicId id, int32_t total) = 0;  // kInvalidArgument unless it grows
  // A value of nullopt removes the key. Unknown keys and bad values: kInvalidArgument.
  virtual Result<> alter_config(TopicId id, const std::map<std::string, std::optional<std::string>>& changes) = 0;
  virtual std::vector<TopicInfo> topics() const = 0;  // sorted by name
  virtual std::optional<TopicInfo> find_topic(std::string_view name) const = 0;
  virtual std::optional<TopicInfo> find_topic(TopicId id) const = 0;
  virtual uint64_t topics_revision() const = 0;  // another one whenever a topic comes, goes or grows; take it before topics()
  // The effective value of every known configuration key: what was set, else the default.
  virtual TopicConfig effective_config(const TopicInfo& topic) const = 0;

  // ---- records
  // Validates each part by itself (header, CRC, sizes, sequence), seals the good ones into the next group and calls
  // `done` once with one outcome per part when they are durable (or refused). Parts of one call keep their order.
  virtual void append(std::vector<AppendPart> parts, AppendDone done) = 0;
  // Batches from the one that holds `from` on, or from the next one where compaction has removed it, up to about max_bytes
  // (always at least one batch if there is one). After compaction a batch may have gaps between its records, or no records.
  // Errors: kNotFound (topic, partition), kInvalidArgument with message "OFFSET_OUT_OF_RANGE..." outside
  // [log_start, high_watermark], kCorruption, kInternal (storage) for that partition only.
  virtual Result<ReadResult> read(TopicPartition from_partition, Offset from, size_t max_bytes) = 0;
  virtual Result<PartitionState> partition_state(TopicPartition p) const = 0;
  // Durably moves the log start up to `before`; what lies below is gone as after retention, and its bytes go with the next
  // retention check. Gives the log start there is now, which may be higher. Errors: kNotFound, kInvalidArgument with message
  // "OFFSET_OUT_OF_RANGE..." outside [0, high_watermark]. Not from a callback.
  virtual Result<Offset> delete_records(TopicPartition p, Offset before) = 0;
  // The first record whose timestamp is >= timestamp_ms; nullopt if none.
  virtual Result<std::optional<OffsetAndTime>> offset_for_time(TopicPartition p, int64_t timestamp_ms) = 0;
  // The record with the largest timestamp (Kafka's ListOffsets -3); nullopt when empty.
  virtual Result<std::optional<OffsetAndTime>> offset_of_max_timestamp(TopicPartition p) = 0;

  // Called on the writer thread after a group has become visible, with the partitions it touched. Returns an id.
  using VisibleListener = std::function<void(std::span<const TopicPartition>)>;
  virtual uint64_t add_listener(VisibleListener listener) = 0;
  virtual void remove_listener(uint64_t id) = 0;  // no call runs after it returns

  // ---- producers: a fresh (id, epoch 0). Durable on return.
  virtual Result<int64_t> new_producer_id() = 0;

  // ---- consumer groups' committed offsets. Durable when `done` runs / on return.
  virtual void commit_offsets(const std::string& group, std::map<OffsetKey, CommittedOffset> offsets,
                              std::move_only_function<void(Result<>)> done) = 0;
  // Forgets these offsets, by committing -1: Kafka's word for no offset. A group without any is forgotten.
  virtual void delete_offsets(const std::string& group, std::span<const OffsetKey> keys, std::move_only_function<void(Result<>)> done) = 0;
  virtual std::map<OffsetKey, CommittedOffset> committed_offsets(const std::string& group) const = 0;
  // Forgets those of these offsets that are still as they were `seen`: what was committed since stays. How many it forgot.
  virtual void expire_offsets(const std::string& group, std::map<OffsetKey, CommittedOffset> seen, std::move_only_function<void(Result<uint64_t>)> done) = 0;
  virtual Result<> delete_group_offsets(const std::string& group) = 0;  // kNotFound if it has none
  virtual std::vector<std::string> groups_with_offsets() const = 0;
  // What open transactions have staged for the group.
  virtual std::set<OffsetKey> unstable_offsets(const std::string& group) const = 0;

  // ---- named entries: small facts that others keep beside the metadata, each kind in a space of its own. All changes of a
  // call are durable on return, or none is made. Errors: kInvalidArgument beyond kEntryChangesBytesMax. Not from a callback.
  virtual Result<> change_entries(const std::string& space, const EntryChanges& changes) = 0;
  // The same without waiting: durable when `done` runs.
  virtual void change_entries(const std::string& space, const EntryChanges& changes, std::move_only_function<void(Result<>)> done) = 0;
  virtual Entries entries(const std::string& space) const = 0;

  // ---- transactions
  virtual void transact(TransactionStep step, TransactionDone done) = 0;
  // These two wait for the writer thread. By id; by producer id (errors: kNotFound).
  virtual Result<std::vector<TransactionInfo>> transactions() = 0;
  virtual Result<std::vector<ProducerInfo>> producers(TopicPartition p) = 0;

  // ---- background work, by hand (tests, commands)
  virtual Result<> reconcile() = 0;           // everything sealed goes to stream objects; the WAL is trimmed
  virtual Result<> compact() = 0;             // topics whose cleanup.policy says so, as far as they are in stream objects
  virtual Result<> merge_objects() = 0;       // many small stream objects become few
  virtual Result<> enforce_retention() = 0;   // by append time and bytes
  virtual Result<> expire_transactions() = 0;  // aborts those open for longer than their timeout; forgets idle ids
};

}  // namespace ms::log
