// The log of one process with `disk` durability: everything of log/ wired together behind the Log interface.
#pragma once

#include "log/commit_writer.h"
#include "log/compactor.h"
#include "log/log.h"
#include "log/merger.h"
#include "log/object_reader.h"
#include "log/periodic.h"
#include "log/reconciler.h"

namespace ms::log {

class EmbeddedLog final : public Log {
 public:
  static Result<std::unique_ptr<EmbeddedLog>> open(LogOptions options);
  ~EmbeddedLog() override;
  Result<> close() override;

  Result<TopicInfo> create_topic(const std::string& name, int32_t partitions, const TopicConfig& config, bool internal) override;
  Result<> delete_topic(TopicId id) override;
  Result<> create_partitions(TopicId id, int32_t total) override;
  Result<> alter_config(TopicId id, const std::map<std::string, std::optional<std::string>>& changes) override;
  std::vector<TopicInfo> topics() const override;
  std::optional<TopicInfo> find_topic(std::string_view name) const override;
  std::optional<TopicInfo> find_topic(TopicId id) const override;
  uint64_t topics_revision() const override { return view_.revision(); }
  TopicConfig effective_config(const TopicInfo& topic) const override;

  void append(std::vector<AppendPart> parts, AppendDone done) override;
  Result<ReadResult> read(TopicPartition from_partition, Offset from, size_t max_bytes) override;
  Result<PartitionState> partition_state(TopicPartition p) const override;
  Result<Offset> delete_records(TopicPartition p, Offset before) override;
  Result<std::optional<OffsetAndTime>> offset_for_time(TopicPartition p, int64_t timestamp_ms) override;
  Result<std::optional<OffsetAndTime>> offset_of_max_timestamp(TopicPartition p) override;

  uint64_t add_listener(VisibleListener listener) override;
  void remove_listener(uint64_t id) override;
  Result<int64_t> new_producer_id() override;
  void commit_offsets(const std::string& group, std::map<OffsetKey, CommittedOffset> offsets,
                      std::move_only_function<void(Result<>)> done) override;
  std::map<OffsetKey, CommittedOffset> committed_offsets(const std::string& group) const override;
  void expire_offsets(const std::string& group, std::map<OffsetKey, CommittedOffset> seen, std::move_only_function<void(Result<uint64_t>)> done) override;
  void delete_offsets(const std::string& group, std::span<const OffsetKey> keys, std::move_only_function<void(Result<>)> done) override;
  Result<> delete_group_offsets(const std::string& group) override;
  std::vector<std::string> groups_with_offsets() const override;
  std::set<OffsetKey> unstable_offsets(const std::string& group) const override;
  Result<> change_entries(const std::string& space, const EntryChanges& changes) override;
  void change_entries(const std::string& space, const EntryChanges& changes, std::move_only_function<void(Result<>)> done) override;
  Entries entries(const std::string& space) const override { return view_.entries(space); }
  void transact(TransactionStep step, TransactionDone done) override;
  Result<std::vector<TransactionInfo>> transactions() override;
  Result<std::vector<ProducerInfo>> producers(TopicPartition p) override;
  Result<> reconcile() override;
  Result<> compact() override;
  Result<> merge_objects() override;
  Result<> enforce_retention() override;
  Result<> expire_transactions() override;

 private:
  explicit EmbeddedLog(LogOptions options);
  Result<> recover();
  Result<> replay(const RecoveredFrame& frame, uint64_t snapshot_frame, MetaState& state);
  Result<> check_recovered(const MetaState& state) const;
  void start_background();
  void submit(Command command, std::move_only_function<void(Result<>)> done);
  PendingBatch check(AppendPart part, int64_t now_ms) const;
  Result<std::shared_ptr<PartitionLog>> partition(const TopicPartition& p) const;
  Result<std::vector<ReadBatch>> read_planned(const ReadPlan& plan, Offset from, size_t max_bytes);
  Result<int64_t> max_timestamp_in_run(const RunRef& run, Offset start);
  Result<std::optional<OffsetAndTime>> time_in_run(const RunRef& run, int64_t timestamp_ms, Offset log_start);

  const LogOptions options_;
  std::unique_ptr<ObjectStore> store_;
  const Wal* wal_view_ = nullptr;  // for partitions, which exist before the WAL does
  View view_;
  std::unique_ptr<Wal> wal_;
  std::unique_ptr<ObjectReader> objects_;
  std::unique_ptr<CommitWriter> writer_;
  std::unique_ptr<Reconciler> reconciler_;
  std::unique_ptr<Merger> merger_;
  std::unique_ptr<Compactor> compactor_;

  Periodic moving_;   // out of the write-ahead log, which grows meanwhile
  Periodic keeping_;  // what may take long
};

}  // namespace ms::log
