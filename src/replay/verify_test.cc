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
#include "engine/testing/world.h"
#include "history/table.h"
#include "history/train.h"
#include "online/online.h"
#include "online/samples.h"

namespace ms::replay {
namespace {

class Verify : public ::testing::Test {
 protected:
  Verify() {
    EXPECT_TRUE(world_.log->create_topic("events", 2, {}));
    world_.define(engine::testing::every_cell_definitions(rng_));
    world_.start();
    EXPECT_TRUE(world_.engine->refresh(60'000));
    online_ = std::make_unique<online::Online>(*world_.engine, *world_.catalog);
    samples_ = online::SampleWriter::start({.dir = dir_ + "/samples", .fs = &fs_, .clock = &system_clock(), .per_second = 1'000'000}).value();
  }
  ~Verify() override { samples_.reset(); }

  void produce(size_t count) { world_.produce(static_cast<int32_t>(rng_.below(2)), engine::testing::random_events(rng_, count)); }
  // Reads every user and keeps the sample; the instants that were answered come back.
  Instant read() {
    const auto plan = online_->plan("model");
    EXPECT_TRUE(plan) << plan.error().message;
    Instant last;
    for (int u = 0; u < 6; ++u) {
      const std::string user = "u" + std::to_string(u);
      const std::vector<online::EntityRow> entities = {{.fields = {{"user", std::string_view(user)}}}};
      online::Reply reply;
      EXPECT_TRUE(engine::testing::patiently([&] { return online_->read(*plan, entities, "", reply); }));
      samples_->offer(reply, entities);
      last = reply.as_of;
    }
    return last;
  }
  // Produces and reads with the two racing, then lets the engine come to rest.
  void serve() {
    produce(50);
    world_.wait_until_applied();
    for (int i = 0; i < 20; ++i) produce(20), read();
    world_.wait_until_applied();
    last_ = read();
    EXPECT_TRUE(samples_->flush());
    EXPECT_TRUE(world_.engine->sync_timeline());
    timeline_ = engine::TimelineReader::open(fs_, dir_ + "/timeline").value();
  }
  VerifyReport verified(VerifyRequest request = {}) {
    request.samples_dir = dir_ + "/samples";
    auto report = verify(*world_.catalog->snapshot(), request, {.fs = &fs_, .clock = &system_clock(), .log = world_.log.get(), .timeline = timeline_.get()}, {}, {});
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : VerifyReport{};
  }

  size_t features() const { return world_.catalog->snapshot()->find_view("spending")->definition.features.size(); }

  FileSystem& fs_ = posix_file_system();
  Rng rng_{11};
  const engine::testing::Directory directory_;
  const std::string dir_ = directory_.path();
  engine::testing::World world_{dir_};
  std::unique_ptr<online::Online> online_;
  std::unique_ptr<online::SampleWriter> samples_;
  std::unique_ptr<engine::TimelineReader> timeline_;
  Instant last_;
};

TEST_F(Verify, WhatWasServedComesOutOfTheLogAgain) {
  serve();
  const VerifyReport report = verified();
  EXPECT_GE(report.samples, 100u);
  EXPECT_EQ(report.values, report.answers * features());
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
  row[3 + 3] = static_cast<char>(row[3 + 3] ^ 1);  // found, count (two bytes); type, status, is_null; then the value
  std::string file = online::samples_file_head();
  for (const online::Sample& s : all) file += online::samples_record(online::encode_sample(s));
  for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/samples")) std::filesystem::remove(entry.path());
  std::ofstream(dir_ + "/samples/planted.samples", std::ios::binary) << file;

  const VerifyReport report = verified();
  EXPECT_EQ(report.differences, 1u) << to_text(report);
  ASSERT_EQ(report.shown.size(), 1u);
  EXPECT_EQ(report.shown[0].view, "spending@1");
  EXPECT_EQ(report.shown[0].feature, world_.catalog->snapshot()->find_view("spending")->program->features()[0].name);
  EXPECT_EQ(report.shown[0].as_of, all[chosen].as_of);
  EXPECT_NE(report.shown[0].served, report.shown[0].derived);
  const std::string text = to_text(report);
  EXPECT_NE(text.find("1 differ"), std::string::npos) << text;
  EXPECT_NE(text.find("events-0 <"), std::string::npos) << text;
}

bool same(const Column& a, const Column& b) {
  return a.validity == b.validity && a.bools == b.bools && a.ints == b.ints && a.floats == b.floats && a.decimals == b.decimals && a.strings == b.strings;
}

// Law L2 from the log, through Parquet: nothing was late at the end, so both modes say the same; a manifest pins it.
TEST_F(Verify, AsServedIsAsKnownWhenNothingWasLate) {
  serve();
  std::ofstream spine(dir_ + "/spine.csv");
  spine << "user,event_time\n";
  for (int u = 5; u >= 0; --u) spine << "u" << u << "," << format_time(last_.us) << "\n";
  spine.close();
  const history::TrainService service = history::training_service(*world_.catalog->snapshot()->find_service("model"));
  const history::TrainInputs inputs{.fs = &fs_, .clock = &system_clock(), .log = world_.log.get(), .timeline = timeline_.get()};
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
    const Type type = service.views[0].program->features()[column.feature].type;
    Column x, y, z;
    a->fill(*a->find(column.name), type, 0, 6, x), b->fill(*b->find(column.name), type, 0, 6, y), c->fill(*c->find(column.name), type, 0, 6, z);
    EXPECT_TRUE(same(x, y)) << column.name;
    EXPECT_TRUE(same(z, y)) << column.name;
  }

  // Before the view served, as_served says so instead of guessing.
  std::ofstream(dir_ + "/spine.csv") << "user,event_time\nu1,2001-01-01 00:00:00\n";
  const auto early = history::train(service, served, inputs, {}, {});
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("row 1 (2001-01-01T00:00:00.000000Z): view spending@1 serves only since"), std::string::npos) << early.error().message;
}

// Retention takes what the answers came from: that is not a difference, and no training set is made of what is left.
class VerifyAfterRetention : public Verify {
 protected:
  VerifyAfterRetention() {
    serve();
    EXPECT_TRUE(world_.log->reconcile());
    for (int32_t p = 0; p < 2; ++p) world_.produce(p, engine::testing::random_events(rng_, 20));  // stays: not in an object
    const auto topic = *world_.log->find_topic("events");
    EXPECT_TRUE(world_.log->alter_config(topic.id, {{"retention.bytes", "1"}}));
    EXPECT_TRUE(world_.log->enforce_retention());
    EXPECT_GT(world_.log->partition_state({topic.id, PartitionId{0}})->log_start, Offset{0});
  }
  void write_spine(const std::vector<Instant>& times) {
    std::ofstream file(dir_ + "/spine.csv");
    file << "user,event_time\n";
    for (const Instant t : times) file << "u1," << format_time(t.us) << "\n";
  }
  Result<history::TrainReport> train(bool statuses) {
    history::TrainRequest request{.spine = dir_ + "/spine.csv", .out = dir_ + "/out.parquet", .statuses = statuses};
    return history::train(service(), request, {.fs = &fs_, .clock = &system_clock(), .log = world_.log.get()}, {}, {});
  }
  history::TrainService service() const { return history::training_service(*world_.catalog->snapshot()->find_service("model")); }
};

TEST_F(VerifyAfterRetention, LostRecordsAreNoDifference) {
  const VerifyReport report = verified();
  EXPECT_EQ(report.differences, 0u) << to_text(report);
  EXPECT_EQ(report.values, 0u);
  EXPECT_GE(report.not_checkable, 100 * features());
  EXPECT_NE(to_text(report).find(" values not checkable\nnot checkable: the log holds events-"), std::string::npos) << to_text(report);
}

TEST_F(VerifyAfterRetention, TrainingSaysWhatIsLost) {
  write_spine({{last_.us + 2 * kMicrosPerHour}, {last_.us + kMicrosPerMinute}, {last_.us + 2 * kMicrosPerHour}});
  const auto earliest = train(false);
  ASSERT_FALSE(earliest);
  EXPECT_NE(earliest.error().message.find("row 2 ("), std::string::npos) << earliest.error().message;
  write_spine({{last_.us + 2 * kMicrosPerHour}});  // other windows end above all that is lost, those without an end reach it
  const auto refused = train(false);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("row 1 ("), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("may need records that are gone: the log holds events-"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/out.parquet"));

  const auto made = train(true);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->gap_rows, 1u);
  const auto out = history::Table::read(dir_ + "/out.parquet", std::nullopt, 1).value();
  const auto& program = *service().views[0].program;
  for (const history::TrainColumn& column : service().columns) {
    Column status;
    out->fill(*out->find(column.name + "__status"), TypeKind::kString, 0, 1, status);
    const feature::Window& window = program.specs()[column.feature].window;
    const bool for_ever = window.kind == feature::WindowKind::kLifetime || window.closed || (window.kind == feature::WindowKind::kLast && window.length_us == 0);
    EXPECT_EQ(status.strings[0] == "GAP", for_ever) << column.name;
  }
}

}  // namespace
}  // namespace ms::replay
