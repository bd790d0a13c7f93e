// For tests only: the inside of a server over a directory of its own, and events and definitions that leave nothing out.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "base/clock.h"
#include "base/rng.h"
#include "catalog/catalog.h"
#include "codec/record_batch.h"
#include "engine/engine.h"
#include "feature/every_cell.h"

namespace ms::engine::testing {

inline constexpr int64_t kPatienceUs = 60 * kMicrosPerSecond;  // what is not there by then will never be

// What `read` answers when it is not refused any more: an engine waits a second for its disk, ours may be busy for longer.
template <class Read>
auto patiently(const Read& read) {
  for (const int64_t deadline_us = system_clock().steady_us() + kPatienceUs;;) {
    auto answer = read();
    if (answer || answer.error().kind != ErrorKind::kUnavailable || system_clock().steady_us() > deadline_us) return answer;
    std::this_thread::yield();
  }
}

class Directory {
 public:
  Directory() : path_((std::filesystem::temp_directory_path() / ("engine-" + random_uuid().to_string())).string()) { std::filesystem::create_directories(path_); }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

// Runs take turns, so that a few runs of one process go over all cells: which of so many parts a run takes.
inline constexpr size_t kCellParts = 8;
inline size_t next_part(Rng& rng) {
  static std::atomic<size_t> turn = rng.below(kCellParts);
  return turn++ % kCellParts;
}

// Windows of seconds and minutes, by kind.
inline std::string_view some_window(feature::WindowKind kind, Rng& rng) {
  static const std::vector<std::string_view> kWindows[] = {{"10s", "1m", "10m", "sliding(1m, hop: 20s)"},
                                                           {"sliding(20s, exact)", "sliding(1m, exact)"},
                                                           {"tumbling(10s)", "tumbling(1m)"},
                                                           {"lifetime"},
                                                           {"hopping(20s, 10s)", "hopping(1m, 40s)"},
                                                           {"session(10s, 1m)", "session(10s, 10m)", "session(20s, 40s, closed)"},
                                                           {"last(3)", "last(7, 20s)", "last(20, 1h)"},
                                                           {"decay(10s)", "decay(1m)"},
                                                           {"series(10s, 3)", "series(1m, 2)"}};
  static_assert(std::size(kWindows) == feature::kWindowKindCount);
  const auto& choice = kWindows[static_cast<size_t>(kind)];
  return choice[rng.below(choice.size())];
}
// One that reaches back a bounded time, of the kind if there is one.
inline std::string_view some_bounded_window(feature::WindowKind kind, Rng& rng) {
  using feature::WindowKind;
  if (kind == WindowKind::kLifetime) return "1h";
  if (kind == WindowKind::kSession) return rng.below(2) == 0 ? "session(10s, 1m)" : "session(10s, 10m)";
  if (kind == WindowKind::kLast) return rng.below(2) == 0 ? "last(7, 20s)" : "last(20, 1h)";
  return some_window(kind, rng);
}

// Parameters, filters, ages and defaults of a cell, each line now and then another.
inline std::string some_options(const feature::testing::Cell& cell, bool retracts, Rng& rng) {
  using feature::AggregateKind;
  constexpr std::string_view kFieldOfType[] = {"night", "amount", "price", "name", "booked", "fee", "tags", "pos", "seen"};  // by TypeKind
  static_assert(std::size(kFieldOfType) == static_cast<size_t>(TypeKind::kMap) + 1);
  std::string out = fmt::format("over: [\"{}\"]", retracts ? some_bounded_window(cell.window, rng) : some_window(cell.window, rng));
  const bool many = cell.aggregate == AggregateKind::kQuantile && cell.window != feature::WindowKind::kSeries && rng.below(2) == 0;
  if (cell.type) out += fmt::format(", of: {}", kFieldOfType[static_cast<size_t>(cell.type->kind)]);
  if (cell.by) out += fmt::format(", by: {}", kFieldOfType[static_cast<size_t>(cell.by->kind)]);
  switch (cell.aggregate) {
    case AggregateKind::kFirstN:
    case AggregateKind::kLastN: out += fmt::format(", n: {}, distinct: {}", 1 + rng.below(4), rng.below(2) == 0); break;
    case AggregateKind::kTopK: out += fmt::format(", k: {}", 1 + rng.below(4)); [[fallthrough]];
    case AggregateKind::kCountDistinct:
    case AggregateKind::kCountBy:
    case AggregateKind::kSumBy: out += rng.below(2) == 0 ? ", cap: 3" : ""; break;
    case AggregateKind::kApproxCountDistinct: out += rng.below(2) == 0 ? ", precision: 4" : ""; break;
    case AggregateKind::kQuantile: out += many ? ", q: [0, 0.25, 1], error: 0.1" : ", q: 0.5"; break;
    case AggregateKind::kHistogram: out += rng.below(2) == 0 ? ", bounds: [0]" : ", bounds: [-0.3, 0.1, 50, 1e300]"; break;
    default: break;
  }
  Type answer = spec_of(cell)->result_type;
  if (cell.window == feature::WindowKind::kSeries) answer = answer.element_type();
  if ((answer == TypeKind::kInt64 || answer == TypeKind::kFloat64) && !many && rng.below(4) == 0) out += ", default: 7";
  if (rng.below(4) == 0) out += ", where: night";
  if (rng.below(4) == 0) out += ", ttl: 20s";
  return out;
}

// Topic `events`, view `spending`, service `model`: features for the cells of every_cell.h whose turn it is. `retracts`: a record with
// `takes_back` takes back the one at that offset.
inline std::string every_cell_definitions(Rng& rng, bool retracts = false) {
  const std::vector<feature::testing::Cell> all = feature::testing::every_cell();
  std::string features;
  for (size_t i = next_part(rng); i < all.size(); i += kCellParts) features += fmt::format("      c{}: {{{}: {{{}}}}}\n", i, to_string(all[i].aggregate), some_options(all[i], retracts, rng));
  const std::string rule = retracts ? "    retract: {when: \"takes_back is not null\", offset: takes_back}\n" : "";
  return R"yaml(
sources:
  events:
    topic: events
    format: json
    time: {field: at, unit: us}
    fields:
      {user: string, amount: int64, price: float64, name: string, night: bool, booked: timestamp, fee: "decimal(12,2)", tags: list<string>,
       pos: "vector<float64,3>", seen: "map<string,int64>", takes_back: int64}
    owner: tests
)yaml" + rule + R"yaml(entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: events
    where: "amount is null or amount >= 0"
    features:
)yaml" + features + R"yaml(    owner: tests
services:
  model: {features: [spending.*]}
)yaml";
}

// Members of the types that are not plain; a value that cannot be read now and then.
inline std::string random_nested(Rng& rng) {
  constexpr std::string_view kFees[] = {"0.1", "\"-12.34\"", "9999999999.99", "0", "-0.01", "12.5", "null", "0.001"};
  constexpr std::string_view kTags[] = {"[]", "[\"a\"]", "[\"a\",null,\"a text that is longer than fifteen bytes\"]", "null", "[\"b\",\"a\"]"};
  constexpr std::string_view kPositions[] = {"[0,0,0]", "[1,-2.5,1e300]", "[-0.0,0.1,1e300]", "[3,2,1]", "null", "[1,2]"};
  constexpr std::string_view kSeen[] = {"{}", "{\"a\":1}", "{\"b\":2,\"a\":null}", "null", "{\"c\":9223372036854775807}"};
  // the last of fees and positions are broken
  const auto one = [&](const auto& list, size_t broken) { return list[rng.below(rng.below(16) == 0 ? std::size(list) : std::size(list) - broken)]; };
  return fmt::format(R"("fee":{},"tags":{},"pos":{},"seen":{})", one(kFees, 1), one(kTags, 0), one(kPositions, 1), one(kSeen, 0));
}

// An event of users u0 to u7 around now: some late, some a little ahead of the clock, some that cannot be read.
inline std::string random_event(Rng& rng) {
  const int64_t now = system_clock().wall_us();
  int64_t at = now - static_cast<int64_t>(rng.below(30)) * kMicrosPerSecond;
  if (rng.below(10) == 0) at = now - static_cast<int64_t>(rng.below(2 * kMicrosPerHour));  // late
  if (rng.below(10) == 0) at = now + static_cast<int64_t>(rng.below(20'000));              // ahead of the clock
  switch (rng.below(40)) {
    case 0: return "not json";
    case 1: return fmt::format(R"({{"user":"u1","amount":"seven","at":{}}})", now);
    case 2: return fmt::format(R"({{"user":"u1","amount":1,"at":{}}})", now + kMicrosPerHour);  // beyond max_ahead
    default: break;
  }
  constexpr std::string_view kPrices[] = {"0.1", "-0.3", "1e300", "-1e300", "1.7976931348623157e308", "5e-324", "-0.0", "0.0", "null"};
  constexpr std::string_view kNames[] = {"\"tea\"", "\"\"", "\"a name that is longer than fifteen bytes\"", "\"salt\"", "\"rice\"", "null"};
  constexpr std::string_view kNights[] = {"true", "false", "null"};
  const std::string amount = rng.below(8) == 0 ? "null" : rng.below(8) == 0 ? "9223372036854775807" : std::to_string(static_cast<int64_t>(rng.below(100)) - 5);
  const std::string price = rng.below(2) == 0 ? fmt::format("{}", static_cast<double>(rng.below(1000)) / 7) : std::string(kPrices[rng.below(std::size(kPrices))]);
  std::string booked = std::to_string(static_cast<int64_t>(rng.below(5)) * kMicrosPerDay - kMicrosPerDay);
  if (rng.below(8) == 0) booked = rng.below(2) == 0 ? "null" : "\"tomorrow\"";  // a row only of views that do not ask for it
  return fmt::format(R"({{"user":"u{}","amount":{},"price":{},"name":{},"night":{},"booked":{},{},"at":{}}})", rng.below(8), amount, price,
                     kNames[rng.below(std::size(kNames))], kNights[rng.below(std::size(kNights))], booked, random_nested(rng), at);
}
inline std::vector<std::string> random_events(Rng& rng, size_t count) {
  std::vector<std::string> out(count);
  for (std::string& e : out) e = random_event(rng);
  return out;
}

// A server's inside: log, catalog and engine over one directory.
struct World {
  std::string dir;
  std::unique_ptr<log::Log> log;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<Engine> engine;
  uint32_t shards;
  FileSystem* fs = &posix_file_system();  // the engine's own
  const Clock* clock = &system_clock();
  size_t unwritten_bytes_max = 64u << 20;
  int64_t stop_checkpoint_ms = 60'000;

  explicit World(std::string directory, uint32_t shard_count = 2, size_t wal_segment_bytes = 1u << 20)
      : dir(std::move(directory)), shards(shard_count) {
    log = log::Log::open(log::by_hand({.dir = dir, .fs = &posix_file_system(), .clock = &system_clock(), .wal_segment_bytes = wal_segment_bytes})).value();
    catalog = catalog::Catalog::open(posix_file_system(), dir + "/catalog").value();
  }
  ~World() {
    if (engine) EXPECT_TRUE(engine->stop());
    engine.reset();
    if (log) EXPECT_TRUE(log->close());
  }

  void start() {
    EngineOptions options{.dir = dir, .fs = fs, .clock = clock, .shards = shards, .checkpoint_interval_ms = 3'600'000,
                          .stop_checkpoint_ms = stop_checkpoint_ms, .unwritten_bytes_max = unwritten_bytes_max};
    engine = Engine::start(options, *log, *catalog).value();
  }
  void define(std::string_view text) {
    const catalog::DefinitionFile file{"test.yaml", std::string(text)};
    const auto report = catalog->apply({&file, 1}, [&](std::string_view name) -> std::optional<TopicId> {
      const auto topic = log->find_topic(name);
      return topic ? std::optional(topic->id) : std::nullopt;
    });
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_TRUE(report->ok()) << report->text();
  }
  void produce(int32_t partition, const std::vector<std::string>& events) {
    std::vector<RecordToWrite> records;
    for (const std::string& e : events) records.push_back({.timestamp_ms = 0, .value = e});
    produce_batch("events", partition, build_record_batch({}, records).value());
  }
  void produce_batch(std::string_view topic, int32_t partition, const std::string& bytes) {
    std::promise<log::AppendOutcome> promise;
    std::vector<log::AppendPart> parts;
    parts.push_back({{log->find_topic(topic)->id, PartitionId{partition}}, Slice::copy(bytes)});
    log->append(std::move(parts), [&](std::vector<log::AppendOutcome> outcomes) { promise.set_value(outcomes[0]); });
    ASSERT_EQ(promise.get_future().get().error, log::AppendError::kNone);
  }
  OffsetVector ends() const {
    OffsetVector out;
    const auto topic = log->find_topic("events");
    for (int32_t p = 0; p < topic->partitions; ++p)
      out[{topic->id, PartitionId{p}}] = log->partition_state({topic->id, PartitionId{p}})->last_stable;
    return out;
  }
  void wait_until_applied() const {
    const int64_t deadline_us = system_clock().steady_us() + kPatienceUs;
    while (!engine->ready() || engine->applied() != ends()) {
      if (system_clock().steady_us() > deadline_us) FAIL() << "waited in vain until everything is applied" << where();
      std::this_thread::yield();
    }
  }
  // Per partition: applied of how many.
  std::string where() const {
    const OffsetVector applied = engine->applied();
    std::string out = engine->ready() ? "" : "; a view is not ready";
    for (const auto& [input, end] : ends()) {
      const auto at = applied.find(input);
      out += fmt::format("; partition {}: {} of {}", input.partition.value, at == applied.end() ? -1 : at->second.value, end.value);
    }
    return out;
  }
};

}  // namespace ms::engine::testing
