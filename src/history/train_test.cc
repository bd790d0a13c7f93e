#include "history/train.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/clock.h"
#include "base/testing/crash_file_system.h"
#include "history/history_fixture.h"
#include "history/manifest.h"
#include "history/row_groups_fixture.h"
#include "history/table.h"

namespace ms::history {
namespace {

// Out of order on purpose, with a null delay, a null key and a time that cannot be read.
constexpr std::string_view kEvents =
    "date,origin,delay,carrier\n"
    "2001-01-01 00:10:00,ORD,10,AA\n"
    "2001-01-01 00:05:00,ORD,30,BB\n"
    "2001-01-01 00:20:00,JFK,5,AA\n"
    "2001-01-01 00:30:00,ORD,,CC\n"
    "2001-01-01 00:40:00,,7,AA\n"
    "2001-01-01 01:08:00,ORD,20,DD\n";
// Not sorted; a tie with an event; a key nobody has heard of.
constexpr std::string_view kSpine =
    "note,origin,event_time\n"
    "last,ORD,2001-01-01 01:20:00\n"
    "tie,ORD,2001-01-01 00:10:00\n"
    "other,JFK,2001-01-01 00:21:00\n"
    "nobody,XXX,2001-01-01 00:21:00\n"
    "hour,ORD,2001-01-01 01:08:00\n";

struct Job {
  Directory dir;
  TrainService service = flights_service();
  TrainRequest request;
  std::string data_dir;
  ManualClock clock{0};
  std::stop_source stop;
  ProgressSink progress;

  explicit Job(std::string_view spine = kSpine, std::string_view events = kEvents) {
    request.spine = dir.write("spine.csv", spine);
    request.out = dir / "out.parquet";
    request.event_files["flights"] = dir.write("events.csv", events);
    request.threads = 2;
  }
  Result<TrainReport> operator()() {
    return train(service, request, {.fs = &posix_file_system(), .clock = &clock, .data_dir = data_dir}, progress, stop.get_token());
  }
  std::shared_ptr<const Table> output() {
    auto table = Table::read(request.out, std::nullopt, 1);
    EXPECT_TRUE(table) << table.error().message;
    return *table;
  }
  Column column(const std::string& name, TypeKind type) {
    const auto table = output();
    Column out;
    const auto at = table->find(name);
    EXPECT_TRUE(at) << at.error().message;
    table->fill(*at, type, 0, table->rows(), out);
    keep = table;
    return out;
  }
  std::shared_ptr<const Table> keep;  // texts are views into it
};

std::vector<std::string> texts(const Column& column) { return {column.strings.begin(), column.strings.end()}; }

TEST(Train, AnswersEveryRowInTheSpinesOrder) {
  Job run;
  run.request.statuses = run.request.event_times = true;
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->rows, 5u);
  EXPECT_EQ(report->features, 7u);
  EXPECT_EQ(texts(run.column("note", TypeKind::kString)), (std::vector<std::string>{"last", "tie", "other", "nobody", "hour"}));
  // (t - 1 h, t): of ORD at 01:20 the events of 00:30 and 01:08; at 00:10 that of 00:05 but not its own; at 01:08 three.
  EXPECT_EQ(run.column("n_count_1h", TypeKind::kInt64).ints, (std::vector<int64_t>{2, 1, 1, 0, 2}));
  const Column max = run.column("delay_max_1h", TypeKind::kInt64);
  EXPECT_EQ(max.ints, (std::vector<int64_t>{20, 30, 5, 0, 10}));
  EXPECT_FALSE(max.valid(3));
  EXPECT_EQ(texts(run.column("carrier_last", TypeKind::kString)), (std::vector<std::string>{"DD", "BB", "AA", "", "CC"}));
  const Column stddev = run.column("delay_stddev_1h", TypeKind::kFloat64);
  EXPECT_FALSE(stddev.valid(0));
  EXPECT_EQ(texts(run.column("delay_max_1h__status", TypeKind::kString))[3], "EMPTY_WINDOW");
  EXPECT_EQ(texts(run.column("delay_max_1h__status", TypeKind::kString))[0], "PRESENT");
  const Column times = run.column("n_count_1h__event_time", TypeKind::kTimestamp);
  EXPECT_EQ(format_time(times.ints[0]), "2001-01-01T01:08:00.000000Z");
  EXPECT_FALSE(times.valid(3));
}

// A CSV does not say what is a text; the definitions do.
TEST(Train, TextKeysOfACsvMayLookLikeAnything) {
  Job run("origin,event_time\n7,2001-01-01 01:00:00\n007,2001-01-01 01:00:00\ntrue,2001-01-01 01:00:00\n",
          "date,origin,delay,carrier,price,cancelled,booked\n2001-01-01 00:50:00,007,5,1,,,\n2001-01-01 00:55:00,true,6,2,,,\n");
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(run.column("n_count_1h", TypeKind::kInt64).ints, (std::vector<int64_t>{0, 1, 1}));
}

TEST(Train, CountsTheEventItselfWhenAsked) {
  Job run;
  run.request.after_event = true;
  ASSERT_TRUE(run());
  EXPECT_EQ(run.column("n_count_1h", TypeKind::kInt64).ints, (std::vector<int64_t>{2, 2, 1, 0, 3}));
}

TEST(Train, WritesWhatItWasMadeFrom) {
  Job run;
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  const auto manifest = read_file(posix_file_system(), report->manifest);
  ASSERT_TRUE(manifest);
  for (const char* part : {"\"format\": \"millstream training set\"", "\"service_version\": 3", "\"hash\": \"hash6\"", "\"mode\": \"as_known\"",
                           "\"time_column\": \"event_time\"", "\"rows\": 5", "\"crc32c\"", "\"language_version\""})
    EXPECT_NE(manifest->find(part), std::string::npos) << part << " in " << *manifest;
  EXPECT_EQ(run.dir.files(), 4u);  // spine, events, output, manifest
  const auto pin = read_pin(*manifest, "m");
  ASSERT_TRUE(pin);
  EXPECT_TRUE(pin->empty());
  EXPECT_FALSE(read_pin("{}", "m"));
}

TEST(Manifest, TheWorkedExampleIsAPin) {
  const auto page = read_file(posix_file_system(), std::string(MS_SOURCE_DIR) + "/docs/formats/manifest.md");
  ASSERT_TRUE(page);
  constexpr std::string_view kFence = "```json manifest\n";
  const size_t begin = page->find(kFence) + kFence.size();
  const auto pin = read_pin(std::string_view(*page).substr(begin, page->find("```", begin) - begin), "manifest.md");
  ASSERT_TRUE(pin) << pin.error().message;
  const TopicId topic{*Uuid::parse("4b1e8a52-7c39-4f0e-9d7a-0a6f1d2c3b4e")};
  EXPECT_EQ(*pin, (engine::OffsetVector{{{topic, PartitionId{0}}, Offset{1200}}, {{topic, PartitionId{1}}, Offset{1187}}}));
}

TEST(Train, RefusesWithTheRow) {
  Job null_time("origin,event_time\nORD,2001-01-01 00:00:00\nORD,\n");
  auto report = null_time();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kInvalidArgument);
  EXPECT_NE(report.error().message.find("row 2: the time 'event_time' is null"), std::string::npos) << report.error().message;
  EXPECT_EQ(null_time.dir.files(), 2u);

  Job empty_key("origin,event_time\nORD,2001-01-01 00:00:00\n,2001-01-01 00:00:00\n");
  report = empty_key();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("row 2: the key 'origin' is null"), std::string::npos) << report.error().message;

  Job csv;
  csv.request.out = csv.dir / "out.csv";
  report = csv();
  ASSERT_FALSE(report);
  EXPECT_TRUE(report.error().message.ends_with("out.csv: a training set is a Parquet file; name it .parquet")) << report.error().message;

  Job no_key("orign,event_time\nORD,2001-01-01 00:00:00\n");
  report = no_key();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("there is no column 'origin'; did you mean 'orign'?"), std::string::npos) << report.error().message;

  Job taken("origin,event_time,n_count_1h\nORD,2001-01-01 00:00:00,1\n");
  report = taken();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("also the name of a feature"), std::string::npos) << report.error().message;

  Job mistyped(kSpine, "date,origin,delay,carrier\n2001-01-01 00:10:00,ORD,x,AA\n");
  report = mistyped();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("column 'delay' is string, wanted int64"), std::string::npos) << report.error().message;
}

TEST(Train, RefusesModesThatTheInputsCannotAnswer) {
  Job served;
  served.request.mode = TrainMode::kAsServed;
  EXPECT_EQ(served().error().kind, ErrorKind::kInvalidArgument);
  Job logless;
  logless.request.event_files.clear();
  EXPECT_NE(logless().error().message.find("--events flights=FILE"), std::string::npos);
  Job stranger;
  stranger.request.event_files["trains"] = "x.csv";
  EXPECT_NE(stranger().error().message.find("has no source 'trains'"), std::string::npos);
  Job packed;
  packed.request.compression = "gzip9";
  EXPECT_EQ(packed().error().kind, ErrorKind::kInvalidArgument);
}

TEST(Train, ACancelledRunLeavesNothingAndKeepsAnOlderFile) {
  // In each phase the progress itself pulls the cord.
  for (const std::string_view phase : {"reading", "replaying"}) {
    Job run;
    run.dir.write("out.parquet", "an older one");
    run.progress = [&](const TrainProgress& p) {
      if (p.phase == phase) run.stop.request_stop();
    };
    const auto report = run();
    ASSERT_FALSE(report) << phase;
    EXPECT_EQ(report.error().kind, ErrorKind::kCancelled) << phase;
    EXPECT_EQ(run.dir.files(), 3u) << phase;
    EXPECT_EQ(*read_file(posix_file_system(), run.request.out), "an older one") << phase;
  }
}

// The output and its manifest belong together: both or none of them.
TEST(Train, AnOutputThatCannotGetItsManifestIsNotWritten) {
  Job run;
  run.dir.write("out.parquet", "older");
  std::filesystem::create_directories(run.dir / "taken/out.json");  // no file can have this name
  run.request.manifest = run.dir / "taken/out.json";
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("taken/out.json"), std::string::npos) << report.error().message;
  EXPECT_EQ(*read_file(posix_file_system(), run.request.out), "older");
  EXPECT_EQ(run.dir.files(), 4u);  // spine, events, the older output, the directory in the way
}

// Nor does it take the older one's manifest away, when something comes into the way of the output at the last moment.
TEST(Train, AnOutputThatCannotBeNamedLeavesTheOlderManifest) {
  for (const bool had_manifest : {true, false}) {
    Job run;
    run.request.manifest = run.dir / "out.json";
    if (had_manifest) run.dir.write("out.json", "older");
    run.progress = [&](const TrainProgress&) { std::filesystem::create_directories(run.request.out); };
    const auto report = run();
    ASSERT_FALSE(report);
    EXPECT_NE(report.error().message.find("out.parquet"), std::string::npos) << report.error().message;
    EXPECT_EQ(run.dir.files(), had_manifest ? 4u : 3u);  // spine, events, the directory in the way
    if (had_manifest) EXPECT_EQ(*read_file(posix_file_system(), run.request.manifest), "older");
  }
}

// Before anything is read: nothing that the job is told to read or to write is in the way of something else.
TEST(Train, RefusesToWriteOverWhatItReadsOrWrites) {
  const auto refuses = [](const auto& change) {
    Job run;
    run.request.manifest = run.dir / "out.json";
    change(run.request, run.dir);
    run.progress = [](const TrainProgress&) { FAIL() << "the job began"; };
    const size_t files = run.dir.files();
    const auto report = run();
    EXPECT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::kInvalidArgument);
    EXPECT_EQ(run.dir.files(), files);
  };
  using Request = TrainRequest;
  refuses([](Request& r, const Directory& d) { std::filesystem::create_directories(r.out = d / "directory"); });
  refuses([](Request& r, const Directory& d) { std::filesystem::create_directories(r.manifest = d / "directory"); });
  refuses([](Request& r, const Directory& d) { std::filesystem::create_symlink("/dev/null", r.out = d / "device"); });
  refuses([](Request& r, const Directory&) { r.manifest = r.out; });
  refuses([](Request& r, const Directory& d) { r.manifest = d / "./out.parquet"; });
  refuses([](Request& r, const Directory&) { r.manifest = r.out + ".tmp"; });
  refuses([](Request& r, const Directory&) { r.out = r.manifest + ".tmp"; });
  refuses([](Request& r, const Directory&) { r.out = r.spine; });
  refuses([](Request& r, const Directory&) { r.manifest = r.spine; });
  refuses([](Request& r, const Directory&) { r.out = r.event_files["flights"]; });
  refuses([](Request& r, const Directory&) { r.manifest = r.event_files["flights"]; });
  refuses([](Request& r, const Directory& d) { std::filesystem::create_symlink(r.spine, r.manifest = d / "link"); });
  refuses([](Request& r, const Directory& d) { std::filesystem::copy_file(r.spine, d / "out.parquet.tmp"), r.spine = d / "out.parquet.tmp"; });
}

TEST(Train, RefusesToWriteIntoTheServersDirectory) {
  for (const std::string& name : {"FORMAT", "objects/new.parquet", "wal/../new.parquet"}) {
    Job run;
    for (const char* part : {"/objects", "/wal"}) std::filesystem::create_directories((run.data_dir = run.dir / "data") + part);
    std::filesystem::create_symlink(run.data_dir, run.dir / "link");
    for (const std::string& around : {run.data_dir, run.dir / "link", run.dir / "data/wal/.."}) {
      for (const bool is_manifest : {false, true}) {
        run.request.out = is_manifest ? run.dir / "out.parquet" : around + "/" + name;
        run.request.manifest = is_manifest ? around + "/" + name : run.dir / "out.json";
        const auto report = run();
        ASSERT_FALSE(report) << around;
        EXPECT_NE(report.error().message.find("choose a place outside"), std::string::npos) << report.error().message;
      }
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(run.data_dir)) EXPECT_TRUE(entry.is_directory()) << entry.path();
    run.request = {.spine = run.request.spine, .out = run.dir / "data.parquet", .event_files = run.request.event_files};  // only begins alike
    EXPECT_TRUE(run());
  }
}

// What train() has reported is there after a power loss, and on a full disk there is nothing of it.
TEST(Train, TheOutputIsOnTheDisk) {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    Job run;
    testing::CrashFileSystem fs(seed);
    const std::string dir = std::filesystem::path(run.request.out).parent_path().string();
    ASSERT_TRUE(fs.create_directories(dir));
    for (const std::string& path : {run.request.spine, run.request.event_files["flights"]})
      ASSERT_TRUE(write_file_atomically(fs, path, *read_file(posix_file_system(), path)));
    const TrainInputs inputs{.fs = &fs, .clock = &run.clock};
    fs.set_capacity(fs.used_bytes() + 1'000);
    const auto full = train(run.service, run.request, inputs, {}, {});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().kind, ErrorKind::kExhausted) << full.error().message;
    EXPECT_EQ(fs.list(dir)->size(), 2u);
    fs.set_capacity(1u << 30);
    const auto report = train(run.service, run.request, inputs, {}, {});
    ASSERT_TRUE(report) << report.error().message;
    fs.power_cycle();
    const auto out = read_file(fs, run.request.out), manifest = read_file(fs, report->manifest);
    ASSERT_TRUE(out && manifest);
    EXPECT_TRUE(out->starts_with("PAR1") && out->ends_with("PAR1"));
    EXPECT_TRUE(read_pin(*manifest, "m"));
  }
}

TEST(Train, RefusesASpineWithoutRows) {
  Job run("origin,event_time\n");
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_TRUE(report.error().message.ends_with("spine.csv: it has no rows")) << report.error().message;
}

TEST(Train, RefusesFilesAndDirectoriesThatAreNotThere) {
  const auto refusal = [](const auto& change) {
    Job run;
    change(run);
    const auto report = run();
    EXPECT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::kInvalidArgument);
    return report.error().message;
  };
  EXPECT_TRUE(refusal([](Job& run) { run.request.spine = run.dir / "no.csv"; }).ends_with("no.csv: No such file or directory"));
  EXPECT_TRUE(refusal([](Job& run) { run.request.event_files["flights"] = run.dir / "no.parquet"; }).ends_with("no.parquet: No such file or directory"));
  EXPECT_NE(refusal([](Job& run) { run.request.out = run.dir / "no/out.parquet"; }).find("no/out.parquet: there is no directory '"), std::string::npos);
}

// Every value of every row, bit by bit.
bool same(const Table& a, const Table& b) {
  return a.arrow()->Equals(*b.arrow(), arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false));
}

// Over the fields that the file has.
std::vector<feature::testing::Cell> plain_cells(Rng& rng) {
  std::vector<feature::testing::Cell> all = feature::testing::every_cell(), some;
  std::erase_if(all, [](const feature::testing::Cell& c) { return c.type.value_or(TypeKind::kInt64).kind > TypeKind::kTimestamp || c.by.value_or(TypeKind::kInt64).kind > TypeKind::kTimestamp; });
  for (int i = 0; i < 20; ++i) some.push_back(all[rng.below(all.size())]);
  return some;
}

// Neither the memory, nor the threads, nor the order of the events, nor reading them by row groups.
TEST(Train, HowItIsMadeChangesNoBit) {
  Rng rng(11);
  for (int round = 0; round < 4; ++round) {
    std::vector<std::string> events;
    std::string spine = "note,origin,event_time\n";
    const int64_t start = *parse_time("2001-01-01");
    const auto second = [&](uint64_t s) { return format_time(start + static_cast<int64_t>(s) * kMicrosPerSecond).substr(0, 19); };
    for (uint64_t i = 0; i < 20'000; ++i)  // no two at one time: which of them is the last would depend on their order
      events.push_back(second(i * 7919 % 30'011) + ",K" + std::to_string(rng.below(500)) + "," +
                       (rng.below(9) == 0 ? "" : std::to_string(rng.below(100))) + ",C" + std::to_string(rng.below(3)) + "," +
                       std::to_string(rng.below(50)) + ".25," + (rng.below(2) == 0 ? "true" : "false") + "," + second(rng.below(30'000)) +
                       "\n");
    for (int i = 0; i < 3'000; ++i)
      spine += std::to_string(i) + ",K" + std::to_string(rng.below(700)) + "," + second(rng.below(30'000)) + "\n";
    const TrainService service = round == 0 ? flights_service() : service_of(view_of(plain_cells(rng), rng));
    std::shared_ptr<const Table> expected;
    for (const uint64_t memory : {uint64_t{1} << 40, uint64_t{1}, uint64_t{1} << 20}) {
      for (const unsigned threads : {1u, 2u, 4u}) {
        std::string text = "date,origin,delay,carrier,price,cancelled,booked\n";
        for (const std::string& event : events) text += event;
        Job run(spine, text);
        run.service = service;
        run.request.memory_bytes = memory, run.request.threads = threads;
        run.request.statuses = run.request.event_times = true;
        if (threads == 2) {
          const auto table = Table::read(run.request.event_files["flights"], std::nullopt, 1, {{"origin", TypeKind::kString}});
          ASSERT_TRUE(table) << table.error().message;
          write_in_groups(**table, run.request.event_files["flights"] = run.dir / "events.parquet", 700);
        }
        const size_t files = run.dir.files();
        const auto report = run();
        ASSERT_TRUE(report) << report.error().message;
        if (memory == 1) EXPECT_GT(report->spilled_bytes, 0u);
        if (memory == uint64_t{1} << 40) EXPECT_EQ(report->spilled_bytes, 0u);
        EXPECT_EQ(run.dir.files(), files + 2);  // the output and its manifest
        if (!expected) expected = run.output();
        EXPECT_TRUE(same(*run.output(), *expected)) << memory << " bytes, " << threads << " threads";
        for (size_t i = events.size(); i > 1; --i) std::swap(events[i - 1], events[rng.below(i)]);
      }
    }
  }
}

// Events with a key of one integer are found by it, others by the bytes of their keys: the same answers either way.
TEST(Train, AnIntegerKeyAnswersAsATextDoes) {
  Rng rng(12);
  const int64_t start = *parse_time("2001-01-01");
  const auto second = [&](uint64_t s) { return format_time(start + static_cast<int64_t>(s) * kMicrosPerSecond).substr(0, 19); };
  const auto keys = [](uint64_t k) { return ",K" + std::to_string(k) + "," + std::to_string(static_cast<int64_t>(k) - 40); };
  std::string events = "date,origin,delay,carrier,price\n", spine = "origin,delay,event_time\n";
  for (uint64_t i = 0; i < 9'000; ++i)
    events += second(i * 7) + (rng.below(20) == 0 ? ",," : keys(rng.below(90))) + ",C" + std::to_string(rng.below(3)) + "," + std::to_string(rng.below(50)) + ".25\n";
  for (int i = 0; i < 300; ++i) spine += keys(rng.below(120)).substr(1) + "," + second(rng.below(60'000)) + "\n";
  feature::ViewDefinition by_text = flights_view();
  std::erase_if(by_text.features, [](const feature::FeatureDefinition& f) { return f.of != "" && f.of != "carrier"; });
  by_text.features.push_back({.name = "price_sum_1h", .aggregate = feature::AggregateKind::kSum, .of = "price", .window = {feature::WindowKind::kSlidingExact, kMicrosPerHour}});
  feature::ViewDefinition by_number = by_text;
  by_number.entity = "delay";
  std::vector<std::shared_ptr<const Table>> outputs;
  std::vector<uint64_t> applied;
  for (const bool number : {false, true}) {
    for (const bool grouped : {false, true}) {
      for (const uint64_t memory : {uint64_t{1} << 40, uint64_t{1}}) {
        Job run(spine, events);
        run.service = number ? service_of(by_number, {"delay", {"delay"}}) : service_of(by_text);
        run.request.memory_bytes = memory;
        run.request.statuses = run.request.event_times = true;
        if (grouped)
          write_in_groups(**Table::read(run.request.event_files["flights"], std::nullopt, 1),
                          run.request.event_files["flights"] = run.dir / "events.parquet", 700);
        const auto report = run();
        ASSERT_TRUE(report) << report.error().message;
        if (memory == 1) EXPECT_GT(report->spilled_bytes, 0u);
        outputs.push_back(run.output());
        applied.push_back(report->events);
      }
    }
  }
  EXPECT_GT(applied.front(), 1'000u);
  for (size_t i = 1; i < outputs.size(); ++i) {
    EXPECT_TRUE(same(*outputs[i], *outputs[0])) << i;
    EXPECT_EQ(applied[i], applied[0]) << i;
  }
}

TEST(Train, AFullDiskOfSpilledEventsIsNamedAndLeavesNothing) {
  testing::CrashFileSystem fs(5);
  Job run;
  for (const std::string& path : {run.request.spine, run.request.event_files["flights"]}) {
    const auto bytes = read_file(posix_file_system(), path);
    ASSERT_TRUE(bytes);
    ASSERT_TRUE(fs.create_directories(std::filesystem::path(path).parent_path().string()));
    ASSERT_TRUE(write_file_atomically(fs, path, *bytes));
  }
  const uint64_t before = fs.used_bytes();
  fs.set_capacity(before);
  run.request.memory_bytes = 1;
  const auto full = train(run.service, run.request, {.fs = &fs, .clock = &run.clock}, {}, {});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().kind, ErrorKind::kExhausted);
  EXPECT_NE(full.error().message.find("give more memory"), std::string::npos) << full.error().message;
  EXPECT_EQ(fs.used_bytes(), before);
}

TEST(Train, ManyRowsAcrossChunksAgreeWithOneThread) {
  std::string events = "date,origin,delay,carrier\n", spine = "origin,event_time\n";
  Rng rng(7);
  const int64_t start = *parse_time("2001-01-01");
  for (int i = 0; i < 150'000; ++i) {
    const std::string origin = "K" + std::to_string(rng.below(40));
    const std::string when = format_time(start + (i + static_cast<int64_t>(rng.below(20))) * kMicrosPerSecond).substr(0, 19);
    events += when + "," + origin + "," + std::to_string(rng.below(100)) + ",C" + std::to_string(rng.below(3)) + "\n";
    spine += origin + "," + when + "\n";
  }
  Job one(spine, events), two(spine, events);
  one.request.threads = 1;
  ASSERT_TRUE(one());
  ASSERT_TRUE(two());
  EXPECT_TRUE(one.column("n_count_1h", TypeKind::kInt64).ints == two.column("n_count_1h", TypeKind::kInt64).ints);
  EXPECT_TRUE(one.column("delay_stddev_1h", TypeKind::kFloat64).floats == two.column("delay_stddev_1h", TypeKind::kFloat64).floats);
  EXPECT_TRUE(texts(one.column("carrier_last", TypeKind::kString)) == texts(two.column("carrier_last", TypeKind::kString)));
}

}  // namespace
}  // namespace ms::history
