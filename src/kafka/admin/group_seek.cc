#include "kafka/admin/group_seek.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kafka/admin/admin_error.h"
#include "kafka/error_code.h"
#include "kafka/messages/offset_commit.h"

namespace ms::kafka {

namespace {

constexpr int16_t kOffsetCommitByName = 9;  // from version 10 on topics are ids

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

Result<int64_t> to_int(std::string_view digits) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return invalid("not a number");
  return value;
}

// A commit from outside is refused with what a stranger among members is told.
bool has_members(int16_t error_code) {
  constexpr ErrorCode kTold[] = {ErrorCode::kUnknownMemberId, ErrorCode::kIllegalGeneration, ErrorCode::kRebalanceInProgress, ErrorCode::kStaleMemberEpoch};
  return std::ranges::find(kTold, static_cast<ErrorCode>(error_code)) != std::end(kTold);
}

}  // namespace

Result<SeekTarget> parse_seek_target(const std::string& text) {
  if (text == "start") return SeekToStart{};
  if (text == "end") return SeekToEnd{};
  if (text.starts_with('+') || text.starts_with('-')) {
    const auto records = to_int(text.starts_with('+') ? std::string_view(text).substr(1) : std::string_view(text));
    if (records && text != "+" && !text.starts_with("+-")) return SeekBy{*records};
  } else if (const auto offset = to_int(text); offset) {
    return SeekToOffset{*offset};
  } else if (const auto time = parse_time(text); time) {
    // Rounded up: a record within the same millisecond may be older than the instant that was named.
    return SeekToTime{std::max<int64_t>(*time / kMicrosPerMilli + (*time % kMicrosPerMilli > 0 ? 1 : 0), 0)};
  }
  return invalid(fmt::format("--to '{}' is none of start, end, +N, -N, an offset, or a time such as 2026-01-01T00:00:00Z", text));
}

Result<int64_t> seek_offset(const SeekTarget& target, const PartitionPosition& now, int64_t by_time) {
  const auto within = [&](int64_t offset) { return std::clamp(offset, now.log_start, now.log_end); };
  return std::visit(Overloaded{[&](const SeekToStart&) -> Result<int64_t> { return now.log_start; },
                               [&](const SeekToEnd&) -> Result<int64_t> { return now.log_end; },
                               [&](const SeekToTime&) -> Result<int64_t> { return by_time < 0 ? now.log_end : within(by_time); },
                               [&](const SeekToOffset& to) -> Result<int64_t> { return within(to.offset); },
                               [&](const SeekBy& by) -> Result<int64_t> {
                                 if (now.committed < 0) return invalid("nothing is committed that +N or -N could start from; use --to start, end, a time or an offset");
                                 int64_t moved = 0;
                                 const bool over = __builtin_add_overflow(now.committed, by.records, &moved);
                                 return over ? (by.records < 0 ? now.log_start : now.log_end) : within(moved);
                               }},
                    target);
}

Result<SeekPlan> plan_seek(AdminClient& client, const Positions& now, const SeekTarget& target) {
  std::map<PartitionName, int64_t> by_time;
  if (const auto* time = std::get_if<SeekToTime>(&target)) {
    std::set<PartitionName> partitions;
    for (const auto& [p, _] : now) partitions.insert(p);
    TRY_ASSIGN(by_time, list_offsets(client, partitions, time->ms));
  }
  SeekPlan plan;
  for (const auto& [p, position] : now) {
    const std::string where = fmt::format("partition {} of topic '{}'", p.second, p.first);
    if (position.log_end < 0) return not_found(where + " does not exist any more; choose others with --topics");
    const auto found = by_time.find(p);
    auto offset = seek_offset(target, position, found == by_time.end() ? -1 : found->second);
    if (!offset) return Unexpected(offset.error().within(where));
    plan[p] = *offset;
  }
  return plan;
}

Result<> commit_seek(AdminClient& client, const std::string& group, const SeekPlan& plan) {
  OffsetCommitRequest request{.group_id = group};
  for (const auto& [p, offset] : plan)
    partitions_in(request.topics, p.first).push_back({.partition_index = p.second, .committed_offset = offset, .committed_metadata = ""});
  TRY_ASSIGN(const auto answer, client.call<OffsetCommitResponse>(request, kOffsetCommitByName));
  for (const auto& topic : answer.topics) {
    for (const auto& p : topic.partitions) {
      if (has_members(p.error_code))
        return fail(ErrorKind::kConflict, fmt::format("group '{}' has members; stop its consumers first, or they would commit over it", group));
      TRY(check(p.error_code, fmt::format("group '{}', partition {} of topic '{}'", group, p.partition_index, topic.name)));
    }
  }
  return {};
}

}  // namespace ms::kafka
