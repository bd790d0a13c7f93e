// B3: what an event costs with a row of answers out at its own time (the event included), on one core, against the length of the
// window and the number of features. The state alone: no JSON, no log, which would make any difference look smaller.
//
//   bench_b3 EVENTS USERS ROUNDS [CASE]
//
// The events lie in 180 days, Zipf over the users, none late. Rounds go through all cases in turn. Prints one JSON line per case and
// round; "equal": the rows of every 101st user equal a plain recomputation from that user's events.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "bench/src/event_rows.h"
#include "bench/src/measure.h"

namespace ms::bench {
namespace {

using feature::AggregateKind;

constexpr int64_t kMinute = kMicrosPerMinute, kHour = kMicrosPerHour, kDay = kMicrosPerDay;
constexpr int64_t kSpanDays = 180;
constexpr int64_t kChecked = 101;

struct Case {
  std::string name;
  std::vector<AggregateKind> aggregates;
  std::vector<int64_t> lengths_us;
};

std::vector<Case> cases() {
  const std::vector<AggregateKind> four = {AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kMin, AggregateKind::kMax};
  std::vector<AggregateKind> five = four;
  five.push_back(AggregateKind::kAvg);
  const auto one = [&](const char* name, int64_t length) { return Case{name, four, {length}}; };
  return {one("10m", 10 * kMinute), one("1h", kHour), one("6h", 6 * kHour), one("24h", kDay), one("7d", 7 * kDay), one("30d", 30 * kDay), one("90d", 90 * kDay),
          {"5 features", five, {kDay}},
          {"20 features", five, {kHour, kDay, 7 * kDay, 30 * kDay}},
          {"100 features", five, {10 * kMinute, 20 * kMinute, 30 * kMinute, 45 * kMinute, kHour, 2 * kHour, 3 * kHour, 6 * kHour, 9 * kHour, 12 * kHour,
                                  kDay, 2 * kDay, 3 * kDay, 5 * kDay, 7 * kDay, 14 * kDay, 21 * kDay, 30 * kDay, 60 * kDay, 90 * kDay}}};
}

bool is_checked(int64_t user) { return user % kChecked == 4711 % kChecked; }  // 4711 is the hottest user

// A sum over rows, so that it does not depend on their order.
uint64_t add_row(uint64_t sum, int64_t offset, std::span<const int64_t> values) {
  uint64_t row = mix(77, offset);
  for (const int64_t v : values) row = mix(row, v);
  return sum + row;
}

struct Cost {
  double cpu_s = 0;
  uint64_t checksum = 0;  // of the checked users' rows
};

// avg is left out of the checksum: it is sum and count again.
Cost run_case(const Case& c, const std::vector<Event>& events) {
  const auto state = feature::ViewState::make(features_of(c.aggregates, c.lengths_us));
  EventRows rows;
  Answers answers(c.aggregates.size() * c.lengths_us.size());
  std::vector<int64_t> values;
  Cost out;
  for (size_t i = 0; i < events.size(); i += EventRows::kMost) {
    const size_t n = std::min(EventRows::kMost, events.size() - i);
    rows.clear();
    for (size_t k = i; k < i + n; ++k) rows.add(events[k].user, events[k].ts_ms * 1000, events[k].amount, static_cast<int64_t>(k));
    const feature::PreparedRows& prepared = rows.rows();
    const double start = process_cpu_seconds();
    state->apply(prepared, rows.all(), {events[i].ts_ms * 1000});
    for (size_t k = 0; k < n; ++k)
      state->evaluate_forward(prepared.keys[k], prepared.table_hashes[k], {prepared.event_times_us[k]}, true, answers.columns(), k);
    state->finish_forward(answers.columns());
    state->maintain({prepared.event_times_us[n - 1]}, EventRows::kMost / 16);
    out.cpu_s += process_cpu_seconds() - start;
    for (size_t k = 0; k < n; ++k) {
      if (!is_checked(events[i + k].user)) continue;
      values.clear();
      for (size_t f = 0; f < c.aggregates.size() * c.lengths_us.size(); ++f)
        if (c.aggregates[f % c.aggregates.size()] != AggregateKind::kAvg) values.push_back(answers.is_null(f, k) ? -1 : answers.integer(f, k));
      out.checksum = add_row(out.checksum, static_cast<int64_t>(i + k), values);
    }
  }
  return out;
}

// One window over one user's events, which come in the order of their times.
struct PlainWindow {
  int64_t length_us;
  std::deque<Event> events{};
  std::multiset<int64_t> amounts{};
  int64_t sum = 0;

  void add(const Event& e, std::vector<int64_t>& out) {
    const int64_t hop = feature::ladder_hop(length_us), tail_ms = (e.ts_ms * 1000 - length_us) / hop * hop / 1000;
    events.push_back(e), amounts.insert(e.amount), sum += e.amount;
    for (; events.front().ts_ms < tail_ms; events.pop_front()) sum -= events.front().amount, amounts.erase(amounts.find(events.front().amount));
    for (const int64_t v : {static_cast<int64_t>(events.size()), sum, *amounts.begin(), *amounts.rbegin()}) out.push_back(v);
  }
};

uint64_t reference(const Case& c, const std::vector<Event>& events) {
  std::map<int64_t, std::vector<PlainWindow>> users;
  std::vector<int64_t> values;
  uint64_t sum = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    if (!is_checked(events[i].user)) continue;
    auto& windows = users[events[i].user];
    if (windows.empty())
      for (const int64_t length : c.lengths_us) windows.push_back({length});
    values.clear();
    for (PlainWindow& w : windows) w.add(events[i], values);
    sum = add_row(sum, static_cast<int64_t>(i), values);
  }
  return sum;
}

int run(uint64_t count, uint64_t users, int rounds, std::string_view only) {
  const EventSource source({.users = users, .span_ms = kSpanDays * kDay / 1000, .events = count, .late_percent = 0});
  std::vector<Event> events;
  for (uint64_t i = 0; i < count; ++i) events.push_back(source.event(i));
  std::vector<uint64_t> expected;
  for (const Case& c : cases()) expected.push_back(reference(c, events));
  bool all_equal = true;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; const Case& c : cases()) {
      const uint64_t wanted = expected[i++];
      if (!only.empty() && c.name != only) continue;
      const Cost cost = run_case(c, events);
      const bool equal = cost.checksum == wanted;
      fmt::print("{{\"case\": \"{}\", \"ns\": {:.1f}, \"equal\": {}}}\n", c.name, cost.cpu_s / static_cast<double>(count) * 1e9, equal);
      std::fflush(stdout);
      all_equal &= equal;
    }
  }
  return all_equal ? 0 : 1;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return std::fprintf(stderr, "usage: bench_b3 EVENTS USERS ROUNDS [CASE]\n"), 2;
  return ms::bench::run(std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]), argc == 5 ? argv[4] : "");
}
