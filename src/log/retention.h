// Which records have been kept long enough. Pure decision, and the task that executes it.
#pragma once

#include "log/commit_writer.h"
#include "log/topic_config.h"
#include "objstore/object_store.h"

namespace ms::log {

// The new log start: behind every leading run whose last append is older than retention.ms, and behind as many as
// retention.bytes asks (a run goes when what remains without it is still at least that much, as in Kafka).
Offset retention_start(const std::vector<RunRef>& runs, Offset log_start, int64_t partition_bytes, const TopicSettings& settings,
                       int64_t now_us);

// Moves log starts, removes objects nobody has needed for the grace time.
Result<> enforce_retention(const LogOptions& options, CommitWriter& writer, const View& view, ObjectStore& store);

}  // namespace ms::log
