// Served answers against the log: a live engine, real samples, and a flipped bit that must be found.
#include "replay/verify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "base/rng.h"
#include "codec/record_batch.h"
#include "engine/engine.h"
#include "history/table.h"
#include "history/train.h"
#include "online/online.h"
#include "online/samples.h"

namespace ms::replay {
namespace {

constexpr std::string_view kDefinitions = R"yaml(
sources:
  events:
    topic: events
    format: json
    time: {field: at, unit: us}
    fields: {user: string, amount: int64, price: float64}
    owner: tests
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: events
    features:
      spent: {sum: {of: amount, over: [10m, "sliding(1m, exact)"]}, count: {over: [10m, lifetime]}, last: {of: user, over: [1h]}}
      price: {stddev: {of: price, over: [10m]}}
    owner: tests
services:
  model: {features: [spending.*]}
)yaml";

class Verify : public ::testing::Test {
 protected:
  Verify() : dir_((std::filesystem::temp_directory_path() / ("verify-" + random_uuid().to_string())).string()) {
    std::filesystem::create_directories(dir_);
    log::LogOptions options{.dir = dir_, .fs = &fs_, .clock = &system_clock()};
    options.reconcile_interval_ms = options.retention_check_interval_ms = 0;
    log_ = log::Log::open(options).value();
    EXPECT_TRUE(log_->create_topic("events", 2, {}));
    catalog_ = catalog::Catalog::open(fs_, dir_ + "/catalog").value();
    const catalog::DefinitionFile file{"test.yaml", std::string(kDefinitions)};
    EXPECT_TRUE(catalog_->apply({&file, 1}, [&](std::string_view name) { return std::optional(log_->find_topic(name)->id); })->ok());
    engine_ = engine::Engine::start({.dir = dir_, .fs = &fs_, .clock = &system_clock()}, *log_, *catalog_).value();
    online_ = std::make_unique<online::Online>(*engine_, *catalog_);
    samples_ = online::SampleWriter::start({.dir = dir_ + "/samples", .fs = &fs_, .clock = &system_clock(), .per_second = 1'000'000}).value();
  }
  ~Verify() override {
    samples_.reset();
    EXPECT_TRUE(engine_->stop());
    engine_.reset();
    EXPECT_TRUE(log_->close());
    std::filesystem::remove_all(dir_);
  }

  void produce(int count) {
    std::vector<std::string> values;
    const int64_t now = system_clock().wall_us();
    for (int i = 0; i < count; ++i)
      values.push_back(fmt::format(R"({{"at":{},"user":"u{}","amount":{},"price":{}}})", now - static_cast<int64_t>(rng_.below(700'000'000)),
                                   rng_.below(5), rng_.below(100), 0.1 * static_cast<double>(rng_.below(1000))));
    std::vector<RecordToWrite> records;
    for (const std::string& value : values) records.push_back({.timestamp_ms = 0, .value = value});
    std::promise<void> done;
    std::vector<log::AppendPart> parts;
    const int32_t partition = static_cast<int32_t>(rng_.below(2));
    parts.push_back({{log_->find_topic("events")->id, PartitionId{partition}}, Slice::copy(build_record_batch({}, records).value())});
    log_->append(std::move(parts), [&](std::vector<log::AppendOutcome> outcomes) {
      EXPECT_EQ(outcomes[0].error, log::AppendError::kNone);
      done.set_value();
    });
    done.get_future().get();
  }
  bool caught_up() const {
    const auto topic = log_->find_topic("events");
    engine::OffsetVector ends;
    for (int32_t p = 0; p < 2; ++p) ends[{topic->id, PartitionId{p}}] = log_->partition_state({topic->id, PartitionId{p}})->last_stable;
    return engine_->ready() && engine_->applied() == ends;
  }
  // Reads every user and keeps the sample; the instants that were answered come back.
  Instant read() {
    const auto plan = online_->plan("model");
    EXPECT_TRUE(plan) << plan.error().message;
    Instant last;
    for (int u = 0; u < 6; ++u) {
      const std::string user = "u" + std::to_string(u);
      const std::vector<online::EntityRow> entities = {{.fields = {{"user", std::string_view(user)}}}};
      online::Reply reply;
      EXPECT_TRUE(online_->read(*plan, entities, reply));
      samples_->offer(reply, entities);
      last = reply.as_of;
    }
    return last;
  }
  // Produces and reads with the two racing, then lets the engine come to rest.
  void serve() {
    produce(50);
    while (!caught_up()) std::this_thread::yield();
    for (int i = 0; i < 20; ++i) produce(20), read();
    while (!caught_up()) std::this_thread::yield();
    last_ = read();
    EXPECT_TRUE(samples_->flush());
    EXPECT_TRUE(engine_->sync_timeline());
    timeline_ = engine::TimelineReader::open(fs_, dir_ + "/timeline").value();
  }
  VerifyReport verified(VerifyRequest request = {}) {
    request.samples_dir = dir_ + "/samples";
    auto report = verify(*catalog_->snapshot(), request, {.fs = &fs_, .clock = &system_clock(), .log = log_.get(), .timeline = timeline_.get()}, {}, {});
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : VerifyReport{};
  }

  FileSystem& fs_ = posix_file_system();
  Rng rng_{11};
  std::string dir_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<online::Online> online_;
  std::unique_ptr<online::SampleWriter> samples_;
  std::unique_ptr<engine::TimelineReader> timeline_;
  Instant last_;
};

TEST_F(Verify, WhatWasServedComesOutOfTheLogAgain) {
  serve();
  const VerifyReport report = verified();
  EXPECT_GE(report.samples, 100u);
  EXPECT_EQ(report.values, report.answers * 6);
  EXPECT_EQ(report.gaps, 0u);
  EXPECT_EQ(report.differences, 0u) << to_text(report);
  EXPECT_EQ(verified({.samples_max = 10}).samples, 10u);
  EXPECT_EQ(verified({.service = "another"}).samples, 0u);
  EXPECT_EQ(verified({.since = last_}).samples, 1u);
}

TEST_F(Verify, APlantedDifferenceIsFound) {
  serve();
  samples_->stop();
  // One bit of one stored answer is turned over, under a checksum that fits.
  std::vector<online::Sample> all;
  ASSERT_TRUE(online::read_samples(fs_, dir_ + "/samples", [&](const online::Sample& s) -> Result<> { return all.push_back(s), Result<>{}; }));
  size_t chosen = all.size() / 2;
  while (online::decode_row(all[chosen].views[0].row)->values[0].is_null) ++chosen;
  std::string& row = all[chosen].views[0].row;
  row[2 + 3] = static_cast<char>(row[2 + 3] ^ 1);  // found, count; type, status, is_null; then the value
  std::string file = online::samples_file_head();
  for (const online::Sample& s : all) file += online::samples_record(online::encode_sample(s));
  for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/samples")) std::filesystem::remove(entry.path());
  std::ofstream(dir_ + "/samples/planted.samples", std::ios::binary) << file;

  const VerifyReport report = verified();
  EXPECT_EQ(report.differences, 1u) << to_text(report);
  ASSERT_EQ(report.shown.size(), 1u);
  EXPECT_EQ(report.shown[0].view, "spending@1");
  EXPECT_EQ(report.shown[0].feature, catalog_->snapshot()->find_view("spending")->program->features()[0].name);
  EXPECT_EQ(report.shown[0].as_of, all[chosen].as_of);
  EXPECT_NE(report.shown[0].served, report.shown[0].derived);
  const std::string text = to_text(report);
  EXPECT_NE(text.find("1 differ"), std::string::npos) << text;
  EXPECT_NE(text.find("events-0 <"), std::string::npos) << text;
}

// Law L2 from the log, through Parquet: nothing was late at the end, so both modes say the same; a manifest pins it.
TEST_F(Verify, AsServedIsAsKnownWhenNothingWasLate) {
  serve();
  std::ofstream spine(dir_ + "/spine.csv");
  spine << "user,event_time\n";
  for (int u = 5; u >= 0; --u) spine << "u" << u << "," << format_time(last_.us) << "\n";
  spine.close();
  const history::TrainService service = history::training_service(*catalog_->snapshot()->find_service("model"));
  const history::TrainInputs inputs{.fs = &fs_, .clock = &system_clock(), .log = log_.get(), .timeline = timeline_.get()};
  history::TrainRequest served{.spine = dir_ + "/spine.csv", .out = dir_ + "/served.parquet", .mode = history::TrainMode::kAsServed, .statuses = true};
  history::TrainRequest known = served;
  known.out = dir_ + "/known.parquet", known.mode = history::TrainMode::kAsKnown;
  ASSERT_TRUE(history::train(service, served, inputs, {}, {}));
  const auto made = history::train(service, known, inputs, {}, {});
  ASSERT_TRUE(made) << made.error().message;
  produce(200);  // later records do not reach a pinned set
  history::TrainRequest pinned = known;
  pinned.out = dir_ + "/pinned.parquet", pinned.pin_manifest = made->manifest;
  ASSERT_TRUE(history::train(service, pinned, inputs, {}, {}));
  const auto a = history::Table::read(served.out, std::nullopt, 1).value(), b = history::Table::read(known.out, std::nullopt, 1).value(),
             c = history::Table::read(pinned.out, std::nullopt, 1).value();
  ASSERT_EQ(a->names(), b->names());
  ASSERT_EQ(a->names().size(), 2u + 2 * service.columns.size());
  for (const history::TrainColumn& column : service.columns) {
    const TypeKind type = service.views[0].program->features()[column.feature].type;
    Column x, y, z;
    a->fill(*a->find(column.name), type, 0, 6, x), b->fill(*b->find(column.name), type, 0, 6, y), c->fill(*c->find(column.name), type, 0, 6, z);
    EXPECT_TRUE(x.validity == y.validity && x.ints == y.ints && x.floats == y.floats && x.strings == y.strings) << column.name;
    EXPECT_TRUE(z.validity == y.validity && z.ints == y.ints && z.floats == y.floats && z.strings == y.strings) << column.name;
  }

  // Before the view served, as_served says so instead of guessing.
  std::ofstream(dir_ + "/spine.csv") << "user,event_time\nu1,2001-01-01 00:00:00\n";
  const auto early = history::train(service, served, inputs, {}, {});
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("row 1 (2001-01-01T00:00:00.000000Z): view spending@1 serves only since"), std::string::npos) << early.error().message;
}

}  // namespace
}  // namespace ms::replay
