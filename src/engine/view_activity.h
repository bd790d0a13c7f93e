// What a view has been taking in lately: for people who look at it. Counted per chunk, beside the path of the rows.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/rng.h"
#include "engine/hot_keys.h"
#include "feature/view_program.h"
#include "feature/view_state.h"

namespace ms::engine {

// Rows per second over the last seconds.
class RowRate {
 public:
  static constexpr int64_t kSeconds = 64;
  void add(int64_t now_us, uint64_t rows);
  // Over the whole seconds [now - seconds, now); seconds < kSeconds.
  double per_second(int64_t now_us, int64_t seconds) const;

 private:
  struct Second {
    int64_t number = -1;
    uint64_t rows = 0;
  };
  std::array<Second, kSeconds> ring_{};
};

struct ActivityReport {
  uint64_t late = 0;  // rows whose event time lies before that of an earlier row of their partition, but for retractions
  double rows_per_second_10s = 0, rows_per_second_60s = 0;
  std::vector<HotKey> hottest;   // by the least they can have; only keys that the sketch is at least half sure of
  uint64_t hottest_of_rows = 0;  // so many rows the counts are about
  uint64_t sampled_one_in = 1;   // the step at which rows are looked at by now
};

// Thread-safe.
class ViewActivity {
 public:
  void note(const feature::PreparedRows& rows, int64_t now_us);
  ActivityReport report(int64_t now_us, size_t keys_most) const;

 private:
  static constexpr uint64_t kAllUpTo = 1u << 14, kStep = 256;  // rows: each of the first so many, then one in kStep
  void count_late(const feature::PreparedRows& rows);
  void sample_keys(const feature::PreparedRows& rows);

  mutable std::mutex mutex_;
  std::map<int32_t, int64_t> newest_us_;  // by partition
  uint64_t late_ = 0, seen_ = 0;
  uint64_t skip_ = 0;  // rows until the next step begins
  Rng rng_{kStep};     // which row of a step is looked at: a stream may have a rhythm of its own
  RowRate rate_;
  HotKeys keys_;
};

struct ViewCounters {
  std::atomic<uint64_t> applied{0}, beyond_horizon{0}, filtered{0}, null_keys{0}, retracted{0}, retracted_unknown{0};
  ViewActivity activity;
  // `became` of these rows. Retractions are no applied rows.
  void add(const feature::PreparedRows& rows, const feature::AppliedRows& became, int64_t now_us) {
    applied += rows.rows - became.beyond_horizon - became.retracted - became.retracted_unknown;
    beyond_horizon += became.beyond_horizon;
    retracted += became.retracted;
    retracted_unknown += became.retracted_unknown;
    filtered += rows.filtered;
    null_keys += rows.null_keys;
    activity.note(rows, now_us);
  }
};

}  // namespace ms::engine
