// Moves sealed batches from the write-ahead log into stream objects, snapshots the metadata and trims the log.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "log/commit_writer.h"
#include "log/object_ids.h"
#include "log/stream_object.h"
#include "objstore/object_store.h"

namespace ms::log {

class Reconciler {
 public:
  Reconciler(const LogOptions& options, ObjectStore& store, CommitWriter& writer, Wal& wal, const View& view, std::string snapshot_path);

  // Everything visible at the start of the call is in stream objects afterwards; WAL segments that are no longer needed
  // are recycled. A batch that cannot be read keeps only the rest of its own partition back; its error is returned at the
  // end. Thread-safe, one at a time. An error leaves what was done so far; the next call goes on.
  Result<> run();
  // A run under way and every later one end early, with kUnavailable. Any thread.
  void stop() { stopping_.store(true, std::memory_order_relaxed); }
  // Removes what an earlier process reserved and never finished.
  Result<> remove_orphans();

 private:
  Result<> move_partitions();
  Result<> move(const TopicPartition& p, const PartitionLog& partition);
  Result<> add(const TopicPartition& p, const ReadBatch& batch, const RecordBatchHeader& header);
  void set_aside(const TopicPartition& p, Error why);
  Result<> flush();
  Result<> trim();

  const LogOptions& options_;
  ObjectStore& store_;
  CommitWriter& writer_;
  Wal& wal_;
  const View& view_;
  const std::string snapshot_path_;
  std::mutex mutex_;
  ObjectIds ids_;
  std::optional<ObjectBuilder> object_;
  std::optional<Error> unreadable_;  // the first of this run
  std::atomic<bool> stopping_ = false;
};

}  // namespace ms::log
