// Law L5: applying A and then taking back R, a part of A, gives the state of A without R.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "base/crc32c.h"
#include "feature/state_worlds.h"

namespace ms::feature::testing {
namespace {

using Position = std::pair<int32_t, int64_t>;

// The window, or the bounded one that is most like it.
Window bounded(Window w) {
  w.closed = false;
  if (w.kind == WindowKind::kLifetime) return sliding(7 * kDay);
  if (w.kind == WindowKind::kLast && w.length_us == 0) w.length_us = 3 * kHour;
  return w;
}

// Some events are taken back: once, twice, not at all because the key, the time or the position is another's, and retractions too.
World retracting_world(uint64_t seed, std::optional<Cell> cell = {}) {
  World w = some_world(seed, cell);
  Rng rng(seed ^ 7);
  for (FeatureSpec& s : w.specs) s.window = bounded(s.window);
  std::vector<Event> events;
  std::array<int64_t, 2> next{};
  const auto append = [&](Event e) {
    e.offset = next[static_cast<size_t>(e.partition)]++;
    events.push_back(std::move(e));
  };
  for (const Event& e : w.events) {
    append(e);
    while (rng.below(3) == 0) {
      const Event& taken = events[events.size() - 1 - rng.below(std::min<size_t>(events.size(), 40))];
      Event back = taken;
      back.at = e.at, back.retracts = taken.offset;
      if (rng.below(16) == 0) ++back.et;
      if (rng.below(16) == 0) back.key = std::string(1, static_cast<char>('a' + rng.below(3)));
      if (rng.below(16) == 0) back.retracts = static_cast<int64_t>(rng.below(static_cast<uint64_t>(next[static_cast<size_t>(back.partition)])));
      for (ScalarValue& argument : back.arguments)
        if (rng.below(4) == 0) argument = {};
      back.filters = {static_cast<uint8_t>(rng.below(2)), static_cast<uint8_t>(rng.below(2))};
      append(std::move(back));
    }
  }
  w.events = std::move(events);
  return w;
}

struct Left {
  World world;                 // without retractions and what they take back
  uint64_t taken = 0, unknown = 0;
};
Left without_retracted(const World& w) {
  std::map<Position, const Event*> there;
  Left out{.world = w};
  for (const Event& e : w.events) {
    if (e.retracts == PreparedRows::kEvent) {
      there[{e.partition, e.offset}] = &e;
      continue;
    }
    const auto named = there.find({e.partition, e.retracts});
    if (named == there.end() || named->second->key != e.key || named->second->et != e.et) {
      ++out.unknown;
      continue;
    }
    there.erase(named);
    ++out.taken;
  }
  std::erase_if(out.world.events, [&](const Event& e) { return e.retracts != PreparedRows::kEvent || !there.contains({e.partition, e.offset}); });
  return out;
}

// Any order in which a retraction comes after what it names.
std::vector<Event> some_order(const World& w, Rng& rng) {
  std::vector<Event> shuffled = w.events, out;
  for (size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[rng.below(i)]);
  std::set<Position> arrived;
  std::multimap<Position, Event> waiting;
  const std::function<void(const Event&)> arrive = [&](const Event& e) {
    out.push_back(e);
    arrived.insert({e.partition, e.offset});
    const auto [first, last] = waiting.equal_range({e.partition, e.offset});
    std::vector<Event> now;
    for (auto it = first; it != last; ++it) now.push_back(it->second);
    waiting.erase(first, last);
    for (const Event& next : now) arrive(next);
  };
  for (const Event& e : shuffled) {
    if (e.retracts != PreparedRows::kEvent && !arrived.contains({e.partition, e.retracts})) waiting.insert({{e.partition, e.retracts}, e});
    else arrive(e);
  }
  return out;
}

std::unique_ptr<ViewState> applied_in_order(const World& w) {
  auto state = ViewState::make(w.specs, true);
  for (const Event& e : w.events) apply_events(*state, kTypes, {&e, 1}, e.at);
  return state;
}

// Questions, maintenance and restarts between; null: a checkpoint could not be read.
std::unique_ptr<ViewState> applied_somehow(const World& w, const std::vector<Event>& events, int64_t until, Rng& rng) {
  auto state = ViewState::make(w.specs, true);
  int64_t now = rng.below(3) == 0 ? until : std::min(until, events.front().at);
  for (const Event& e : events) {
    if (now < until) now += static_cast<int64_t>(rng.below(static_cast<uint64_t>(until - now) / 4 + 1));
    apply_events(*state, kTypes, {&e, 1}, now);
    if (rng.below(2) == 0) {
      FeatureRow row;
      const bool after = rng.below(4) == 0;
      state->evaluate_forward(e.key, hash_of(e.key), Instant{now}, after, row);
      RC_ASSERT(show(row, w.specs) == ask(*state, w.specs, e.key, now, after));
    }
    if (rng.below(6) == 0) state->maintain(Instant{now}, 10);
    if (rng.below(8) != 0) continue;
    ByteWriter out;
    state->save(out);
    ByteReader in(out.str());
    state = ViewState::make(w.specs, true);
    if (!state->load(in)) return nullptr;
  }
  return state;
}

void expect_law_l5(const World& w, uint64_t seed) {
  Rng rng(seed ^ 3);
  const auto [left, taken, unknown] = without_retracted(w);
  const int64_t until = w.times[rng.below(w.times.size())];
  const auto plain = applied_in_order(left), whole = applied_in_order(w);
  const std::string wanted = export_text(*plain, until);
  RC_ASSERT(export_text(*whole, until) == wanted);
  const auto other = applied_somehow(w, some_order(w, rng), until, rng);
  RC_ASSERT(other != nullptr);
  RC_ASSERT(export_text(*other, until) == wanted);
  for (const int64_t t : w.times) {
    if (t < until) continue;
    RC_ASSERT(all_answers(*whole, w, t) == all_references(left, t));
    RC_ASSERT(all_answers(*other, w, t) == all_references(left, t));
  }
}

RC_GTEST_PROP(Retract, IsAsIfTheRowsHadNeverCome, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  expect_law_l5(retracting_world(seed), seed);
}

// Every aggregate over every type in every window that may be: every run takes the next of them. Sanitizers take twelve times as long,
// and one cell in four.
RC_GTEST_PROP(Retract, EveryCellIsAsIfTheRowsHadNeverCome, ()) {
#ifdef MS_SANITIZED
  constexpr size_t kRuns = 400;
#else
  constexpr size_t kRuns = 100;
#endif
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  static const std::vector<Cell> cells = every_cell();
  static size_t next = seed % cells.size();
  for (size_t i = 0; i <= cells.size() / kRuns; ++i) expect_law_l5(retracting_world(seed + i, cells[next++ % cells.size()]), seed + i);
}

RC_GTEST_PROP(Retract, ForwardQuestionsBetweenAreTheSameBits, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const World w = retracting_world(seed);
  const auto state = ViewState::make(w.specs, true);
  Rng rng(seed);
  int64_t t = INT64_MIN;
  World so_far = w;
  so_far.events.clear();
  for (const Event& e : w.events) {
    t = std::max(t, e.at);
    apply_events(*state, kTypes, {&e, 1}, t);
    so_far.events.push_back(e);
    const bool after = rng.below(4) == 0;
    FeatureRow row;
    state->evaluate_forward(e.key, hash_of(e.key), Instant{t}, after, row);
    RC_ASSERT(show(row, w.specs) == reference(w.specs, without_retracted(so_far).world.events, e.key, t, after));
    if (rng.below(16) == 0) state->maintain(Instant{t}, 2);
  }
}

// A bad checkpoint under a good CRC: whatever it decodes to, taking rows back does not crash.
TEST(Retract, NonsenseUnderAGoodCrcDoesNotCrash) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const World w = retracting_world(seed);
    ByteWriter out;
    applied_in_order(w)->save(out);
    Rng rng(seed);
    for (int round = 0; round < 50; ++round) {
      std::string bytes = out.str();
      for (uint64_t flips = 1 + rng.below(3); flips > 0; --flips) bytes[13 + rng.below(bytes.size() - 17)] ^= static_cast<char>(1 << rng.below(8));
      store_le(bytes.data() + bytes.size() - 4, crc32c({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size() - 4}));
      const auto state = ViewState::make(w.specs, true);
      ByteReader in(bytes);
      if (!state->load(in)) continue;
      for (const Event& e : w.events) {
        Event back = e;
        back.retracts = e.offset;
        apply_events(*state, kTypes, {&back, 1}, w.times.front());
      }
      all_answers(*state, w, w.times.back());
      state->maintain(Instant{w.times.back()}, 10);
    }
  }
}

Event payment(int64_t offset, int64_t et, int64_t amount) {
  return {.key = "u", .et = et, .at = et, .offset = offset, .arguments = {amount}, .filters = {}};
}
Event reversal(int64_t offset, const Event& of) {
  Event out = of;
  out.offset = offset, out.retracts = of.offset, out.arguments = {ScalarValue{}};
  return out;
}

TEST(Retract, TheMaximumIsTheNextOne) {
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kMax, sliding(kHour), 0), spec(AggregateKind::kCount, sliding(kHour))};
  const auto state = ViewState::make(specs, true);
  const std::vector<Event> events = {payment(0, kMinute, 5), payment(1, 2 * kMinute, 9)};
  apply_events(*state, {TypeKind::kInt64}, events, 3 * kMinute);
  EXPECT_EQ(ask(*state, specs, "u", 3 * kMinute)[1], "PRESENT 9 @120000000");
  const std::vector<Event> back = {reversal(2, events[1]), reversal(3, events[1])};
  const AppliedRows became = apply_events(*state, {TypeKind::kInt64}, back, 3 * kMinute);
  EXPECT_EQ(became.retracted, 1u);
  EXPECT_EQ(became.retracted_unknown, 1u);  // twice is once
  EXPECT_EQ(ask(*state, specs, "u", 3 * kMinute), (std::vector<std::string>{"found", "PRESENT 5 @60000000", "PRESENT 1 @60000000"}));
}

// Ahead of the clock, in a tile, and the last row of its entity.
TEST(Retract, RowsThatWaitAndLastRowsGoToo) {
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kSum, sliding(kHour), 0)};
  const auto state = ViewState::make(specs, true);
  const Event waits = payment(0, 10 * kMinute, 1), passed = payment(1, kMinute, 2);
  apply_events(*state, {TypeKind::kInt64}, std::vector{waits, passed}, 5 * kMinute);
  EXPECT_EQ(apply_events(*state, {TypeKind::kInt64}, std::vector{reversal(2, waits)}, 5 * kMinute).retracted, 1u);
  EXPECT_EQ(ask(*state, specs, "u", 20 * kMinute)[1], "PRESENT 2 @60000000");
  EXPECT_EQ(apply_events(*state, {TypeKind::kInt64}, std::vector{reversal(3, passed)}, 20 * kMinute).retracted, 1u);
  EXPECT_EQ(ask(*state, specs, "u", 20 * kMinute), (std::vector<std::string>{"not found", "EMPTY_WINDOW null"}));
  EXPECT_EQ(export_text(*state, 20 * kMinute), "");
}

TEST(Retract, BeyondTheHorizonNothingHappens) {
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kSum, sliding(kHour), 0)};
  const auto state = ViewState::make(specs, true);
  const Event old = payment(0, kMinute, 1);
  apply_events(*state, {TypeKind::kInt64}, std::vector{old}, 5 * kMinute);
  const AppliedRows became = apply_events(*state, {TypeKind::kInt64}, std::vector{reversal(1, old)}, 10 * kHour);
  EXPECT_EQ(became.beyond_horizon, 1u);
  EXPECT_EQ(became.retracted + became.retracted_unknown, 0u);
}

}  // namespace
}  // namespace ms::feature::testing
