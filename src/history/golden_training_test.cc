// The golden files (tests/golden/README.md) as training sets: real topics, real runs of train(), the Parquet files that come out. The
// one place where their labels are answered.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <future>

#include "base/float_text.h"
#include "base/rng.h"
#include "base/testing/crash_file_system.h"
#include "catalog/planner.h"
#include "codec/decimal_text.h"
#include "codec/record_batch.h"
#include "codec/value_text.h"
#include "engine/testing/golden_parse.h"
#include "engine/timeline_writer.h"
#include "feature/state_testing.h"
#include "history/history_fixture.h"
#include "history/table.h"

namespace ms::history {
namespace {

using engine::testing::golden_files;
using engine::testing::GoldenAnswer;
using engine::testing::GoldenCase;
using engine::testing::GoldenEvent;
using engine::testing::GoldenFile;
using engine::testing::GoldenQuestion;

struct Mode {
  std::string_view name;
  unsigned threads = 1;
  uint64_t memory_bytes = 0;
  bool alone = false;     // a set for each question
  bool shuffled = false;  // the spine's rows in another order
  bool batches = false;   // neighbours of one append time in one record batch
  size_t packed_rows = feature::RowPacker::kRowsMost;
};
constexpr Mode kModes[] = {{.name = "train"},
                           {.name = "train_alone", .threads = 2, .alone = true, .batches = true},
                           {.name = "train_shuffled", .threads = 4, .shuffled = true, .packed_rows = 0},
                           {.name = "train_spilled", .threads = 2, .memory_bytes = 1, .batches = true, .packed_rows = 2}};

// What a question may know and how the set is asked for: questions that share it make one spine.
using Options = std::tuple<bool, bool, bool, std::map<int32_t, int64_t>, std::set<std::pair<int32_t, int64_t>>>;
Options options_of(const GoldenQuestion& q) { return {q.after_event, q.as_served, q.self.has_value(), q.pin, q.without}; }

using Position = std::pair<int32_t, int64_t>;

// A topic with the events of a case. Its offsets have no holes: `place` says where an event of the file lies.
class Topic {
 public:
  Topic(const GoldenCase& golden, const std::set<Position>& without, bool batches) {
    log_ = log::Log::open(log::by_hand({.dir = "/log", .fs = &fs_, .clock = &clock_, .wal_segment_bytes = 1u << 20})).value();
    std::vector<const GoldenEvent*> known;
    for (const GoldenEvent& e : golden.events) {
      partitions_ = std::max(partitions_, e.partition + 1);
      if (!without.contains(e.position())) known.push_back(&e);
    }
    id_ = log_->create_topic("events", partitions_, {}).value().id;
    for (size_t i = 0; i < known.size();) {
      size_t end = i + 1;
      while (batches && end < known.size() && known[end]->partition == known[i]->partition && known[end]->at == known[i]->at) ++end;
      append(std::span(known).subspan(i, end - i));
      i = end;
    }
  }

  log::Log& log() { return *log_; }
  TopicId id() const { return id_; }
  Position place(const Position& in_file) const { return places_.at(in_file); }
  // Of the offsets below those of the file.
  engine::OffsetVector pin(const std::map<int32_t, int64_t>& file) const {
    engine::OffsetVector out;
    for (int32_t p = 0; p < partitions_; ++p) {
      const auto until = file.find(p);
      const auto below = [&](const auto& place) {
        return place.first.first == p && (until == file.end() || place.first.second < until->second);
      };
      out[{id_, PartitionId{p}}] = Offset{std::ranges::count_if(places_, below)};
    }
    return out;
  }

  // A timeline on which two shards have applied every event at its append time, and view `name` has served all along.
  std::unique_ptr<engine::TimelineReader> timeline(const std::string& name, uint32_t version, int64_t from_us, int64_t until_us) {
    constexpr uint32_t kShards = 2;
    auto writer = engine::TimelineWriter::create(fs_, "/timeline", kShards, {from_us - 2}).value();
    engine::TimelineBlock block{.synced_until = {until_us}, .joins = {{name, version, {from_us - 1}}}};
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      engine::ShardPublishes publishes{.shard = shard, .first_publish = writer->publish_base() + 1};
      for (const auto& [at, moved] : appended_) {
        engine::PublishEntry& entry = publishes.publishes.emplace_back(Instant{at});
        for (const auto& [partition, until] : moved)
          entry.moved.push_back({writer->input_number({id_, PartitionId{partition}}), Offset{until}});
      }
      block.shards.push_back(std::move(publishes));
    }
    EXPECT_TRUE(writer->append(std::move(block)));
    return engine::TimelineReader::open(fs_, "/timeline").value();
  }

 private:
  // Events of one partition and append time.
  void append(std::span<const GoldenEvent* const> events) {
    const int32_t partition = events.front()->partition;
    std::vector<RecordToWrite> records;
    for (const GoldenEvent* e : events) records.push_back({.timestamp_ms = 0, .key = {}, .value = e->json, .headers = {}});
    clock_.set(events.front()->at);
    std::promise<log::AppendOutcome> promise;
    std::vector<log::AppendPart> parts;
    parts.push_back({{id_, PartitionId{partition}}, Slice::copy(build_record_batch({}, records).value())});
    log_->append(std::move(parts), [&](std::vector<log::AppendOutcome> outcomes) { promise.set_value(outcomes[0]); });
    const log::AppendOutcome outcome = promise.get_future().get();
    EXPECT_EQ(outcome.append_time.us, events.front()->at);
    int64_t offset = outcome.base_offset.value;
    for (const GoldenEvent* e : events) places_[e->position()] = {partition, offset++};
    appended_[events.front()->at][partition] = offset;
  }

  ms::testing::CrashFileSystem fs_{1};
  ManualClock clock_{0};
  std::unique_ptr<log::Log> log_;
  TopicId id_;
  int32_t partitions_ = 1;
  std::map<Position, Position> places_;
  std::map<int64_t, std::map<int32_t, int64_t>> appended_;  // by append time: the offsets after those of each partition
};

// "VALUE STATUS @EVENT_TIME" of each row.
std::vector<std::string> answers_of(const Table& table, const std::string& name, const Type& type) {
  Column values, statuses, times;
  const size_t column = table.find(name).value();
  EXPECT_TRUE(table.check(column, type).has_value() || type == TypeKind::kTimestamp) << name;
  if (type == TypeKind::kTimestamp) table.fill_time(column, std::nullopt, 0, table.rows(), values);
  else table.fill(column, type, 0, table.rows(), values);
  table.fill(table.find(name + "__status").value(), TypeKind::kString, 0, table.rows(), statuses);
  table.fill_time(table.find(name + "__event_time").value(), std::nullopt, 0, table.rows(), times);
  const auto value = [&](size_t i) -> std::string {
    if (!values.valid(i)) return "null";
    switch (type.kind) {
      case TypeKind::kBool:
        return values.bools[i] != 0 ? "true" : "false";
      case TypeKind::kInt64:
        return std::to_string(values.ints[i]);
      case TypeKind::kTimestamp:
        return format_time(values.ints[i]);
      case TypeKind::kString:
        return '"' + std::string(values.strings[i]) + '"';
      case TypeKind::kDecimal:
        return decimal_text(values.decimals[i], type.scale);
      case TypeKind::kList:
      case TypeKind::kVector:
      case TypeKind::kMap:
        return nested_text(type, values.strings[i]);
      case TypeKind::kFloat64:
        return float_text(values.floats[i]);
    }
    return "";
  };
  std::vector<std::string> out;
  for (size_t i = 0; i < table.rows(); ++i)
    out.push_back(fmt::format("{} {} @{}", value(i), statuses.strings[i], times.valid(i) ? format_time(times.ints[i]) : "none"));
  return out;
}

using Answers = std::map<std::string, std::string>;  // by column
using Json = nlohmann::json;

class GoldenTraining {
 public:
  explicit GoldenTraining(const GoldenCase& golden) : golden_(golden) {}

  Result<std::vector<std::string>> run() {
    TRY(compile());
    std::map<Options, std::vector<const GoldenQuestion*>> sets;
    for (const GoldenQuestion& q : golden_.questions)
      if (!has_dead_self(q) && !has_null_text(q)) sets[options_of(q)].push_back(&q);
    for (const auto& [options, questions] : sets) {
      std::map<size_t, Answers> first;  // of mode train, by line
      for (const Mode& mode : kModes) {
        std::map<size_t, Answers> said;
        if (auto done = ask(questions, mode, said); !done) return Unexpected(done.error().within(mode.name));
        if (first.empty()) first = said;
        for (const GoldenQuestion* q : questions) check(*q, mode, said[q->line], first[q->line]);
      }
    }
    return std::move(failures_);
  }

 private:
  Result<> compile() {
    const catalog::DefinitionFile file{"golden.yaml", golden_.definitions};
    const auto planned = catalog::plan_definitions({}, catalog::parse_definitions({&file, 1}), nullptr);
    if (!planned.report.ok()) return invalid(planned.report.text());
    const auto& view = planned.next->views.at(0);
    catalog::ServiceEntry all{.definition = {"all", {"all"}}, .version = 1, .views = {view}};
    for (uint32_t f = 0; f < view->program->features().size(); ++f) all.columns.push_back({view->program->features()[f].name, 0, f});
    for (const auto& service : planned.next->services) {
      if (!service->labels.empty()) all.labels = service->labels;
      if (service->program == nullptr) continue;
      if (service->columns.size() != all.columns.size()) return invalid("a service with derived features takes all features of the view");
      all.program = service->program, all.definition.derived = service->definition.derived, all.derived_hashes = service->derived_hashes;
    }
    service_ = training_service(all);
    return {};
  }

  // A dead letter is no row, and none can be asked for without it.
  bool has_dead_self(const GoldenQuestion& q) const {
    return q.self && std::ranges::any_of(golden_.dead, [&](const auto& d) { return Position{d.partition, d.offset} == *q.self; });
  }

  // Spines are CSV, where an empty text is a text.
  bool has_null_text(const GoldenQuestion& q) const {
    const Json request = request_of(q);
    return std::ranges::any_of(request_fields(), [&](const feature::Field& f) { return f.type == TypeKind::kString && request.value(f.name, Json()).is_null(); });
  }
  std::span<const feature::Field> request_fields() const {
    return service_.program == nullptr ? std::span<const feature::Field>() : std::span(service_.program->request());
  }
  static Json request_of(const GoldenQuestion& q) { return q.request.empty() ? Json::object() : Json::parse(q.request); }
  static std::string csv_text(const Json& value) {
    std::string out = "\"";
    for (const char c : value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump()) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + '"';
  }

  static bool begins_at_t(const TrainView& view, uint32_t feature) {
    return view.ahead_us != 0 && view.program->specs()[feature].window.length_us == view.ahead_us;
  }
  // The service without the labels that begin at t.
  TrainService with_later_labels() const {
    TrainService out = service_;
    std::erase_if(out.columns, [&](const TrainColumn& c) { return begins_at_t(out.views[c.view], c.feature); });
    for (size_t v = out.views.size(); v-- > 0;) {
      if (std::ranges::any_of(out.columns, [&](const TrainColumn& c) { return c.view == v; })) continue;
      out.views.erase(out.views.begin() + static_cast<ptrdiff_t>(v));
      for (TrainColumn& c : out.columns) c.view -= c.view > v;
    }
    return out;
  }

  Result<> ask(const std::vector<const GoldenQuestion*>& questions, const Mode& mode, std::map<size_t, Answers>& said) {
    if (!mode.alone) return train_set(questions, mode, said);
    for (const GoldenQuestion* q : questions) TRY(train_set({q}, mode, said));
    return {};
  }

  std::string spine_of(const std::vector<const GoldenQuestion*>& questions, const Topic& topic) const {
    std::string out;
    for (const feature::Field& key : service_.views[0].program->key_fields()) out += key.name + ",";
    out += "asked_at,own_partition,own_offset";
    for (const feature::Field& f : request_fields()) out += ",request." + f.name;
    out += '\n';
    for (const GoldenQuestion* q : questions) {
      const auto [partition, offset] = q->self ? topic.place(*q->self) : Position{0, 0};
      out += fmt::format("{},{},{},{}", q->key, format_time(q->t), partition, offset);
      const Json request = request_of(*q);
      for (const feature::Field& f : request_fields()) out += "," + csv_text(request.value(f.name, Json()));
      out += '\n';
    }
    return out;
  }

  // All of one Options.
  Result<> train_set(std::vector<const GoldenQuestion*> questions, const Mode& mode, std::map<size_t, Answers>& said) {
    Rng rng(questions.front()->line);
    for (size_t i = questions.size(); mode.shuffled && i > 1; --i) std::swap(questions[i - 1], questions[rng.below(i)]);
    const GoldenQuestion& one = *questions.front();
    Topic topic(golden_, one.without, mode.batches);
    TrainService service = one.after_event ? with_later_labels() : service_;
    for (TrainService* s : {&service, &service_})
      for (TrainView& view : s->views) view.topic = topic.id();
    const Directory dir;
    TrainRequest request{.spine = dir.write("spine.csv", spine_of(questions, topic)),
                         .out = dir / "out.parquet",
                         .time_column = "asked_at",
                         .mode = one.as_served ? TrainMode::kAsServed : TrainMode::kAsKnown,
                         .after_event = one.after_event && !one.self,
                         .exclude_self = one.self.has_value(),
                         .statuses = true,
                         .event_times = true,
                         .threads = mode.threads,
                         .memory_bytes = mode.memory_bytes};
    if (one.self) request.self_partition = "own_partition", request.self_offset = "own_offset";
    if (!one.pin.empty()) request.pin = topic.pin(one.pin);
    int64_t from_us = 0, until_us = 0;
    for (const GoldenEvent& e : golden_.events) from_us = std::min(from_us, e.at), until_us = std::max(until_us, e.at);
    for (const GoldenQuestion* q : questions) from_us = std::min(from_us, q->t), until_us = std::max(until_us, q->t);
    const auto timeline = one.as_served ? topic.timeline(service.views[0].name, service.views[0].version, from_us, until_us) : nullptr;
    const ManualClock clock(until_us);
    const TrainInputs inputs{.fs = &posix_file_system(), .clock = &clock, .log = &topic.log(), .timeline = timeline.get()};
    const feature::testing::PackedRowsAtMost few(mode.packed_rows);
    if (service.columns.size() < service_.columns.size()) expect_refusal(request, inputs);
    TRY_ASSIGN(const TrainReport report, train(service, request, inputs, {}, {}));
    if (mode.memory_bytes == 1 && report.events > 0 && report.spilled_bytes == 0) failures_.push_back("nothing was spilled");
    TRY_ASSIGN(const auto table, Table::read(request.out, std::nullopt, 1));
    for (const TrainColumn& column : service.columns) {
      const auto texts = answers_of(*table, column.name, service.views[column.view].program->features()[column.feature].type);
      for (size_t i = 0; i < questions.size(); ++i) said[questions[i]->line][column.name] = texts[i];
    }
    for (size_t d = 0; d < service.derived.size(); ++d) {
      const auto texts = answers_of(*table, service.derived[d].first, service.program->results()[d].type);
      for (size_t i = 0; i < questions.size(); ++i) said[questions[i]->line][service.derived[d].first] = texts[i];
    }
    return {};
  }

  // With events at t among the features, no label may begin there.
  void expect_refusal(const TrainRequest& request, const TrainInputs& inputs) {
    const auto report = train(service_, request, inputs, {}, {});
    if (report || report.error().message.find("begins at the row's own time") == std::string::npos)
      failures_.push_back(fmt::format("case '{}': labels from t on beside features at t are not refused", golden_.name));
  }

  void check(const GoldenQuestion& q, const Mode& mode, const Answers& said, const Answers& first) {
    for (const GoldenAnswer& a : q.answers) {
      const auto found = said.find(a.feature);
      if (found == said.end()) {
        failures_.push_back(fmt::format("line {}: {}: no column '{}'", a.line, mode.name, a.feature));
        continue;
      }
      std::string wanted = fmt::format("{} {} @", a.value, a.status);
      if (a.event_time) wanted += *a.event_time == feature::kNoEventTime ? "none" : format_time(*a.event_time);
      if (a.event_time ? found->second != wanted : !found->second.starts_with(wanted))
        failures_.push_back(fmt::format("line {}: {}: {} = {}, expected {}", a.line, mode.name, a.feature, found->second, wanted));
    }
    for (const auto& [column, text] : said)
      if (text != first.at(column))
        failures_.push_back(
            fmt::format("line {}: {}: {} = {}\n  {}: {}", q.line, mode.name, column, text, kModes[0].name, first.at(column)));
  }

  const GoldenCase& golden_;
  TrainService service_;
  std::vector<std::string> failures_;
};

std::vector<std::string> failures_of(const GoldenCase& golden) {
  auto failures = GoldenTraining(golden).run();
  if (!failures) return {fmt::format("case '{}' (line {}): {}", golden.name, golden.line, failures.error().message)};
  return std::move(*failures);
}

// A log's time begins in 1970.
bool fits_a_log(const GoldenCase& golden) { return golden.events.empty() || golden.events.front().at >= 0; }

size_t expect_all(const std::vector<GoldenFile>& files) {
  size_t cases = 0;
  for (const GoldenFile& file : files) {
    for (const GoldenCase& c : file.cases) {
      if (!fits_a_log(c)) continue;
      ++cases;
      std::string all;
      for (const std::string& line : failures_of(c)) all += line + "\n";
      EXPECT_TRUE(all.empty()) << file.name << ", case '" << c.name << "', mode train:\n" << all;
    }
  }
  return cases;
}

// Sanitizers take ten times as long: there the tables of all cells are left to the other builds.
TEST(GoldenTraining, EveryCase) {
  std::vector<GoldenFile> files = golden_files();
#ifdef MS_SANITIZED
  std::erase_if(files, [](const GoldenFile& file) { return file.name.starts_with("cells"); });
#endif
  EXPECT_GE(expect_all(files), 50u);
}

// tests/oracle/test_random_definitions.py writes such a directory.
TEST(GoldenTraining, EveryCaseOfTheDirectoryInMsGolden) {
  const char* directory = std::getenv("MS_GOLDEN");
  if (directory == nullptr) GTEST_SKIP() << "MS_GOLDEN names no directory";
  EXPECT_FALSE(golden_files(directory).empty());
  expect_all(golden_files(directory));
}

constexpr std::string_view kGood = R"golden(definitions
  sources:
    events: {topic: events, format: json, time: {field: at, unit: rfc3339}, fields: {user: string, x: int64}, owner: tests}
  entities:
    user: {key: [user]}
  views:
    v: {entity: user, from: events, features: {x: {sum: {of: x, over: [1h]}}}, owner: tests}
  services:
    s: {features: [v.*], labels: {v: {x: {sum: {of: x, over: ["next(10m)", "next(10m, 20m)"]}}}}}
day 2026-01-01
case a sum
events
  10:00:00 0/1 {"user": "u", "at": "@10:00:00", "x": 3}
  10:10:00 1/2 {"user": "u", "at": "@10:10:00", "x": 4}
  10:20:00 0/7 {"user": "w", "at": "@10:20:00", "x": 5}
questions
  u 10:00:00
    x_sum_1h = null EMPTY_WINDOW @none
    x_sum_next_10m = 3 @10:00:00
    x_sum_next_10m_to_20m = 4 @10:10:00
  u 10:00:01
    x_sum_1h = 3
    x_sum_next_10m = 4
    x_sum_next_10m_to_20m = null NOT_MATURE @none
  u 10:00:00 after_event
    x_sum_1h = 3
    x_sum_next_10m_to_20m = 4
)golden";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kGood);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::vector<std::string> failures_of(std::string_view text) {
  const auto golden = engine::testing::parse_golden(text);
  if (!golden) return {golden.error().message};
  return failures_of(golden->front());
}

TEST(GoldenTrainingRunner, TakesWhatIsRight) { EXPECT_EQ(failures_of(kGood), std::vector<std::string>{}); }

TEST(GoldenTrainingRunner, NoticesEveryPlantedMistakeInEveryMode) {
  const std::pair<std::string_view, std::string_view> mistakes[] = {
      {"x_sum_next_10m = 3", "x_sum_next_10m = 7"},                // a value
      {"null NOT_MATURE", "null EMPTY_WINDOW"},                    // a status
      {"4 @10:10:00", "4 @10:00:00"},                              // an event time
      {"null NOT_MATURE @none", "null NOT_MATURE @10:10:00"},      // an event time that there is not
      {"x_sum_next_10m_to_20m = 4", "x_sum_next_20m_to_30m = 4"},  // a label that there is not
      {"x_sum_1h = 3", "x_sum_1h = 4"},                            // a feature
      {"u 10:00:00\n", "u 10:00:00 without 0/7\n"},                // another question
      {"u 10:00:00\n", "u 10:00:00 pin 0/7\n"},
      {"x_sum_1h = 3\n    x_sum_next_10m_to_20m",
       "x_sum_1h = 3\n    x_sum_next_10m = 3\n    x_sum_next_10m_to_20m"},  // is not asked after the event
  };
  for (const auto& [from, to] : mistakes) EXPECT_GE(failures_of(with(from, to)).size(), std::size(kModes)) << to;
}

}  // namespace
}  // namespace ms::history
