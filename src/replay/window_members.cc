#include "replay/window_members.h"

#include <algorithm>

#include "base/int128.h"

namespace ms::replay {
namespace {

int128 apart(int64_t later, int64_t earlier) { return static_cast<int128>(later) - earlier; }

Members last_rows(const feature::Window& window, std::span<const int64_t> event_times, int64_t t) {
  const size_t n = event_times.size();
  Members out{n - std::min(n, static_cast<size_t>(window.count)), n};
  while (window.length_us != 0 && out.first < n && apart(t, event_times[out.first]) > window.length_us) ++out.first;
  return out;
}

// The run that ends before place `end`.
Members run_before(std::span<const int64_t> event_times, size_t end, int64_t gap) {
  Members out{end, end};
  if (end == 0) return out;
  for (--out.first; out.first > 0 && apart(event_times[out.first], event_times[out.first - 1]) <= gap; --out.first) {}
  return out;
}

}  // namespace

Members members_of(const feature::Window& window, std::span<const int64_t> event_times, int64_t t) {
  if (window.kind == feature::WindowKind::kLast) return last_rows(window, event_times, t);
  const int64_t gap = window.hop_us;
  const Members newest = run_before(event_times, event_times.size(), gap);
  const bool is_open = newest.first < newest.last && apart(t, event_times[newest.last - 1]) <= gap;
  if (is_open != window.closed) return is_open ? newest : Members{newest.last, newest.last};
  return is_open ? run_before(event_times, newest.first, gap) : newest;
}

}  // namespace ms::replay
