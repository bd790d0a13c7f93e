// Explanations against a live engine: what they derive is what was served, and their counts are what the aggregates count.
#include "replay/explain.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/row_split.h"
#include "engine/testing/replies.h"
#include "feature/state_layout.h"
#include "replay/append_search.h"

namespace ms::replay {
namespace {

using engine::testing::World;

constexpr std::string_view kDefinitions = R"yaml(
sources:
  events: {topic: events, format: json, time: {field: at, unit: us}, fields: {user: string, amount: int64, kind: string}}
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: events
    where: "kind <> 'test'"
    features:
      n: {count: {over: [1h, "sliding(10m, exact)", lifetime]}}
      big: {sum: {of: amount, over: [1h], where: "amount > 10"}}
      amount: {last: {of: amount, over: [1h]}}
services:
  model: {features: [spending.*]}
)yaml";
enum Feature : uint32_t { kCountHour, kCountExact, kCountLifetime, kBig, kLast };

class Explain : public ::testing::Test {
 protected:
  void start(std::string_view definitions, int32_t partitions) {
    ASSERT_TRUE(world_.log->create_topic("events", partitions, {}));
    world_.define(definitions);
    world_.start();
    ASSERT_TRUE(world_.engine->refresh(60'000));
    view_ = world_.catalog->snapshot()->find_view("spending");
    slot_ = world_.engine->find_view("spending", 1).value();
  }
  struct Asked {
    ExplainQuestion question;
    feature::FeatureRow served;
    engine::KeyReads reads;
    Instant as_of;
  };
  Asked ask(const std::string& key) {
    Asked out{.question = {.view = view_, .key = key, .features = {}, .applied = {}}, .served = {}, .reads = {}, .as_of = {}};
    for (uint32_t f = 0; f < view_->program->features().size(); ++f) out.question.features.push_back(f);
    std::vector<engine::KeyReads> reads;
    const engine::ReadKey read{slot_, out.question.key};
    out.as_of = engine::testing::patiently([&] { return world_.engine->read({&read, 1}, {&out.served, 1}, reads); }).value().as_of;
    out.reads = reads[0];
    out.question.applied = reads[0].applied;
    return out;
  }
  ViewExplanation explain(const ExplainQuestion& question, Instant t) {
    auto explainer = Explainer::make({question}, t, *world_.log);
    EXPECT_TRUE(explainer) << explainer.error().message;
    auto explained = (*explainer)->run({}, {});
    EXPECT_TRUE(explained) << explained.error().message;
    return std::move(explained->at(0));
  }
  static std::string event(std::string_view user, int64_t amount, std::string_view kind, int64_t at) {
    return fmt::format(R"({{"user":"{}","amount":{},"kind":"{}","at":{}}})", user, amount, kind, at);
  }
  static const EventGroup& left(const FeatureExplanation& feature, LeftOut reason) { return feature.left_out[static_cast<size_t>(reason)]; }

  Rng rng_{5};
  const engine::testing::Directory directory_;
  World world_{directory_.path()};
  std::shared_ptr<const catalog::ViewEntry> view_;
  uint32_t slot_ = 0;
};

// The last payment is taken back: it is no longer counted, and the explanation says by what.
TEST_F(Explain, ARetractedEventSaysByWhat) {
  std::string definitions(kDefinitions);
  const auto replace = [&](std::string_view from, std::string_view to) { definitions.replace(definitions.find(from), from.size(), to); };
  replace("kind: string}", "kind: string, original: int64}, retract: {when: \"kind = 'reversal'\", offset: original}");
  replace(", lifetime]", ", \"last(5, 1d)\"]");
  start(definitions, 1);
  const int64_t now = system_clock().wall_us(), first_at = now - 3 * kMicrosPerMinute, second_at = now - 2 * kMicrosPerMinute;
  world_.produce(0, {event("u1", 20, "pos", first_at), event("u1", 40, "pos", second_at)});
  world_.wait_until_applied();
  const Asked before = ask(engine::testing::key_of(1));
  const std::string reversal = fmt::format(R"({{"user":"u1","kind":"reversal","original":1,"at":{}}})", second_at);
  world_.produce(0, {reversal, reversal});
  world_.wait_until_applied();
  const Asked after = ask(engine::testing::key_of(1));
  for (const Asked* asked : {&before, &after}) {
    const ViewExplanation explained = explain(asked->question, asked->as_of);
    EXPECT_EQ(engine::testing::bits_of(explained.derived), engine::testing::bits_of(asked->served));
    EXPECT_EQ(explained.seen.events, 2u);
    const uint64_t taken = asked == &after ? 1 : 0;
    for (const FeatureExplanation& feature : explained.features) {
      EXPECT_EQ(feature.counted.events, 2 - taken);
      EXPECT_EQ(left(feature, LeftOut::kRetracted).events, taken);
      if (taken == 0) continue;
      EXPECT_EQ(left(feature, LeftOut::kRetracted).last.offset, Offset{1});
      EXPECT_EQ(feature.retracted_by, Offset{2});
    }
  }
}

TEST_F(Explain, EveryServedValueIsDerivedAgainWhileEventsCome) {
  start(engine::testing::every_cell_definitions(rng_), 2);
  std::vector<Asked> asked;
  for (int round = 0; round < 40; ++round) {
    world_.produce(static_cast<int32_t>(rng_.below(2)), engine::testing::random_events(rng_, 20));
    asked.push_back(ask(engine::testing::key_of(rng_.below(9))));
  }
  world_.wait_until_applied();
  ASSERT_TRUE(world_.engine->sync_timeline());
  const auto timeline = engine::TimelineReader::open(posix_file_system(), world_.dir + "/timeline").value();
  uint64_t events = 0;
  for (Asked& a : asked) {
    const ViewExplanation live = explain(a.question, a.as_of);
    EXPECT_EQ(engine::testing::bits_of(live.derived), engine::testing::bits_of(a.served));
    // What the shard says it had applied and what the timeline says are the same to this key.
    const auto cut = timeline->cut_at(a.reads.shard, a.as_of).value().value();
    EXPECT_EQ(cut.publish, a.reads.publish);
    a.question.applied = cut.applied;
    const ViewExplanation later = explain(a.question, a.as_of);
    EXPECT_EQ(engine::testing::bits_of(later.derived), engine::testing::bits_of(a.served));
    for (size_t i = 0; i < live.features.size(); ++i) {
      const FeatureExplanation& feature = live.features[i];
      EXPECT_EQ(feature.counted.events, later.features[i].counted.events);
      uint64_t all = feature.counted.events;
      for (const EventGroup& group : feature.left_out) all += group.events;
      EXPECT_EQ(all, live.seen.events);  // each event is in one place
      if (view_->definition.features[i].aggregate != feature::AggregateKind::kCount || view_->program->features()[i].type != TypeKind::kInt64) continue;
      const feature::Status status = a.served.values[i].status;
      if (status == feature::Status::kOverflow || status == feature::Status::kExpired) continue;  // counted, but not shown
      EXPECT_EQ(static_cast<int64_t>(feature.counted.events), a.served.values[i].is_null ? 0 : a.served.values[i].i);
      events += feature.counted.events;
      if (feature.counted.events > 0 && a.served.values[i].status == feature::Status::kPresent)
        EXPECT_EQ(feature.counted.last.event_time.us, a.served.values[i].event_time_us);
    }
  }
  EXPECT_GT(events, 20u);
}

TEST_F(Explain, SaysWhyEachEventDoesNotCount) {
  start(kDefinitions, 2);
  const int64_t now = system_clock().wall_us();
  constexpr int64_t kMinute = kMicrosPerMinute;
  world_.produce(0,
                 {event("u1", 5, "x", now - 50 * kMinute), event("u1", 50, "x", now - 20 * kMinute), event("u1", 60, "test", now - kMinute),
                  event("u1", 70, "x", now - 180 * kMinute), event("u1", 80, "x", now + kMinute), "not json",
                  fmt::format(R"({{"user":"u1","amount":"many","kind":"x","at":{}}})", now - kMinute), event("u2", 1, "x", now)});
  world_.produce(1, {fmt::format(R"({{"user":"u1","amount":null,"kind":"x","at":{}}})", now - 2 * kMinute)});
  world_.wait_until_applied();
  const Asked asked = ask(engine::testing::key_of(1));
  world_.produce(1, {event("u1", 90, "x", now - 3 * kMinute)});
  world_.wait_until_applied();

  const ViewExplanation e = explain(asked.question, asked.as_of);
  EXPECT_EQ(engine::testing::bits_of(e.derived), engine::testing::bits_of(asked.served));
  EXPECT_EQ(e.seen.events, 8u);
  EXPECT_EQ(e.undecodable.records, 1u);
  EXPECT_EQ(e.undecodable.last, Offset{5});
  EXPECT_EQ(e.undecodable.last_reason, "json: not an object");
  EXPECT_EQ(e.records, 10u);
  EXPECT_FALSE(e.lost.any());

  const FeatureExplanation& hour = e.features[kCountHour];
  EXPECT_EQ(hour.head_us, asked.as_of.us);
  EXPECT_EQ(hour.tail_us, feature::WindowPlan{view_->program->specs()[kCountHour].window}.tail(asked.as_of.us));
  EXPECT_EQ(hour.counted.events, 3u);
  EXPECT_EQ(hour.counted.first.offset, Offset{0});
  EXPECT_EQ(hour.counted.last.partition, PartitionId{1});
  EXPECT_EQ(hour.counted.last.event_time.us, now - 2 * kMinute);
  EXPECT_EQ(hour.nulls, 0u);
  EXPECT_EQ(left(hour, LeftOut::kBeforeWindow).events, 1u);
  EXPECT_EQ(left(hour, LeftOut::kAfterWindow).last.offset, Offset{4});
  EXPECT_EQ(left(hour, LeftOut::kFilteredByView).last.offset, Offset{2});
  EXPECT_EQ(left(hour, LeftOut::kUndecodable).last.offset, Offset{6});
  EXPECT_EQ(left(hour, LeftOut::kAppendedLater).last.event_time.us, now - 3 * kMinute);
  EXPECT_EQ(left(hour, LeftOut::kAppendedLater).events, 1u);
  EXPECT_EQ(left(hour, LeftOut::kNotApplied).events, 0u);

  EXPECT_EQ(e.features[kBig].counted.events, 1u);
  EXPECT_EQ(left(e.features[kBig], LeftOut::kFilteredByFeature).events, 2u);
  EXPECT_EQ(e.features[kLast].nulls, 1u);
  EXPECT_EQ(e.features[kCountLifetime].counted.events, 4u);

  // Of what the shard had not applied, nothing counts, whenever it came.
  ExplainQuestion behind = asked.question;
  for (auto& [partition, offset] : behind.applied) offset = Offset{0};
  const ViewExplanation nothing = explain(behind, asked.as_of);
  EXPECT_EQ(nothing.features[kCountHour].counted.events, 0u);
  EXPECT_EQ(left(nothing.features[kCountHour], LeftOut::kNotApplied).events, 3u);
  EXPECT_EQ(nothing.derived.values[kCountHour].status, feature::Status::kEmptyWindow);
}

TEST_F(Explain, ReadsTheStateAsItAnswers) {
  start(kDefinitions, 1);
  const int64_t now = system_clock().wall_us();
  std::vector<std::string> events;
  for (int i = 1; i <= 30; ++i) events.push_back(event("u1", i, "x", now - i * kMicrosPerMinute));
  world_.produce(0, events);
  world_.wait_until_applied();
  const Asked asked = ask(engine::testing::key_of(1));
  EXPECT_TRUE(asked.reads.known);
  EXPECT_EQ(asked.served.values[kCountExact].i, 9 + (asked.as_of.us - now <= 0 ? 1 : 0));
  ASSERT_EQ(asked.reads.features.size(), 5u);
  const auto& hour = asked.reads.features[kCountHour].tiles;
  ASSERT_EQ(hour.size(), 1u);
  EXPECT_EQ(hour[0].width_us, 5 * kMicrosPerMinute);
  EXPECT_GE(hour[0].tiles, 6u);
  EXPECT_LE(hour[0].tiles, 7u);
  EXPECT_LT(asked.reads.features[kCountExact].tiles.at(0).tiles, hour[0].tiles);
  EXPECT_FALSE(ask(engine::testing::key_of(2)).reads.known);
}

// Only what a window can reach is read, and what retention took is said.
TEST_F(Explain, ReadsNoMoreThanTheWindowsNeedAndSaysWhatIsLost) {
  start(kDefinitions, 1);
  for (int i = 0; i < 50; ++i) world_.produce(0, {event("u1", i, "x", system_clock().wall_us())});
  world_.wait_until_applied();
  Asked asked = ask(engine::testing::key_of(1));
  const auto topic = *world_.log->find_topic("events");
  const TopicPartition partition{topic.id, PartitionId{0}};
  const auto batches = world_.log->read(partition, Offset{0}, 1 << 20).value().batches;
  ASSERT_GT(batches.size(), 20u);
  const auto& middle = batches[20];
  for (const auto& [at, wanted] :
       {std::pair{middle.at, middle.base}, {AppendTime{INT64_MIN}, Offset{0}}, {AppendTime{INT64_MAX}, Offset{50}}}) {
    const Offset found = first_appended_since(*world_.log, partition, Offset{0}, Offset{50}, at).value();
    EXPECT_LE(found, wanted);
    if (found > Offset{0}) EXPECT_LT(world_.log->read(partition, Offset{found.value - 1}, 1).value().batches[0].at, at);
    if (found < Offset{50}) EXPECT_GE(world_.log->read(partition, found, 1).value().batches[0].at, at);
  }
  // An hour and the source's max_ahead later, nothing that is there lies in a window.
  asked.question.features = {kCountHour};
  const Instant later{asked.as_of.us + 2 * kMicrosPerHour};
  EXPECT_EQ(Explainer::make({asked.question}, later, *world_.log).value()->records(), 0u);
  EXPECT_EQ(explain(asked.question, later).derived.values[kCountHour].status, feature::Status::kEmptyWindow);
  EXPECT_EQ(Explainer::make({asked.question}, asked.as_of, *world_.log).value()->records(), 50u);

  ASSERT_TRUE(world_.log->reconcile());
  world_.produce(0, {event("u1", 1, "x", system_clock().wall_us())});
  ASSERT_TRUE(world_.log->alter_config(topic.id, {{"retention.bytes", "1"}}));
  ASSERT_TRUE(world_.log->enforce_retention());
  ASSERT_GT(world_.log->partition_state(partition)->log_start, Offset{0});
  const ViewExplanation lost = explain(asked.question, asked.as_of);
  EXPECT_TRUE(lost.lost.any());
  EXPECT_TRUE(lost.features[0].lost);
  EXPECT_FALSE(explain(asked.question, later).features[0].lost);
}

TEST_F(Explain, CanBeCancelled) {
  start(kDefinitions, 1);
  world_.produce(0, {event("u1", 1, "x", system_clock().wall_us())});
  world_.wait_until_applied();
  std::stop_source stop;
  stop.request_stop();
  const Asked asked = ask(engine::testing::key_of(1));
  const auto cancelled = Explainer::make({asked.question}, asked.as_of, *world_.log).value()->run({}, stop.get_token());
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().kind, ErrorKind::kCancelled);
}

}  // namespace
}  // namespace ms::replay
