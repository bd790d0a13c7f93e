// What everybody but the writer sees: topics, partitions and committed offsets, all of it durable. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "log/meta_state.h"
#include "log/partition_log.h"
#include "log/topic_config.h"

namespace ms::log {

struct TopicView {
  TopicInfo info;
  TopicSettings settings;
  std::vector<std::shared_ptr<PartitionLog>> partitions;
  std::shared_ptr<PartitionLog> find(PartitionId p) const {
    return p.value >= 0 && p.value < info.partitions ? partitions[static_cast<size_t>(p.value)] : nullptr;
  }
};
using TopicViewPtr = std::shared_ptr<const TopicView>;

class View {
 public:
  explicit View(const Wal* const* wal) : wal_(wal) {}

  void load(const MetaState& state);      // from a snapshot
  void publish(const Command& command);   // it is durable now
  void publish(const TransactionStep& step, const TransactionOutcome& outcome);

  TopicViewPtr find(TopicId id) const;
  TopicViewPtr find(std::string_view name) const;
  std::shared_ptr<PartitionLog> find(const TopicPartition& p) const;
  std::vector<TopicViewPtr> topics() const;  // sorted by name
  uint64_t revision() const { return revision_; }  // of the names, ids and sizes of topics
  std::map<OffsetKey, CommittedOffset> group(const std::string& name) const;
  std::set<OffsetKey> unstable_offsets(const std::string& group) const;
  std::vector<std::string> groups() const;
  Entries entries(const std::string& space) const;

 private:
  void on(const CreateTopic& c);
  void on(const DeleteTopic& c);
  void on(const CreatePartitions& c);
  void on(const AlterConfig& c);
  void on(const CommitOffsets& c);
  void on(const ExpireOffsets& c) { expire_from(groups_, c); }
  void on(const DeleteGroupOffsets& c);
  void on(const AddObject& c);
  void on(const ReplaceRuns& c);
  void on(const AdvanceLogStart& c);
  void on(const ChangeEntries& c) { change_into(entries_, c); }
  void on(const InitProducer&) {}
  void on(const ReserveObjects&) {}
  void on(const ForgetObjects&) {}
  PartitionLog* partition(const TopicPartition& p) const;
  std::shared_ptr<PartitionLog> empty_partition() const { return std::make_shared<PartitionLog>(wal_, 0, 0, 0, PartitionTransactions{}); }

  const Wal* const* wal_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<TopicId, TopicViewPtr> topics_;
  std::map<std::string, TopicId, std::less<>> by_name_;
  GroupOffsets groups_;
  EntrySpaces entries_;
  std::map<std::string, std::map<std::string, std::set<OffsetKey>>> staged_;  // by group and transactional id
  std::atomic<uint64_t> revision_ = 0;
};

}  // namespace ms::log
