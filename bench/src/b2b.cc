// B2b: features readable at any moment, from the log's stream objects to state, on one core; beside it what simdjson alone
// needs to decode the same fields of the same bytes in memory. Prints one JSON line per round.
//
//   bench_b2b DIR EVENTS [USERS [ROUNDS]]
//
// 20 features: count, sum, min and max of `amount` over 10m, 1h, 6h, 24h and 7d. The clock goes with the events, so that
// tiles fill, roll up and expire as they do live; after every 1,000 events one entity is read. The reads are compared with
// a plain recomputation from all events of that entity.
#include "bench/src/simdjson_alone.h"

#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "base/clock.h"
#include "bench/src/event_log.h"
#include "bench/src/measure.h"
#include "bench/src/spending_view.h"
#include "engine/row_split.h"
#include "engine/shard.h"
#include "engine/topic_reader.h"

namespace ms::bench {
namespace {

constexpr uint64_t kEventsPerRead = 1'000;
constexpr uint64_t kLatePercent = 5;
constexpr size_t kApplyRows = 512;          // as the engine's appliers do

constexpr WindowOf kWindows[] = {{"10m", 10 * kMicrosPerMinute}, {"1h", kMicrosPerHour}, {"6h", 6 * kMicrosPerHour}, {"24h", 24 * kMicrosPerHour}, {"7d", 7 * kMicrosPerDay}};
constexpr feature::AggregateKind kAggregates[] = {feature::AggregateKind::kCount, feature::AggregateKind::kSum, feature::AggregateKind::kMin, feature::AggregateKind::kMax};

struct Question {
  uint64_t events_before = 0;  // how many events are applied
  int64_t user = 0;
  int64_t t_us = 0;
};

struct Pipeline {
  ManualClock clock{0};
  engine::InstantSource instants{clock, Instant{0}};
  engine::Shard shard{0, instants, 0};
  feature::SourceDefinition source;
  std::shared_ptr<const feature::ViewProgram> program = spending_view(source, kWindows, kAggregates);
  std::unique_ptr<engine::TopicReader> reader = engine::TopicReader::make({{source, {program}}});
  engine::RowSplit split;
  feature::FeatureRow answer;
  std::vector<Question> questions;
  uint64_t applied = 0, next_read = kEventsPerRead;

  Pipeline() {
    instants.raise_ceiling(Instant{INT64_MAX});
    (void)shard.join(0, feature::ViewState::make(program), {});
  }

  uint64_t run(const EventLog& input) {
    uint64_t sum = 0;
    input.for_each_batch([&](const log::ReadBatch& batch) { sum = apply(input, batch, sum); });
    return sum;
  }

  uint64_t apply(const EventLog& input, const log::ReadBatch& batch, uint64_t sum) {
    clock.set(input.clock_us(batch));
    (void)instants.publish();
    const auto done = reader->read(PartitionId{0}, {&batch, 1}, batch.base, Offset{batch.last.value + 1}, kApplyRows, [&](engine::TopicReader::Chunk& chunk) -> Result<> {
      CHECK(chunk.dead.empty());
      split.split(*chunk.rows[0], 1);
      const engine::ShardRows rows{0, chunk.rows[0], split.of(0)};
      feature::AppliedRows became;
      shard.apply(0, chunk.end, {&rows, 1}, {&became, 1});
      (void)shard.take_publishes();
      applied += chunk.records;
      for (; next_read <= applied; next_read += kEventsPerRead) sum = read(input, sum);
      return {};
    });
    CHECK(done);
    return sum;
  }

  uint64_t read(const EventLog& input, uint64_t sum) {
    const int64_t user = input.events()[next_read - 1 - scramble(7, next_read) % kEventsPerRead].user;
    std::string key;
    feature::append_key_part(key, user);
    const std::shared_lock lock(shard.mutex());
    const Instant t = instants.read().value();
    shard.state(0)->evaluate(key, feature::table_hash(key), t, false, answer);
    questions.push_back({applied, user, t.us});
    for (const feature::FeatureValue& v : answer.values) sum = mix(sum, v.is_null ? -1 : v.i);
    return sum;
  }
};

// Every question again, from all events of its user.
[[gnu::noinline]] uint64_t reference(const EventLog& input, const std::vector<Question>& questions, uint64_t users) {
  std::vector<std::vector<uint32_t>> of_user(users);
  std::vector<bool> asked(users, false);
  for (const Question& q : questions) asked[static_cast<size_t>(q.user)] = true;
  for (uint32_t i = 0; i < input.events().size(); ++i)
    if (asked[static_cast<size_t>(input.events()[i].user)]) of_user[static_cast<size_t>(input.events()[i].user)].push_back(i);
  uint64_t sum = 0;
  for (const Question& q : questions) {
    for (const WindowOf& w : kWindows) {
      const int64_t hop = feature::ladder_hop(w.length_us), tail = (q.t_us - w.length_us) / hop * hop;
      int64_t count = 0, total = 0, least = INT64_MAX, most = INT64_MIN;
      const auto& own = of_user[static_cast<size_t>(q.user)];
      // nothing is more than 5 s late, so older ones need no look
      auto at = std::lower_bound(own.begin(), own.end(), tail, [&](uint32_t i, int64_t t) { return (input.events()[i].ts_ms + 5'000) * 1000 < t; });
      for (; at != own.end() && *at < q.events_before; ++at) {
        const Event& e = input.events()[*at];
        if (e.ts_ms * 1000 < tail || e.ts_ms * 1000 >= q.t_us) continue;
        ++count, total += e.amount, least = std::min(least, e.amount), most = std::max(most, e.amount);
      }
      sum = mix(sum, count);
      for (const int64_t v : {total, least, most}) sum = mix(sum, count == 0 ? -1 : v);
    }
  }
  return sum;
}

uint64_t decoded(uint64_t sum, int64_t user, int64_t ts, int64_t amount) {
  return sum + static_cast<uint64_t>(user) * 3 + static_cast<uint64_t>(ts) * 5 + static_cast<uint64_t>(amount) * 7;
}

uint64_t expected_fields(const EventLog& input) {
  uint64_t sum = 0;
  for (const Event& e : input.events()) sum = decoded(sum, e.user, e.ts_ms, e.amount);
  return sum;
}

[[gnu::noinline]] uint64_t fields_alone(const EventLog& input) {
  return simdjson_alone(input.lines(), input.events().size(), [](simdjson::ondemand::object& object, uint64_t sum) {
    const int64_t user = int64_of(object, "user"), ts = int64_of(object, "ts");
    return decoded(sum, user, ts, int64_of(object, "amount"));
  });
}

int run(const std::string& dir, uint64_t count, uint64_t users, int rounds) {
  const EventLog input(dir, count, users, kLatePercent);
  bool all_equal = true;
  for (int round = 0; round < rounds; ++round) {
    const Measured alone = measure([&] { return fields_alone(input); });
    auto pipeline = std::make_unique<Pipeline>();
    const Measured ours = measure([&] { return pipeline->run(input); });
    const bool equal = alone.checksum == expected_fields(input) && ours.checksum == reference(input, pipeline->questions, users);
    const auto& state = *pipeline->shard.state(0);
    fmt::print("{{\"events\": {}, \"reads\": {}, \"ours_cpu_s\": {:.4f}, \"ours_wall_s\": {:.4f}, \"simdjson_cpu_s\": {:.4f}, \"simdjson_wall_s\": {:.4f}, "
               "\"equal\": {}, \"entities\": {}, \"resident_bytes\": {}}}\n",
               count, pipeline->questions.size(), ours.cpu_s, ours.wall_s, alone.cpu_s, alone.wall_s, equal, state.entities(), state.resident_bytes());
    std::fflush(stdout);
    all_equal &= equal;
  }
  return all_equal ? 0 : 1;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: bench_b2b DIR EVENTS [USERS [ROUNDS]]\n"), 2;
  return ms::bench::run(argv[1], std::strtoull(argv[2], nullptr, 10), argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1'000'000, argc > 4 ? std::atoi(argv[4]) : 1);
}
