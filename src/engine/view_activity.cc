#include "engine/view_activity.h"

#include <algorithm>

#include "base/types.h"

namespace ms::engine {

void RowRate::add(int64_t now_us, uint64_t rows) {
  const int64_t second = now_us / kMicrosPerSecond;
  Second& at = ring_[static_cast<size_t>(second % kSeconds)];
  if (at.number != second) at = {second, 0};
  at.rows += rows;
}

double RowRate::per_second(int64_t now_us, int64_t seconds) const {
  const int64_t now = now_us / kMicrosPerSecond;
  uint64_t rows = 0;
  for (const Second& s : ring_)
    if (s.number >= now - seconds && s.number < now) rows += s.rows;
  return static_cast<double>(rows) / static_cast<double>(seconds);
}

void ViewActivity::count_late(const feature::PreparedRows& rows) {
  int64_t& newest = newest_us_.try_emplace(rows.partition, INT64_MIN).first->second;
  int64_t latest = newest;
  uint64_t late = 0;
  for (size_t i = 0; i < rows.rows; ++i) {
    if (!rows.retracts.empty() && rows.retracts[i] != feature::PreparedRows::kEvent) continue;
    late += rows.event_times_us[i] < latest ? 1 : 0;
    latest = rows.event_times_us[i] > latest ? rows.event_times_us[i] : latest;
  }
  newest = latest;
  late_ += late;
}

void ViewActivity::sample_keys(const feature::PreparedRows& rows) {
  if (seen_ < kAllUpTo) {
    for (size_t i = 0; i < rows.rows; ++i) keys_.add(rows.keys[i], rows.table_hashes[i], 1);
    return;
  }
  size_t i = skip_;
  for (; i < rows.rows; i += kStep) {
    const size_t row = i + rng_.below(std::min<uint64_t>(kStep, rows.rows - i));
    keys_.add(rows.keys[row], rows.table_hashes[row], kStep);
  }
  skip_ = i - rows.rows;  // the step goes on over the end of a chunk
}

void ViewActivity::note(const feature::PreparedRows& rows, int64_t now_us) {
  if (rows.rows == 0) return;
  const std::scoped_lock lock(mutex_);
  count_late(rows);
  rate_.add(now_us, rows.rows);
  sample_keys(rows);
  seen_ += rows.rows;
}

ActivityReport ViewActivity::report(int64_t now_us, size_t keys_most) const {
  const std::scoped_lock lock(mutex_);
  std::vector<HotKey> hottest = keys_.hottest(HotKeys::kKeysKept);
  std::erase_if(hottest, [](const HotKey& key) { return key.error > key.rows_max / 2; });
  std::ranges::sort(hottest, [](const HotKey& a, const HotKey& b) {
    const uint64_t at_least_a = a.rows_max - a.error, at_least_b = b.rows_max - b.error;
    return at_least_a != at_least_b ? at_least_a > at_least_b : a.key < b.key;
  });
  hottest.resize(std::min(hottest.size(), keys_most));
  return {.late = late_,
          .rows_per_second_10s = rate_.per_second(now_us, 10),
          .rows_per_second_60s = rate_.per_second(now_us, 60),
          .hottest = std::move(hottest),
          .hottest_of_rows = keys_.rows(),
          .sampled_one_in = seen_ < kAllUpTo ? 1 : kStep};
}

}  // namespace ms::engine
