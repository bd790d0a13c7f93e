#include "history/derive.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <numeric>

#include "codec/packed_value.h"
#include "feature/view_state.h"
#include "history/history_fixture.h"

namespace ms::history {
namespace {

struct Event {
  int64_t et;
  int32_t partition;
  int key;
  std::optional<int64_t> delay;
  std::optional<int64_t> takes_back = {};  // an offset of its partition
};
const TopicId kTopic{*Uuid::parse("00000000-0000-4000-8000-000000000001")};

std::string key_of(int k) {
  std::string key;
  feature::append_key_part(key, std::string_view("K" + std::to_string(k)));
  return key;
}

std::string packed_texts(const std::vector<std::string>& texts) {
  PackedListWriter list(TypeKind::kString);
  for (const std::string& t : texts) list.add({.is_null = false, .text = t});
  std::string out;
  list.write(out);
  return out;
}
std::string packed_vector(const std::array<double, 3>& values) { return {reinterpret_cast<const char*>(values.data()), sizeof values}; }
std::string packed_map(const std::vector<std::pair<std::string, std::optional<int64_t>>>& entries) {
  PackedListWriter names(TypeKind::kString), values(TypeKind::kInt64);
  for (const auto& [name, value] : entries) names.add({.is_null = false, .text = name}), values.add({.is_null = !value, .i = value.value_or(0)});
  std::string out;
  names.write(out), values.write(out);
  return out;
}

// Chunks of at most three rows, one partition each, as a reader would make them.
ViewEvents prepare(const feature::ViewProgram& program, const std::vector<Event>& events, uint32_t groups) {
  ViewEvents out{.topic = kTopic, .chunks = {}};
  std::map<int32_t, std::vector<std::pair<int64_t, Event>>> by_partition;
  for (const Event& e : events) {
    auto& rows = by_partition[e.partition];
    rows.emplace_back(static_cast<int64_t>(rows.size()), e);
  }
  static std::array<std::string, 8> names = {"K0", "K1", "K2", "K3", "K4", "K5", "K6", "K7"};
  static std::array<std::string, 3> carriers = {"AA", "BB", "a carrier with a longer name"};
  static const std::array<std::string, 3> stops = {packed_texts({}), packed_texts({"JFK"}), packed_texts({"ORD", "a stop with a longer name", "JFK"})};
  static const std::array<std::string, 3> positions = {packed_vector({0, -0.0, 1}), packed_vector({0.1, 0.2, -0.3}), packed_vector({1e300, -5e-324, 7})};
  static const std::array<std::string, 3> seats = {packed_map({}), packed_map({{"a", 1}}), packed_map({{"a", std::nullopt}, {"b", 200}})};
  constexpr std::array<double, 10> prices = {0.1, 0.2, -0.3, 0.0, -0.0, 1e300, 1.7976931348623157e308, 5e-324, -1e16, HUGE_VAL};
  for (const auto& [partition, rows] : by_partition) {
    for (size_t from = 0; from < rows.size(); from += 3) {
      const size_t count = std::min<size_t>(3, rows.size() - from);
      ColumnBatch batch;
      batch.rows = count;
      batch.partition = PartitionId{partition};
      for (const feature::Field& field : program.input_fields()) batch.columns.emplace_back().reset(field.type, count);
      batch.columns.emplace_back().reset(TypeKind::kTimestamp, count);
      for (size_t i = 0; i < count; ++i) {
        const auto& [offset, e] = rows[from + i];
        for (size_t f = 0; f < program.input_fields().size(); ++f) {
          Column& column = batch.columns[f];
          const std::string& name = program.input_fields()[f].name;
          if ((name == "delay" && !e.delay) || (name == "takes_back" && !e.takes_back)) continue;
          const auto mixed = static_cast<uint64_t>(e.et / (kMicrosPerMinute / 2) * 7 + e.delay.value_or(3) * 5 + e.partition + 1'000);
          if (name != "origin" && name != "delay" && name != "takes_back" && mixed % 11 == 0) continue;
          column.set_valid(i);
          if (name == "delay") column.ints[i] = *e.delay;
          else if (name == "takes_back") column.ints[i] = *e.takes_back;
          else if (name == "price") column.floats[i] = prices[mixed % prices.size()];
          else if (name == "cancelled") column.bools[i] = mixed % 3 == 0;
          else if (name == "booked") column.ints[i] = static_cast<int64_t>(mixed % 5) * kMicrosPerHour - 2 * kMicrosPerHour;
          else if (name == "fare") column.decimals[i] = static_cast<int128>(mixed % 7) * 1'234 - 2'000;
          else if (name == "stops") column.strings[i] = stops[mixed % stops.size()];
          else if (name == "position") column.strings[i] = positions[mixed % positions.size()];
          else if (name == "seats") column.strings[i] = seats[mixed % seats.size()];
          else column.strings[i] = name == "origin" ? names[static_cast<size_t>(e.key)] : carriers[mixed % carriers.size()];
        }
        batch.columns.back().set_valid(i);
        batch.columns.back().ints[i] = e.et;
        batch.offsets.push_back({offset});
        batch.append_times.push_back({e.et});
      }
      auto chunk = std::make_unique<EventChunk>();
      program.prepare(batch, std::vector<uint8_t>(count, 1), chunk->rows);
      chunk->rows.partition = partition;
      chunk->in_time_order = std::ranges::is_sorted(chunk->rows.event_times_us);
      chunk->grouping = Grouping::make(chunk->rows.rows, groups, [&](size_t i) { return chunk->rows.shard_hashes[i]; });
      out.chunks.push_back(std::move(chunk));
    }
  }
  return out;
}

struct Asked {
  int key;
  int64_t t;
};
struct AskedKeys {
  std::vector<std::string> bytes;
  std::vector<int64_t> times;
  Questions questions;
};
std::unique_ptr<AskedKeys> ask(const std::vector<Asked>& asked) {
  auto out = std::make_unique<AskedKeys>();
  for (const Asked& a : asked) out->bytes.push_back(key_of(a.key)), out->times.push_back(a.t);
  for (const std::string& key : out->bytes) {
    out->questions.key_of.push_back(static_cast<uint32_t>(out->questions.keys.size()));
    out->questions.keys.push_back({key, feature::shard_hash(key), feature::table_hash(key)});
  }
  out->questions.times_us = out->times.data();
  out->questions.rows = asked.size();
  return out;
}

// The answers to one question, as a line that shows every bit.
std::string line_of(const feature::FeatureRow& row) {
  std::string out = row.found ? "found" : "-";
  for (const auto& v : row.values)
    out += " " + std::string(to_string(v.status)) + (v.is_null ? "/null" : "/" + std::to_string(v.i) + std::string(v.text)) + "@" +
           std::to_string(v.event_time_us);
  return out;
}
std::vector<std::string> lines_of(const Answers& answers, const feature::ViewProgram& program, size_t rows) {
  std::vector<uint8_t> found(rows), flags(rows);
  answers.found(0, found.data());
  std::vector<std::string> out;
  for (size_t r = 0; r < rows; ++r) out.push_back(found[r] ? "found" : "-");
  for (size_t f = 0; f < program.features().size(); ++f) {
    std::vector<uint64_t> bits(rows);
    std::vector<std::string_view> texts(rows);
    std::vector<int64_t> us(rows);
    answers.values(0, f, bits.data(), flags.data());
    if (feature::answer_is_bytes(program.features()[f].type)) answers.texts(0, f, texts.data(), flags.data());
    answers.event_times(0, f, us.data());
    for (size_t r = 0; r < rows; ++r)
      out[r] += flags[r] & Answers::kGap
                    ? " GAP"
                    : " " + std::string(to_string(static_cast<feature::Status>(flags[r] & Answers::kStatus))) +
                          (flags[r] & Answers::kNull ? "/null" : "/" + std::to_string(static_cast<int64_t>(bits[r])) + std::string(texts[r])) +
                          "@" + std::to_string(us[r]);
  }
  return out;
}

// A fresh state per question, filled in one go: nothing of derive() in it.
std::string direct(const std::shared_ptr<const feature::ViewProgram>& program, const ViewEvents& events, const Asked& asked, bool after,
                   const std::function<bool(const EventChunk&, size_t)>& known) {
  const auto state = feature::ViewState::make(program);
  for (const auto& chunk : events.chunks) {
    std::vector<uint32_t> which;
    for (uint32_t i = 0; i < chunk->rows.rows; ++i)
      if (known(*chunk, i)) which.push_back(i);
    state->apply(chunk->rows, which, Instant{asked.t});
  }
  feature::FeatureRow row;
  const std::string key = key_of(asked.key);
  state->evaluate(key, feature::table_hash(key), Instant{asked.t}, after, row);
  // What is bytes is answered in `text` alone.
  for (size_t f = 0; f < row.values.size(); ++f)
    if (feature::answer_is_bytes(program->features()[f].type)) row.values[f].i = 0;
  return line_of(row);
}

rc::Gen<std::vector<Event>> events_gen() {
  return rc::gen::container<std::vector<Event>>(rc::gen::build<Event>(
      rc::gen::set(&Event::et, rc::gen::map(rc::gen::inRange<int64_t>(0, 400), [](int64_t m) { return m * kMicrosPerMinute / 2; })),
      rc::gen::set(&Event::partition, rc::gen::inRange(0, 3)), rc::gen::set(&Event::key, rc::gen::inRange(0, 4)),
      rc::gen::set(&Event::delay, rc::gen::map(rc::gen::inRange<int64_t>(-51, 200), [](int64_t d) { return d < -50 ? std::nullopt : std::optional(d); }))));
}
rc::Gen<std::vector<Asked>> asked_gen() {
  return rc::gen::container<std::vector<Asked>>(rc::gen::build<Asked>(
      rc::gen::set(&Asked::key, rc::gen::inRange(0, 5)),
      rc::gen::set(&Asked::t, rc::gen::map(rc::gen::inRange<int64_t>(0, 500), [](int64_t m) { return m * kMicrosPerMinute / 2; }))));
}

rc::Gen<TrainService> service_gen() {
  return rc::gen::map(rc::gen::arbitrary<uint64_t>(), [](uint64_t seed) {
    Rng rng(seed);
    return service_of(random_view(rng));
  });
}

DeriveRequest request_of(const TrainService& service, uint32_t groups, bool after) {
  DeriveRequest request{.program = service.views[0].program, .after_event = after, .event_times = true, .groups = groups, .threads = 2};
  for (uint32_t f = 0; f < service.columns.size(); ++f) request.features.push_back(f);
  return request;
}

RC_GTEST_PROP(Derive, AsKnownIsEvaluateOverEverything, ()) {
  const TrainService service = *service_gen();
  auto events = *events_gen();
  if (*rc::gen::arbitrary<bool>()) {
    for (Event& e : events) e.partition = 0;
    std::ranges::sort(events, {}, &Event::et);
  }
  const auto asked = *asked_gen();
  const bool after = *rc::gen::arbitrary<bool>();
  const uint32_t groups = *rc::gen::element(1u, 2u, 16u);
  const ViewEvents prepared = prepare(*service.views[0].program, events, groups);
  const auto keys = ask(asked);
  const auto answers = derive(request_of(service, groups, after), prepared, keys->questions);
  RC_ASSERT(answers.has_value());
  if (asked.empty()) return;
  const auto lines = lines_of(*answers, *service.views[0].program, asked.size());
  for (size_t i = 0; i < asked.size(); ++i)
    RC_ASSERT(lines[i] == direct(service.views[0].program, prepared, asked[i], after, [](const EventChunk&, size_t) { return true; }));
}

// A timeline written down by hand: per shard, publishes at some instants.
class WrittenTimeline final : public engine::TimelineReader {
 public:
  Result<uint32_t> shards_at(Instant) const override { return shards; }
  Result<std::optional<engine::Cut>> cut_at(uint32_t shard, Instant t) const override {
    for (const auto& gap : gaps_)
      if (gap.begin <= t && t < gap.end) return std::nullopt;
    const auto& publishes = cuts.at(shard);
    const auto after = publishes.upper_bound(t.us);
    if (after == publishes.begin()) return engine::Cut{};
    return std::prev(after)->second;
  }
  const std::vector<engine::TimelineGap>& gaps() const override { return gaps_; }
  std::optional<Instant> joined_at(const std::string&, uint32_t) const override { return Instant{0}; }
  Instant synced_until() const override { return Instant{INT64_MAX}; }

  uint32_t shards = 1;
  std::map<uint32_t, std::map<int64_t, engine::Cut>> cuts;
  std::vector<engine::TimelineGap> gaps_;
};

RC_GTEST_PROP(Derive, AsServedSeesWhatTheShardHadApplied, ()) {
  const TrainService service = *service_gen();
  const auto events = *events_gen();
  const auto asked = *asked_gen();
  WrittenTimeline timeline;
  timeline.shards = *rc::gen::element(1u, 2u, 4u);
  const auto instants = rc::gen::map(rc::gen::inRange<int64_t>(0, 500), [](int64_t m) { return m * kMicrosPerMinute / 2; });
  const bool retreats = *rc::gen::arbitrary<bool>();  // after a crash a shard may begin again behind where it was
  for (uint32_t shard = 0; shard < timeline.shards; ++shard) {
    auto& publishes = timeline.cuts[shard];
    std::array<int64_t, 3> applied{};
    for (const int64_t instant : *rc::gen::container<std::set<int64_t>>(instants)) {
      engine::Cut cut;
      for (int32_t p = 0; p < 3; ++p) {
        int64_t& at = applied[static_cast<size_t>(p)];
        at = std::max<int64_t>(0, at + *rc::gen::inRange<int64_t>(retreats ? -4 : 0, 8));
        cut.applied[{kTopic, PartitionId{p}}] = Offset{at};
      }
      publishes[instant] = cut;
    }
  }
  if (*rc::gen::arbitrary<bool>()) timeline.gaps_.push_back({Instant{30 * kMicrosPerMinute}, Instant{90 * kMicrosPerMinute}});
  const ViewEvents prepared = prepare(*service.views[0].program, events, 16);
  const auto keys = ask(asked);
  DeriveRequest request = request_of(service, 16, false);
  request.timeline = &timeline;
  const auto answers = derive(request, prepared, keys->questions);
  RC_ASSERT(answers.has_value());
  if (asked.empty()) return;
  const auto lines = lines_of(*answers, *service.views[0].program, asked.size());
  uint64_t gaps = 0;
  for (size_t i = 0; i < asked.size(); ++i) {
    const uint32_t shard = static_cast<uint32_t>(feature::shard_hash(key_of(asked[i].key)) & (timeline.shards - 1));
    const auto cut = *timeline.cut_at(shard, Instant{asked[i].t});
    if (!cut) {
      RC_ASSERT(lines[i].starts_with("- GAP"));
      ++gaps;
      continue;
    }
    RC_ASSERT(lines[i] == direct(service.views[0].program, prepared, asked[i], false, [&](const EventChunk& chunk, size_t row) {
                const auto it = cut->applied.find({kTopic, PartitionId{chunk.rows.partition}});
                return it != cut->applied.end() && chunk.rows.offsets[row] < it->second.value;
              }));
  }
  RC_ASSERT(answers->gaps() == gaps);
}

// Law L2: where every row with et < t was applied by t, late rows and rows ahead among them, both modes say the same.
RC_GTEST_PROP(Derive, AsServedIsAsKnownWhenNothingWasMissing, ()) {
  const TrainService service = *service_gen();
  const auto events = *events_gen();
  const auto asked = *asked_gen();
  RC_PRE(!asked.empty());
  std::array<std::vector<int64_t>, 3> times;  // of the partition's rows, by offset
  for (const Event& e : events) times[static_cast<size_t>(e.partition)].push_back(e.et);
  std::set<int64_t> instants;
  for (const Asked& a : asked) instants.insert(a.t);
  WrittenTimeline timeline;
  timeline.shards = *rc::gen::element(1u, 2u, 4u);
  for (uint32_t shard = 0; shard < timeline.shards; ++shard) {
    std::array<int64_t, 3> applied{};
    for (const int64_t t : instants) {
      engine::Cut cut;
      for (size_t p = 0; p < times.size(); ++p) {
        const auto end = static_cast<int64_t>(times[p].size());
        for (int64_t i = applied[p]; i < end; ++i)
          if (times[p][static_cast<size_t>(i)] < t) applied[p] = i + 1;
        applied[p] = std::min(end, applied[p] + *rc::gen::inRange<int64_t>(0, 3));  // some rows more, which are not before t
        cut.applied[{kTopic, PartitionId{static_cast<int32_t>(p)}}] = Offset{applied[p]};
      }
      timeline.cuts[shard][t] = cut;
    }
  }
  const ViewEvents prepared = prepare(*service.views[0].program, events, 16);
  const auto keys = ask(asked);
  DeriveRequest request = request_of(service, 16, false);
  const auto known = derive(request, prepared, keys->questions);
  request.timeline = &timeline;
  const auto served = derive(request, prepared, keys->questions);
  RC_ASSERT(known.has_value());
  RC_ASSERT(served.has_value());
  RC_ASSERT(lines_of(*served, *service.views[0].program, asked.size()) == lines_of(*known, *service.views[0].program, asked.size()));
}

// Events with some that take others back, each behind what it names.
std::vector<Event> with_retractions(const std::vector<Event>& events, Rng& rng) {
  std::vector<Event> out;
  std::array<std::vector<Event>, 3> by_partition;
  const auto append = [&](const Event& e) {
    by_partition[static_cast<size_t>(e.partition)].push_back(e);
    out.push_back(e);
  };
  for (const Event& e : events) {
    append(e);
    while (rng.below(3) == 0) {
      const auto& rows = by_partition[static_cast<size_t>(e.partition)];
      const size_t named = rng.below(rows.size());
      Event back = rows[named];
      back.takes_back = static_cast<int64_t>(named), back.delay = {};
      if (rng.below(16) == 0) back.key = (back.key + 1) % 4;
      append(back);
    }
  }
  return out;
}

// Where the rows of `events` stand that count when of each partition only what lies below `until` is known.
std::set<std::pair<int32_t, int64_t>> left_of(const std::vector<Event>& events, const std::array<int64_t, 3>& until) {
  std::array<std::vector<Event>, 3> rows;
  for (const Event& e : events) rows[static_cast<size_t>(e.partition)].push_back(e);
  std::set<std::pair<int32_t, int64_t>> out;
  for (int32_t p = 0; p < 3; ++p) {
    const auto& mine = rows[static_cast<size_t>(p)];
    for (int64_t o = 0; o < std::min(static_cast<int64_t>(mine.size()), until[static_cast<size_t>(p)]); ++o) {
      const Event& e = mine[static_cast<size_t>(o)];
      if (!e.takes_back) {
        out.insert({p, o});
        continue;
      }
      const Event& named = mine[static_cast<size_t>(*e.takes_back)];
      if (named.key == e.key && named.et == e.et) out.erase({p, *e.takes_back});
    }
  }
  return out;
}

// A state that is filled with what is left alone: the retractions and what they take back never come to it.
std::string direct_of_left(const TrainService& service, const ViewEvents& events, const Asked& asked, bool after, const std::set<std::pair<int32_t, int64_t>>& left) {
  return direct(service.views[0].program, events, asked, after, [&](const EventChunk& chunk, size_t row) { return left.contains({chunk.rows.partition, chunk.rows.offsets[row]}); });
}

TrainService retracting_service(Rng& rng) { return service_of(bounded(random_view(rng)), kOrigin, kTakenBack); }

RC_GTEST_PROP(Derive, AsKnownLeavesOutWhatWasTakenBack, ()) {
  Rng rng(*rc::gen::arbitrary<uint64_t>());
  const TrainService service = retracting_service(rng);
  auto plain = *events_gen();
  if (*rc::gen::arbitrary<bool>()) std::ranges::sort(plain, {}, &Event::et);
  const auto events = with_retractions(plain, rng);
  const auto asked = *asked_gen();
  const bool after = *rc::gen::arbitrary<bool>();
  const ViewEvents prepared = prepare(*service.views[0].program, events, 16);
  const auto keys = ask(asked);
  const auto answers = derive(request_of(service, 16, after), prepared, keys->questions);
  RC_ASSERT(answers.has_value());
  if (asked.empty()) return;
  const auto lines = lines_of(*answers, *service.views[0].program, asked.size());
  const auto left = left_of(events, {INT64_MAX, INT64_MAX, INT64_MAX});
  for (size_t i = 0; i < asked.size(); ++i) RC_ASSERT(lines[i] == direct_of_left(service, prepared, asked[i], after, left));
}

// Between a record and its retraction the record counts; a question after both does not see it.
RC_GTEST_PROP(Derive, AsServedTakesBackWhenTheShardDid, ()) {
  Rng rng(*rc::gen::arbitrary<uint64_t>());
  const TrainService service = retracting_service(rng);
  const auto events = with_retractions(*events_gen(), rng);
  const auto asked = *asked_gen();
  WrittenTimeline timeline;
  std::array<int64_t, 3> applied{};
  for (int64_t instant = 0; instant < 250 * kMicrosPerMinute; instant += static_cast<int64_t>(1 + rng.below(40)) * kMicrosPerMinute) {
    engine::Cut cut;
    for (int32_t p = 0; p < 3; ++p) cut.applied[{kTopic, PartitionId{p}}] = Offset{applied[static_cast<size_t>(p)] += static_cast<int64_t>(rng.below(8))};
    timeline.cuts[0][instant] = cut;
  }
  const ViewEvents prepared = prepare(*service.views[0].program, events, 16);
  const auto keys = ask(asked);
  DeriveRequest request = request_of(service, 16, false);
  request.timeline = &timeline;
  const auto answers = derive(request, prepared, keys->questions);
  RC_ASSERT(answers.has_value());
  if (asked.empty()) return;
  const auto lines = lines_of(*answers, *service.views[0].program, asked.size());
  for (size_t i = 0; i < asked.size(); ++i) {
    const auto cut = *timeline.cut_at(0, Instant{asked[i].t});
    std::array<int64_t, 3> until{};
    for (const auto& [partition, offset] : cut->applied) until[static_cast<size_t>(partition.partition.value)] = offset.value;
    RC_ASSERT(lines[i] == direct_of_left(service, prepared, asked[i], false, left_of(events, until)));
  }
}

// Retention has taken offset 0 (another key stands for it here), but not what takes it back: answers that may need it are marked, and in the
// others nothing is taken back.
TEST(Derive, WhatTakesBackALostEventChangesNothing) {
  constexpr int64_t kMinute = kMicrosPerMinute;
  const TrainService service = service_of(bounded(flights_view()), kOrigin, kTakenBack);
  const ViewEvents prepared = prepare(*service.views[0].program, {{60 * kMinute, 0, 3, 1}, {90 * kMinute, 0, 1, 5}, {60 * kMinute, 0, 1, {}, 0}}, 1);
  const auto keys = ask({{1, 95 * kMinute}, {1, 121 * kMinute}});
  DeriveRequest request = request_of(service, 1, false);
  request.lost = {.until_us = 60 * kMinute, .partition = PartitionId{0}, .log_start = Offset{1}};
  const auto answers = derive(request, prepared, keys->questions);
  ASSERT_TRUE(answers);
  const auto lines = lines_of(*answers, *service.views[0].program, 2);
  EXPECT_EQ(lines[0].substr(0, lines[0].find(' ', 6)), "found GAP");  // n_count_1h reaches back to minute 35
  EXPECT_TRUE(lines[1].starts_with("found PRESENT/1@5400000000")) << lines[1];
  EXPECT_EQ(answers->gaps(), 2u);  // of the second question windows with a hop reach minute 60
}

TEST(Derive, StopsWhenAsked) {
  const TrainService service = flights_service();
  const ViewEvents prepared = prepare(*service.views[0].program, {{0, 0, 0, 1}}, 1);
  const auto keys = ask({{0, 60}});
  DeriveRequest request = request_of(service, 1, false);
  std::stop_source stop;
  stop.request_stop();
  request.stop = stop.get_token();
  const auto answers = derive(request, prepared, keys->questions);
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().kind, ErrorKind::kCancelled);
}

}  // namespace
}  // namespace ms::history
