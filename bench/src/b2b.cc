// B2b: features readable at any moment, from the log's stream objects to state, on one core; beside it what simdjson alone
// needs to decode the same fields of the same bytes in memory. Prints one JSON line per round.
//
//   bench_b2b DIR EVENTS [USERS [ROUNDS]]
//
// 20 features: count, sum, min and max of `amount` over 10m, 1h, 6h, 24h and 7d. The clock goes with the events, so that
// tiles fill, roll up and expire as they do live; after every 1,000 events one entity is read. The reads are compared with
// a plain recomputation from all events of that entity.
#include <fmt/format.h>
#ifndef NDEBUG
#define NDEBUG
#endif
#include <simdjson.h>

#include <cstdio>
#include <cstdlib>
#include <future>

#include "base/check.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "bench/src/events.h"
#include "codec/record_batch.h"
#include "engine/row_split.h"
#include "engine/shard.h"
#include "engine/topic_reader.h"
#include "log/log.h"

namespace ms::bench {
namespace {

constexpr uint64_t kEventsPerRead = 1'000;
constexpr size_t kRecordsPerBatch = 1'690;  // 256 KiB
constexpr size_t kReadBytes = 1u << 20;
constexpr size_t kApplyRows = 512;          // as the engine's appliers do
constexpr int64_t kEventsPerSecond = 12;    // of event time: 10 M events are 9.6 days
struct WindowOf {
  const char* name;
  int64_t length_us;
};
constexpr WindowOf kWindows[] = {{"10m", 10 * kMicrosPerMinute}, {"1h", kMicrosPerHour}, {"6h", 6 * kMicrosPerHour}, {"24h", 24 * kMicrosPerHour}, {"7d", 7 * kMicrosPerDay}};

struct Measured {
  double cpu_s = 0, wall_s = 0;
  uint64_t checksum = 0;
};

template <class Work>
Measured measure(Work&& work) {
  const double cpu = process_cpu_seconds();
  const int64_t wall = system_clock().steady_us();
  Measured out;
  out.checksum = work();
  out.cpu_s = process_cpu_seconds() - cpu;
  out.wall_s = static_cast<double>(system_clock().steady_us() - wall) / 1e6;
  return out;
}

struct Input {
  std::unique_ptr<log::Log> log;
  TopicPartition partition;
  std::vector<int64_t> clock_us;  // per batch: after its last event, which is when it was appended
  std::string lines;              // the values one behind the other, each kEventBytes
  std::vector<Event> events;
};

// One batch, durable on return.
void append(log::Log& log, TopicPartition to, std::string_view batch) {
  std::promise<log::AppendError> done;
  log.append({{to, Slice::copy(batch)}}, [&](std::vector<log::AppendOutcome> outcomes) { done.set_value(outcomes[0].error); });
  CHECK(done.get_future().get() == log::AppendError::kNone);
}

[[gnu::noinline]] Input make_input(const std::string& dir, uint64_t count, uint64_t users) {
  EventOptions options{.users = users, .span_ms = static_cast<int64_t>(count) * 1000 / kEventsPerSecond, .events = count};
  const EventSource source(options);
  Input input;
  input.events.reserve(count);
  input.lines.reserve(count * kEventBytes + simdjson::SIMDJSON_PADDING);
  for (uint64_t i = 0; i < count; ++i) input.events.push_back(source.event(i)), EventSource::write(input.events.back(), input.lines);

  static ManualClock clock{0};
  input.log = *log::Log::open({.dir = dir, .fs = &posix_file_system(), .clock = &clock, .reconcile_interval_ms = 0});
  input.partition = {input.log->create_topic("events", 1, {{"retention.ms", "-1"}})->id, PartitionId{0}};
  std::vector<RecordToWrite> records;
  for (uint64_t i = 0; i < count; i += records.size()) {
    records.clear();
    for (uint64_t k = i; k < std::min(count, i + kRecordsPerBatch); ++k)
      records.push_back({.timestamp_ms = input.events[k].ts_ms, .value = std::string_view(input.lines).substr(k * kEventBytes, kEventBytes)});
    input.clock_us.push_back(options.start_ms * 1000 + static_cast<int64_t>(i + records.size()) * kMicrosPerSecond / kEventsPerSecond);
    clock.set(input.clock_us.back());
    append(*input.log, input.partition, *build_record_batch({}, records));
  }
  CHECK(input.log->reconcile());
  return input;
}

std::shared_ptr<const feature::ViewProgram> compile(feature::SourceDefinition& source) {
  using namespace feature;
  source = {.name = "events", .topic = "events", .fields = {{"user", TypeKind::kInt64}, {"amount", TypeKind::kInt64}}, .time_field = "ts"};
  ViewDefinition view{.name = "spending", .entity = "user", .source = "events"};
  for (const WindowOf& w : kWindows) {
    const Window window{WindowKind::kSliding, w.length_us, ladder_hop(w.length_us)};
    for (const AggregateKind a : {AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kMin, AggregateKind::kMax})
      view.features.push_back({.name = fmt::format("{}_{}", to_string(a), w.name), .aggregate = a, .of = a == AggregateKind::kCount ? "" : "amount", .window = window});
  }
  auto program = ViewProgram::compile(source, {.name = "user", .key = {"user"}}, view);
  CHECK(program);
  return *program;
}

struct Question {
  uint64_t events_before = 0;  // how many events are applied
  int64_t user = 0;
  int64_t t_us = 0;
};

uint64_t mix(uint64_t sum, int64_t value) { return (sum ^ static_cast<uint64_t>(value)) * 0x9FB21C651E98DF25ull + 1; }

struct Pipeline {
  ManualClock clock{0};
  engine::InstantSource instants{clock, Instant{0}};
  engine::Shard shard{0, instants, 0};
  feature::SourceDefinition source;
  std::shared_ptr<const feature::ViewProgram> program = compile(source);
  std::unique_ptr<engine::TopicReader> reader = engine::TopicReader::make({{source, {program}}});
  engine::RowSplit split;
  feature::FeatureRow answer;
  std::vector<Question> questions;
  uint64_t applied = 0, next_read = kEventsPerRead;

  Pipeline() {
    instants.raise_ceiling(Instant{INT64_MAX});
    (void)shard.join(0, feature::ViewState::make(program), {});
  }

  uint64_t run(const Input& input) {
    uint64_t sum = 0;
    for (Offset at{0}; at.value < static_cast<int64_t>(input.events.size());) {
      const auto found = input.log->read(input.partition, at, kReadBytes);
      CHECK(found && !found->batches.empty());
      for (const log::ReadBatch& batch : found->batches) sum = apply(input, batch, sum);
      at.value = found->batches.back().last.value + 1;
    }
    return sum;
  }

  uint64_t apply(const Input& input, const log::ReadBatch& batch, uint64_t sum) {
    clock.set(input.clock_us[static_cast<size_t>(batch.base.value) / kRecordsPerBatch]);
    (void)instants.publish();
    const auto done = reader->read(PartitionId{0}, {&batch, 1}, batch.base, Offset{batch.last.value + 1}, kApplyRows, [&](engine::TopicReader::Chunk& chunk) -> Result<> {
      CHECK(chunk.dead.empty());
      split.split(*chunk.rows[0], 1);
      const engine::ShardRows rows{0, chunk.rows[0], split.of(0)};
      uint64_t beyond = 0;
      shard.apply(0, chunk.end, {&rows, 1}, {&beyond, 1});
      (void)shard.take_publishes();
      applied += chunk.records;
      for (; next_read <= applied; next_read += kEventsPerRead) sum = read(input, sum);
      return {};
    });
    CHECK(done);
    return sum;
  }

  uint64_t read(const Input& input, uint64_t sum) {
    const int64_t user = input.events[next_read - 1 - scramble(7, next_read) % kEventsPerRead].user;
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
[[gnu::noinline]] uint64_t reference(const Input& input, const std::vector<Question>& questions, uint64_t users) {
  std::vector<std::vector<uint32_t>> of_user(users);
  std::vector<bool> asked(users, false);
  for (const Question& q : questions) asked[static_cast<size_t>(q.user)] = true;
  for (uint32_t i = 0; i < input.events.size(); ++i)
    if (asked[static_cast<size_t>(input.events[i].user)]) of_user[static_cast<size_t>(input.events[i].user)].push_back(i);
  uint64_t sum = 0;
  for (const Question& q : questions) {
    for (const WindowOf& w : kWindows) {
      const int64_t hop = feature::ladder_hop(w.length_us), tail = (q.t_us - w.length_us) / hop * hop;
      int64_t count = 0, total = 0, least = INT64_MAX, most = INT64_MIN;
      const auto& own = of_user[static_cast<size_t>(q.user)];
      // nothing is more than 5 s late, so older ones need no look
      auto at = std::lower_bound(own.begin(), own.end(), tail, [&](uint32_t i, int64_t t) { return (input.events[i].ts_ms + 5'000) * 1000 < t; });
      for (; at != own.end() && *at < q.events_before; ++at) {
        const Event& e = input.events[*at];
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

uint64_t expected_fields(const Input& input) {
  uint64_t sum = 0;
  for (const Event& e : input.events) sum = decoded(sum, e.user, e.ts_ms, e.amount);
  return sum;
}

// simdjson on demand, one document per event, fields in their order: its best known form for this.
[[gnu::noinline]] uint64_t simdjson_alone(const Input& input) {
  namespace od = simdjson::ondemand;
  od::parser parser;
  uint64_t sum = 0;
  const char* at = input.lines.data();
  for (uint64_t i = 0; i < input.events.size(); ++i, at += kEventBytes) {
    od::document document;
    int64_t user = 0, ts = 0, amount = 0;
    CHECK(!parser.iterate(at, kEventBytes, kEventBytes + simdjson::SIMDJSON_PADDING).get(document));
    od::object object;
    CHECK(!document.get_object().get(object));
    CHECK(!object.find_field("user").get_int64().get(user));
    CHECK(!object.find_field("ts").get_int64().get(ts));
    CHECK(!object.find_field("amount").get_int64().get(amount));
    sum = decoded(sum, user, ts, amount);
  }
  return sum;
}

int run(const std::string& dir, uint64_t count, uint64_t users, int rounds) {
  Input input = make_input(dir, count, users);
  input.lines.append(simdjson::SIMDJSON_PADDING, ' ');
  bool all_equal = true;
  for (int round = 0; round < rounds; ++round) {
    const Measured alone = measure([&] { return simdjson_alone(input); });
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
