// Which stream objects become one, and which runs of a partition become one in it. Pure.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "log/partition_log.h"
#include "log/stream_object.h"
#include "log/topic_config.h"

namespace ms::log {

// What is still wanted of an object.
struct LiveObject {
  uint64_t bytes = 0;
  size_t runs = 0;
};

struct MergeLimits {
  uint64_t object_bytes = 0;  // an object with more than half of it is left alone
  size_t runs = 0;            // of all objects that become one: they are named in one command
};

// Objects of about one size (within a factor of 8), oldest first: at least kMergeObjectsMin of them, or as many as fill an
// object. None: nothing is worth it. So a byte is written again once per factor of 8 between a small object and a full one.
inline constexpr size_t kMergeObjectsMin = 8;
std::vector<uint64_t> choose_merge(const std::map<uint64_t, LiveObject>& objects, const MergeLimits& limits);

// Retention takes runs whole, so a run spans at most segment.ms and a tenth of retention.ms, and at most segment.bytes and a
// tenth of retention.bytes: what is merged is kept that much longer than asked, no more.
struct RunLimits {
  int64_t bytes = 0;
  int64_t span_us = 0;
};
RunLimits run_limits(const TopicSettings& settings);
// Whether `next` can continue the run that ends at `end`, has `bytes` and began at `since`.
struct OpenRun {
  TopicPartition of;
  Offset end;
  int64_t bytes = 0;
  AppendTime since;
  bool compacted = false;  // to its end
};
OpenRun open_run(const RunDirectory& run);
bool continues(const OpenRun& run, const ObjectRun& next, const RunLimits& limits);

}  // namespace ms::log
