// Moving a group's committed offsets.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "kafka/admin/group_admin.h"

namespace ms::kafka {

struct SeekToStart {};
struct SeekToEnd {};
struct SeekToTime {
  int64_t ms = 0;  // the first record whose timestamp is at or after it; none: the end
};
struct SeekToOffset {
  int64_t offset = 0;
};
struct SeekBy {
  int64_t records = 0;
};
using SeekTarget = std::variant<SeekToStart, SeekToEnd, SeekToTime, SeekToOffset, SeekBy>;

// "start", "end", "+10", "-10", "1234", "2026-01-01T00:00:00Z". Errors: InvalidArgument.
Result<SeekTarget> parse_seek_target(const std::string& text);

// Where a partition is to be read from, within what its log holds. `by_time`: what the log found for SeekToTime, -1 for none.
// Errors: InvalidArgument for SeekBy when nothing is committed.
Result<int64_t> seek_offset(const SeekTarget& target, const PartitionPosition& now, int64_t by_time);

using SeekPlan = std::map<PartitionName, int64_t>;  // the new offset of each partition

// Decides for every partition of `now`. Errors: kNotFound (a partition is gone), those of seek_offset.
Result<SeekPlan> plan_seek(AdminClient& client, const Positions& now, const SeekTarget& target);
// Errors: kConflict when the group has members; then nothing was moved.
Result<> commit_seek(AdminClient& client, const std::string& group, const SeekPlan& plan);

}  // namespace ms::kafka
