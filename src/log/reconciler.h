// Moves sealed batches from the write-ahead log into stream objects, snapshots the metadata and trims the log.
#pragma once

#include <mutex>
#include <vector>

#include "log/commit_writer.h"
#include "log/stream_object.h"
#include "objstore/object_store.h"

namespace ms::log {

class Reconciler {
 public:
  Reconciler(const LogOptions& options, ObjectStore& store, CommitWriter& writer, Wal& wal, const View& view, std::string snapshot_path);

  // Everything visible at the start of the call is in stream objects afterwards; WAL segments that are no longer needed
  // are recycled. Thread-safe, one at a time. An error leaves what was done so far; the next call goes on.
  Result<> run();
  // Removes what an earlier process reserved and never finished.
  Result<> remove_orphans();

 private:
  Result<> move_partitions();
  Result<> move(const TopicPartition& p, const PartitionLog& partition);
  Result<> flush();
  Result<uint64_t> object_id();
  Result<> trim();

  const LogOptions& options_;
  ObjectStore& store_;
  CommitWriter& writer_;
  Wal& wal_;
  const View& view_;
  const std::string snapshot_path_;
  std::mutex mutex_;
  std::vector<uint64_t> spare_ids_;
  std::optional<ObjectBuilder> object_;
};

}  // namespace ms::log
