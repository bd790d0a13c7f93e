#include "log/merge_plan.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace ms::log {
namespace {

constexpr int kSizeClassBits = 3;
constexpr int64_t kSlack = 10;  // a run is at most this part of what retention keeps

int size_class(uint64_t bytes) { return static_cast<int>(std::bit_width(bytes)) / kSizeClassBits; }

int64_t part_of(int64_t whole) { return whole < 0 ? std::numeric_limits<int64_t>::max() : whole / kSlack; }

int64_t saturated_us(int64_t ms) {
  int64_t us = 0;
  return __builtin_mul_overflow(ms, kMicrosPerMilli, &us) ? std::numeric_limits<int64_t>::max() : us;
}

}  // namespace

std::vector<uint64_t> choose_merge(const std::map<uint64_t, LiveObject>& objects, const MergeLimits& limits) {
  struct Candidate {
    std::vector<uint64_t> objects;
    uint64_t bytes = 0;
    size_t runs = 0;
    bool full = false;
  };
  std::map<int, Candidate> by_size;
  for (const auto& [object, live] : objects) {
    if (live.bytes > limits.object_bytes / 2 || live.runs > limits.runs / 2) continue;
    Candidate& candidate = by_size[size_class(live.bytes)];
    candidate.full = candidate.full || candidate.bytes + live.bytes > limits.object_bytes || candidate.runs + live.runs > limits.runs;
    if (candidate.full) continue;
    candidate.objects.push_back(object);
    candidate.bytes += live.bytes;
    candidate.runs += live.runs;
  }
  for (const auto& [size, candidate] : by_size)
    if (candidate.full || candidate.objects.size() >= kMergeObjectsMin) return candidate.objects;
  return {};
}

RunLimits run_limits(const TopicSettings& settings) {
  return {.bytes = std::min(settings.segment_bytes, part_of(settings.retention_bytes)),
          .span_us = saturated_us(std::min(settings.segment_ms, part_of(settings.retention_ms)))};
}

OpenRun open_run(const RunDirectory& run) {
  return {.of = run.run.of, .end = run.run.next, .bytes = static_cast<int64_t>(run.run.bytes), .since = run.times.front().at,
          .compacted = run.run.compacted_until() == run.run.next};
}

bool continues(const OpenRun& run, const ObjectRun& next, const RunLimits& limits) {
  return next.of == run.of && next.base == run.end && (run.compacted || next.compacted == 0) && run.bytes + static_cast<int64_t>(next.bytes) <= limits.bytes &&
         next.last_append_us - run.since.us <= limits.span_us;
}

}  // namespace ms::log
