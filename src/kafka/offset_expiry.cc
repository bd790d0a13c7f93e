#include "kafka/offset_expiry.h"

#include <algorithm>

namespace ms::kafka {

namespace {

bool is_over(const log::CommittedOffset& offset, const GroupUse& use, const ExpiryTime& time) {
  if (offset.expire_time_ms) return time.now_ms >= *offset.expire_time_ms;
  const bool empty = use.members == GroupUse::Members::kNone;
  const int64_t last_used_ms = empty ? std::max(use.empty_since_ms, offset.commit_time_ms) : offset.commit_time_ms;
  return time.now_ms - last_used_ms >= time.retention_ms;
}

}  // namespace

CommittedOffsets expired_offsets(const CommittedOffsets& committed, const std::set<log::OffsetKey>& pending, const GroupUse& use, const ExpiryTime& time) {
  CommittedOffsets expired;
  if (use.members == GroupUse::Members::kUnclear) return expired;
  for (const auto& [key, offset] : committed) {
    const bool subscribed = use.members == GroupUse::Members::kSome && use.subscribed.contains(key.first);
    if (!subscribed && !pending.contains(key) && is_over(offset, use, time)) expired.emplace(key, offset);
  }
  return expired;
}

std::optional<int64_t> expire_time_of(int64_t retention_time_ms, int64_t now_ms) {
  if (retention_time_ms < 0) return std::nullopt;
  return retention_time_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + retention_time_ms;
}

}  // namespace ms::kafka
