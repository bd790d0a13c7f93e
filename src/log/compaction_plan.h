// Whether a partition is to be compacted, and how far. Pure.
#pragma once

#include <optional>
#include <vector>

#include "log/partition_log.h"
#include "log/topic_config.h"

namespace ms::log {

// Below `dirty` no two records have one key; from there on to `end` they may.
struct CompactionPlan {
  Offset dirty, end;
};

// What may be compacted ends at the first run that is not wholly below the last stable offset, or whose last record is younger
// than min.compaction.lag.ms. It is time when more than min.cleanable.dirty.ratio of its bytes are not compacted, or when
// they are older than max.compaction.lag.ms. Ages go by append time. nullopt: not now.
std::optional<CompactionPlan> plan_compaction(const std::vector<RunRef>& runs, Offset last_stable, const TopicSettings& settings, int64_t now_us);

}  // namespace ms::log
