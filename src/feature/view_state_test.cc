#include "feature/view_state.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/crc32c.h"
#include "base/rng.h"
#include "base/testing/doc_example.h"
#include "feature/state_worlds.h"

namespace ms::feature::testing {
namespace {

// Applied in log order, each at its append time.
std::unique_ptr<ViewState> whole(const World& w) {
  auto state = ViewState::make(w.specs);
  for (const Event& e : w.events) apply_events(*state, kTypes, {&e, 1}, e.at);
  return state;
}

RC_GTEST_PROP(ViewState, AnswersAreTheReference, ()) {
  const World w = some_world(*rc::gen::arbitrary<uint64_t>());
  const PackedRowsAtMost few(some_limit(w));
  const auto state = whole(w);
  for (const int64_t t : w.times) RC_ASSERT(all_answers(*state, w, t) == all_references(w, t));
}

// Another way to the same set of rows: any order, batches, instants, restarts and maintenance; three shards.
std::array<std::unique_ptr<ViewState>, 3> another_way(const World& w, int64_t until, Rng& rng) {
  std::array<std::unique_ptr<ViewState>, 3> shards;
  const auto make_state = [&] {
    const PackedRowsAtMost few(some_limit(rng.below(3)));
    return ViewState::make(w.specs);
  };
  for (auto& s : shards) s = make_state();
  std::vector<Event> events = w.events;
  if (rng.below(4) != 0) {
    for (size_t i = events.size(); i > 1; --i) std::swap(events[i - 1], events[rng.below(i)]);
  }
  int64_t now = rng.below(3) == 0 ? until : w.events.front().at;
  for (size_t i = 0; i < events.size();) {
    auto& state = shards[static_cast<size_t>(events[i].key[0] - 'a')];
    size_t end = i + 1;
    while (end < events.size() && end - i < 5 && events[end].key == events[i].key && events[end].partition == events[i].partition) ++end;
    if (now < until) now += static_cast<int64_t>(rng.below(static_cast<uint64_t>(until - now) / 4 + 1));
    apply_events(*state, kTypes, {&events[i], end - i}, now);
    i = end;
    if (rng.below(4) == 0) state->maintain(Instant{now}, 10);
    if (rng.below(4) != 0) continue;
    ByteWriter out;
    state->save(out);
    out.u8(7);  // a state takes its own bytes alone
    ByteReader in(out.str());
    state = make_state();
    if (!state->load(in) || in.remaining() != 1) return {};
  }
  return shards;
}

// Law L3; and L4 for a state: what is built again from the log, in whatever batches, is the same export.
void expect_the_same_state(const World& w, uint64_t seed) {
  Rng rng(seed ^ 1);
  const PackedRowsAtMost few(some_limit(w));
  const auto one = whole(w);
  // the log's own order forgets nothing that a later instant needs
  const int64_t until = w.times[rng.below(w.times.size())];
  const auto shards = another_way(w, until, rng);
  std::string exported;
  for (const auto& s : shards) {
    RC_ASSERT(s != nullptr);
    exported += export_text(*s, until);
  }
  RC_ASSERT(exported == export_text(*one, until));
  one->maintain(Instant{until}, 100);
  RC_ASSERT(exported == export_text(*one, until));
  for (const int64_t t : w.times) {
    if (t < until) continue;
    RC_ASSERT(all_answers(*one, w, t) == all_references(w, t));
    size_t i = 0;
    for (const char* key : {"a", "b", "c"}) RC_ASSERT(ask(*shards[i++], w.specs, key, t) == reference(w.specs, w.events, key, t));
  }
}

RC_GTEST_PROP(ViewState, EveryWayToTheSameRowsIsTheSameState, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  expect_the_same_state(some_world(seed), seed);
}

// The same for each aggregate over each type in each kind of window, none left to chance: every run takes the next of them.
RC_GTEST_PROP(ViewState, EveryCellIsTheSameState, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  static const std::vector<Cell> cells = every_cell();
  static size_t next = 0;
  for (size_t i = 0; i <= cells.size() / 100; ++i) expect_the_same_state(some_world(seed + i, cells[next++ % cells.size()]), seed + i);
}

RC_GTEST_PROP(ViewState, ForwardIsTheSameBits, ()) {
  const World w = some_world(*rc::gen::arbitrary<uint64_t>());
  const PackedRowsAtMost few(some_limit(w));
  const auto state = ViewState::make(w.specs);
  Rng rng(w.events.size());
  const auto compare = [&](const std::string& key, int64_t t, bool after) {
    FeatureRow row;
    state->evaluate_forward(key, hash_of(key), Instant{t}, after, row);
    RC_ASSERT(show(row, w.specs) == ask(*state, w.specs, key, t, after));
  };
  int64_t t = INT64_MIN;
  for (const Event& e : w.events) {
    t = std::max(t, e.at);
    apply_events(*state, kTypes, {&e, 1}, t);
    if (rng.below(16) == 0) state->maintain(Instant{t}, 2);
    compare(e.key, t, rng.below(4) == 0);
    if (rng.below(4) == 0) compare("b", t += static_cast<int64_t>(rng.below(20 * kMinute)), false);
  }
  for (const int64_t later : w.times) {
    for (const char* key : {"a", "b", "c"}) compare(key, std::max(t, later), rng.below(3) == 0);
  }
}

// Windows that move, of several hops, over rows that mostly come in order and wait for the clock in batches: running totals live long,
// and tiles are rolled up and dropped under them.
World orderly_world(uint64_t seed) {
  World w = some_world(seed);
  Rng rng(seed);
  const std::array<AggregateKind, 7> moving = {AggregateKind::kCount,        AggregateKind::kSum, AggregateKind::kAvg,
                                               AggregateKind::kMin,          AggregateKind::kMax, AggregateKind::kFirst,
                                               AggregateKind::kCountDistinct};
  w.specs.clear();
  for (uint64_t i = 0, n = 1 + rng.below(8); i < n; ++i) {
    const WindowKind kind = rng.below(3) != 0
                                ? WindowKind::kSliding
                                : std::array{WindowKind::kSlidingExact, WindowKind::kLifetime, WindowKind::kTumbling}[rng.below(3)];
    const AggregateKind aggregate = moving[rng.below(moving.size())];
    w.specs.push_back(some_spec(rng, {aggregate, takes_of(aggregate) ? std::optional<Type>(TypeKind::kInt64) : std::nullopt, {}, kind}));
  }
  const int64_t late = rng.below(4) == 0 ? 2 * kHour : 0;
  int64_t at = w.events.front().at;
  w.events.resize(40 + rng.below(200), w.events.front());
  for (size_t i = 0; i < w.events.size(); ++i) {
    at += static_cast<int64_t>(
        rng.below(static_cast<uint64_t>(std::array{kMicrosPerSecond, kMinute, 20 * kMinute, 9 * kHour}[rng.below(4)])));
    Event& e = w.events[i];
    e.key = std::string(1, static_cast<char>('a' + rng.below(3)));
    for (size_t a = 0; a < e.arguments.size(); ++a) {
      if (kTypes[a] == TypeKind::kInt64) e.arguments[a] = some_value(rng, kTypes[a], false);
    }
    e.at = e.et = at, e.partition = 0, e.offset = static_cast<int64_t>(i);
    if (late != 0 && rng.below(16) == 0) e.et -= static_cast<int64_t>(rng.below(static_cast<uint64_t>(late)));
  }
  return w;
}

RC_GTEST_PROP(ViewState, RunningTotalsOutliveTheirTiles, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const World w = orderly_world(seed);
  const PackedRowsAtMost few(some_limit(w));
  const auto state = ViewState::make(w.specs);
  Rng rng(seed);
  for (size_t first = 0, count = 0; first < w.events.size(); first += count) {
    count = std::min<size_t>(w.events.size() - first, 1 + rng.below(16));
    const std::span<const Event> batch(&w.events[first], count);
    apply_events(*state, kTypes, batch, batch.front().at);
    for (const Event& e : batch) {
      FeatureRow row;
      const bool after = rng.below(4) != 0;
      state->evaluate_forward(e.key, hash_of(e.key), Instant{e.at}, after, row);
      RC_ASSERT(show(row, w.specs) == ask(*state, w.specs, e.key, e.at, after));
    }
    if (rng.below(3) == 0) state->maintain(Instant{batch.back().at}, 2);
  }
}

// Answers by column: rounded some questions at a time, at places that need not be in a row.
struct Columns {
  Columns(const std::vector<FeatureSpec>& feature_specs, size_t places)
      : specs(feature_specs), bits(specs.size() * places), times(bits.size()), flags(bits.size()), found(places), texts(bits.size()) {
    for (size_t f = 0; f < specs.size(); ++f) {
      out.features.push_back({&bits[f * places], &flags[f * places], &times[f * places], answer_is_bytes(specs[f].result_type) ? &texts[f * places] : nullptr});
    }
    out.found = found.data();
    out.arena = &arena;
  }
  std::vector<std::string> at(size_t place) const {
    FeatureRow row;
    row.reset(specs.size());
    row.found = found[place] != 0;
    for (size_t f = 0; f < specs.size(); ++f) {
      const AnswerColumn column = out.features[f].from(place);
      FeatureValue& value = row.values[f];
      value.status = static_cast<Status>(*column.flags & AnswerColumn::kStatus);
      value.is_null = (*column.flags & AnswerColumn::kNull) != 0;
      value.i = static_cast<int64_t>(*column.bits);
      value.event_time_us = *column.event_times;
      if (column.texts != nullptr) value.text = *column.texts;
    }
    return show(row, specs);
  }

  const std::vector<FeatureSpec>& specs;
  std::vector<uint64_t> bits;
  std::vector<int64_t> times;
  std::vector<uint8_t> flags, found;
  std::vector<std::string_view> texts;
  StringArena arena;
  AnswerColumns out;
};

RC_GTEST_PROP(ViewState, ForwardByColumnIsTheSameBits, ()) {
  const World w = some_world(*rc::gen::arbitrary<uint64_t>());
  const PackedRowsAtMost few(some_limit(w));
  const auto state = ViewState::make(w.specs);
  Rng rng(w.events.size());
  Columns columns(w.specs, w.events.size() * 6 + 1);
  std::vector<std::pair<size_t, std::vector<std::string>>> expected;
  size_t place = 0;
  int64_t t = INT64_MIN;
  for (const Event& e : w.events) {
    t = std::max(t, e.at);
    apply_events(*state, kTypes, {&e, 1}, t);
    for (const char* key : {"a", "a", "b", "c"}) {
      place += rng.below(8) == 0 ? 1 : 0;
      const bool after = rng.below(4) == 0;
      expected.emplace_back(place, ask(*state, w.specs, key, t, after));
      state->evaluate_forward(key, hash_of(key), Instant{t}, after, columns.out, place++);
    }
  }
  state->finish_forward(columns.out);
  for (const auto& [at, lines] : expected) RC_ASSERT(columns.at(at) == lines);
}

// A live state is never asked forward: the room for 64 questions that wait to be rounded comes with the first one, and is counted.
TEST(ViewState, RoomForForwardQuestionsIsMadeByThem) {
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kCount, lifetime())};
  const PackedRowsAtMost none(0);
  const auto state = ViewState::make(specs);
  const Event event{.key = "a", .et = 1, .at = 1, .arguments = {}, .filters = {}};
  apply_events(*state, {}, {&event, 1}, 2);
  FeatureRow row;
  const auto ask_forward = [&](std::string_view key) {
    for (int64_t t = 2; t < 5; ++t) state->evaluate_forward(key, hash_of(key), Instant{t}, false, row);
    return state->resident_bytes();
  };
  const size_t before = state->resident_bytes();
  EXPECT_EQ(ask_forward("unknown"), before);
  EXPECT_GE(ask_forward("a"), before + 64 * (sizeof(uint64_t) + sizeof(int64_t)));  // one total and one time each
}

// A key that was asked and is asked no more holds as much as its windows need.
TEST(ViewState, RunningTotalsOfAKeyNoLongerAskedStaySmall) {
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kCount, {WindowKind::kSliding, kHour, kMinute})};
  const PackedRowsAtMost none(0);
  const auto state = ViewState::make(specs);
  FeatureRow row;
  size_t at_first = 0;
  for (int64_t i = 0; i < 20'000; ++i) {
    const Event event{.key = "a", .et = i * kMinute, .at = i * kMinute, .arguments = {}, .filters = {}};
    apply_events(*state, {}, {&event, 1}, event.et + 1);
    if (i < 3) state->evaluate_forward("a", hash_of("a"), Instant{event.et + 1}, false, row);
    if (i == 200) at_first = state->resident_bytes();
  }
  EXPECT_LE(state->resident_bytes(), at_first);
  state->evaluate_forward("a", hash_of("a"), Instant{20'000 * kMinute}, false, row);
  EXPECT_EQ(show(row, specs), ask(*state, specs, "a", 20'000 * kMinute, false));
}

TEST(ViewState, SavingCanBeGivenUp) {
  const auto state = whole(some_world(1));
  ByteWriter all, some;
  EXPECT_TRUE(state->save(all, [] { return false; }));
  EXPECT_FALSE(state->save(some, [] { return true; }));
  EXPECT_LT(some.size(), all.size());
}

TEST(ViewState, DamagedBytesAreRefused) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const World w = some_world(seed);
    ByteWriter out;
    whole(w)->save(out);
    Rng rng(seed);
    for (int round = 0; round < 200; ++round) {
      std::string bytes = out.str();
      if (round % 2 == 0) bytes.resize(rng.below(bytes.size()));
      for (uint64_t flips = round % 2; flips > 0; --flips) bytes[rng.below(bytes.size())] ^= static_cast<char>(1 << rng.below(8));
      const auto state = ViewState::make(w.specs);
      ByteReader in(bytes);
      const auto loaded = state->load(in);
      ASSERT_FALSE(loaded);
      EXPECT_TRUE(loaded.error().kind == ErrorKind::kCorruption || loaded.error().kind == ErrorKind::kUnsupported);
    }
  }
}

// A bad body under a good CRC: whatever it decodes to, nothing crashes.
TEST(ViewState, NonsenseUnderAGoodCrcDoesNotCrash) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const World w = some_world(seed);
    ByteWriter out;
    whole(w)->save(out);
    Rng rng(seed);
    for (int round = 0; round < 100; ++round) {
      std::string bytes = out.str();
      for (uint64_t flips = 1 + rng.below(3); flips > 0; --flips) bytes[13 + rng.below(bytes.size() - 17)] ^= static_cast<char>(1 << rng.below(8));
      store_le(bytes.data() + bytes.size() - 4, crc32c({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size() - 4}));
      const auto state = ViewState::make(w.specs);
      ByteReader in(bytes);
      if (!state->load(in)) continue;
      all_answers(*state, w, w.times.back());
      state->maintain(Instant{w.times.back()}, 10);
      export_text(*state, w.times.back());
    }
  }
}

// Two rows in one tile, one row ahead of the clock.
TEST(ViewState, TheFormatPageHasItsBytes) {
  const PackedRowsAtMost none(0);
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kSum, sliding(10 * kMinute), 0)};
  const auto state = ViewState::make(specs);
  const std::vector<Event> events = {{.key = "u", .et = 20'000'000, .at = 0, .offset = 1, .arguments = {int64_t{40}}, .filters = {}},
                                     {.key = "u", .et = 25'000'000, .at = 0, .offset = 2, .arguments = {int64_t{2}}, .filters = {}},
                                     {.key = "u", .et = 60'000'000, .at = 0, .offset = 3, .arguments = {int64_t{7}}, .filters = {}}};
  apply_events(*state, {TypeKind::kInt64}, events, 30'000'000);
  ByteWriter out;
  state->save(out);
  const std::string example = ms::testing::doc_example(MS_SOURCE_DIR "/docs/formats/state.md", "state");
  std::string hex;
  for (const char c : out.str()) hex += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4], hex += "0123456789abcdef"[c & 15], hex += ' ';
  EXPECT_EQ(out.str(), example) << hex;
  const auto loaded = ViewState::make(specs);
  ByteReader in(example);
  ASSERT_TRUE(loaded->load(in));
  EXPECT_EQ(ask(*loaded, specs, "u", 60'000'001), ask(*state, specs, "u", 60'000'001));
}

}  // namespace
}  // namespace ms::feature::testing
