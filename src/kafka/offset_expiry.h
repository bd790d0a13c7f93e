// Which committed offsets have expired (KIP-211). Pure: what is committed, who uses the group and the time go in.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "log/log.h"

namespace ms::kafka {

// Who uses the offsets of a group.
struct GroupUse {
  enum class Members : uint8_t {
    kNone,     // since `empty_since_ms`, or earlier
    kSome,     // `subscribed` are the topics that any of them subscribes to
    kUnclear,  // in a rebalance, not known to be consumers, or perhaps not back after a restart: nothing expires
  };
  Members members = Members::kUnclear;
  int64_t empty_since_ms = 0;
  std::set<TopicId> subscribed = {};
};

struct ExpiryTime {
  int64_t now_ms = 0;
  int64_t retention_ms = 0;  // offsets.retention.minutes
};

using CommittedOffsets = std::map<log::OffsetKey, log::CommittedOffset>;

// Without members an offset expires when both the group has been empty and the offset has been left alone for the retention.
// With members those that nobody subscribes to expire by their commits. A time that a commit named itself stands in the place of
// both. `pending`: an open transaction has an offset for it, so it stays.
CommittedOffsets expired_offsets(const CommittedOffsets& committed, const std::set<log::OffsetKey>& pending, const GroupUse& use, const ExpiryTime& time);

// The time that OffsetCommit 2 to 4 name by how long they want it kept; negative: as long as the server keeps offsets.
std::optional<int64_t> expire_time_of(int64_t retention_time_ms, int64_t now_ms);

}  // namespace ms::kafka
