// The apply timeline: which offsets each shard had applied at each publish instant (docs/formats/timeline.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/types.h"

namespace ms::engine {

using OffsetVector = std::map<TopicPartition, Offset>;  // exclusive: everything below is applied

struct TimelineGap {
  Instant begin, end;  // [begin, end): nothing is known about what was applied
};

// What one shard had applied at some instant.
struct Cut {
  uint64_t publish = 0;  // number of the publish; 0: before the first one
  OffsetVector applied;
};

// Read side: works on a directory with or without a running server. Thread-safe.
class TimelineReader {
 public:
  static Result<std::unique_ptr<TimelineReader>> open(FileSystem& fs, const std::string& dir);
  virtual ~TimelineReader() = default;

  // The number of shards in force at `t`. kNotFound before the timeline begins.
  virtual Result<uint32_t> shards_at(Instant t) const = 0;
  // The newest publish of `shard` with instant <= t. nullopt: t lies in a gap or beyond synced_until().
  virtual Result<std::optional<Cut>> cut_at(uint32_t shard, Instant t) const = 0;
  virtual const std::vector<TimelineGap>& gaps() const = 0;
  // From when on view `name` at `version` answers as_served; nullopt: it never joined.
  virtual std::optional<Instant> joined_at(const std::string& name, uint32_t version) const = 0;
  virtual Instant synced_until() const = 0;
};

}  // namespace ms::engine
