// Compacts partitions of topics whose cleanup.policy says so: a pass reads what was not compared yet into a map of the newest
// offset of each key, then writes all runs from the log start on anew without the records that are superseded.
#pragma once

#include <atomic>
#include <mutex>

#include "log/batch_cleaner.h"
#include "log/compaction_plan.h"
#include "log/object_ids.h"
#include "log/object_reader.h"

namespace ms::log {

class Compactor {
 public:
  Compactor(const LogOptions& options, ObjectStore& store, ObjectReader& reader, CommitWriter& writer, const View& view);

  // Every partition for which it is time. One that cannot be read is left as it is, and its error is returned at the end; one
  // whose runs changed hands meanwhile waits for the next call. Runs change in the order of their offsets, so at every
  // moment no tombstone is gone before what it deletes. Thread-safe, one at a time.
  Result<> run();
  void stop() { stopping_.store(true, std::memory_order_relaxed); }  // as Reconciler::stop

 private:
  struct Pass;
  Result<> compact(const TopicPartition& p, const PartitionLog& partition, const TopicSettings& settings);
  Result<bool> pass(const TopicPartition& p, const PartitionLog& partition, const TopicSettings& settings, const CompactionPlan& plan);
  Result<Offset> map_keys(KeyMap& map, const std::vector<RunRef>& runs, const CompactionPlan& plan, const std::vector<AbortedTransaction>& aborted);
  Result<uint64_t> records_in(const std::vector<RunRef>& runs, const CompactionPlan& plan);
  Result<> rewrite(Pass& pass, const RunRef& run);
  Result<> put(Pass& pass, const RunRef& run, const std::vector<ReadBatch>& batches);
  Result<> flush(Pass& pass);
  Result<> go_on() const;

  const LogOptions& options_;
  ObjectStore& store_;
  ObjectReader& reader_;
  CommitWriter& writer_;
  const View& view_;
  std::mutex mutex_;
  ObjectIds ids_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace ms::log
