#include "log/compaction_plan.h"

namespace ms::log {
namespace {

// Where records begin that were never compared; runs that a compaction has reached come first.
Offset first_dirty(const std::vector<RunRef>& runs) {
  for (const RunRef& ref : runs)
    if (ref.run.compacted_until() != ref.run.next) return ref.run.compacted_until();
  return runs.back().run.next;
}

int64_t age_ms(const ObjectRun& run, int64_t now_us) { return (now_us - run.last_append_us) / kMicrosPerMilli; }

}  // namespace

std::optional<CompactionPlan> plan_compaction(const std::vector<RunRef>& runs, Offset last_stable, const TopicSettings& settings, int64_t now_us) {
  if (!settings.compacts || runs.empty()) return std::nullopt;
  const Offset dirty = first_dirty(runs);
  Offset end = runs.front().run.base;
  double clean_bytes = 0, dirty_bytes = 0;
  bool overdue = false;
  for (const auto& [object, run] : runs) {
    if (run.next > last_stable || age_ms(run, now_us) < settings.min_compaction_lag_ms) break;
    end = run.next;
    const auto bytes = static_cast<double>(run.bytes);
    if (run.next <= dirty) {
      clean_bytes += bytes;
      continue;
    }
    dirty_bytes += bytes;
    overdue = overdue || age_ms(run, now_us) > settings.max_compaction_lag_ms;
  }
  if (end <= dirty) return std::nullopt;
  if (!overdue && dirty_bytes <= settings.min_cleanable_dirty_ratio * (clean_bytes + dirty_bytes)) return std::nullopt;
  return CompactionPlan{dirty, end};
}

}  // namespace ms::log
