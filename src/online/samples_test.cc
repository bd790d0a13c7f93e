#include "online/samples.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <mutex>

#include "base/metrics.h"
#include "base/rng.h"
#include "base/testing/crash_file_system.h"
#include "base/testing/doc_example.h"
#include "codec/decimal_text.h"
#include "codec/packed_value.h"

namespace ms::online {
namespace {

Sample example() {
  feature::FeatureRow row;
  row.reset(2);
  row.found = true;
  row.values[0].status = feature::Status::kPresent;
  row.values[0].is_null = false;
  row.values[0].f = 3.75;
  row.values[0].event_time_us = 1'767'225'600'000'000;
  const feature::FeatureColumn types[] = {{"a", TypeKind::kFloat64}, {"b", TypeKind::kString}};
  ByteWriter bytes;
  encode_row(types, row, bytes);
  feature::FeatureValue planned, ratio;
  planned.is_null = ratio.is_null = false;
  planned.status = ratio.status = feature::Status::kPresent;
  planned.f = 7.5, ratio.f = 0.5;
  const Type number[] = {TypeKind::kFloat64};
  ByteWriter request, derived;
  encode_values(number, {&planned, 1}, request);
  encode_values(number, {&ratio, 1}, derived);
  return {.service = "eta", .service_version = 2, .as_of = {1'767'225'601'000'000}, .cut = {{1, 300}},
          .views = {{"airport", 1, std::string("\x03ORD\0\0", 6), bytes.take()}}, .request = request.take(), .derived = derived.take()};
}

TEST(Samples, TheFormatPageShowsTheRealBytes) {
  const std::string page = std::string(MS_SOURCE_DIR) + "/docs/formats/samples.md";
  const std::string file = samples_file_head() + samples_record(encode_sample(example()));
  EXPECT_EQ(file, ms::testing::doc_example(page, "samples"));
}

// What a program of format 1 has written: a record ends behind the views.
TEST(Samples, TheFirstFormatIsRead) {
  const std::string dir = ::testing::TempDir() + "samples_format_1_" + random_uuid().to_string();
  FileSystem& fs = posix_file_system();
  ASSERT_TRUE(fs.create_directories(dir));
  const std::string now = encode_sample({.service = "eta", .service_version = 2, .as_of = {1}, .cut = {}, .views = example().views});
  const std::string old = now.substr(0, now.size() - 2);
  ASSERT_TRUE(write_file_atomically(fs, dir + "/1.samples", "MSSAMPL1" + samples_record(old)));
  std::vector<Sample> read;
  const auto done = read_samples(fs, dir, [&](const Sample& sample) { return read.push_back(sample), Result<>{}; });
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].views[0].row, example().views[0].row);
  EXPECT_TRUE(read[0].request.empty() && read[0].derived.empty());
  // The same bytes cannot be of the other format.
  ASSERT_TRUE(write_file_atomically(fs, dir + "/1.samples", "MSSAMPL2" + samples_record(old)));
  EXPECT_EQ(read_samples(fs, dir, [](const Sample&) { return Result<>{}; }).error().kind, ErrorKind::kCorruption);
  std::filesystem::remove_all(dir);
}

TEST(Samples, SurviveTheirBytes) {
  const std::string bytes = encode_sample(example());
  const auto back = decode_sample(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_sample(*back), bytes);
  const auto row = decode_row(back->views[0].row);
  ASSERT_TRUE(row);
  EXPECT_TRUE(row->found);
  EXPECT_EQ(to_text(row->values[0]), "3.75");
  EXPECT_EQ(to_text(row->values[1]), "null");
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_sample(std::string_view(bytes).substr(0, n))) << n;
}

// Every type with its parameters; a value that is none of its type is seen.
TEST(Samples, EveryTypeSurvives) {
  std::string list, vector(16, '\0');
  PackedListWriter amounts(TypeKind::kDecimal);
  amounts.add({.is_null = false, .d = -5}), amounts.add_null();
  amounts.write(list);
  const int128 units = -power_of_ten(20);
  const std::string decimal(reinterpret_cast<const char*>(&units), sizeof units);
  std::string map;
  PackedListWriter names(TypeKind::kString), flags(TypeKind::kBool);
  names.add({.is_null = false, .text = "k"}), flags.add({.is_null = false, .i = 1});
  names.write(map), flags.write(map);
  const std::tuple<Type, std::string_view, const char*> cases[] = {
      {Type::decimal(38, 2), decimal, "-1000000000000000000.00"},
      {Type::list(Type::decimal(5, 2)), list, "[-0.05,null]"},
      {Type::vector(2), vector, "[0.0,0.0]"},
      {Type::map(TypeKind::kBool), map, R"({"k":true})"},
  };
  for (const auto& [type, bytes, text] : cases) {
    feature::FeatureRow row;
    row.reset(1);
    row.values[0].is_null = false, row.values[0].text = bytes;
    const feature::FeatureColumn types[] = {{"a", type}};
    const auto encoded = [&] {
      ByteWriter out;
      encode_row(types, row, out);
      return out.take();
    };
    const std::string whole = encoded();
    const auto back = decode_row(whole);
    ASSERT_TRUE(back) << text;
    EXPECT_TRUE(back->values[0].type == type);
    EXPECT_EQ(to_text(back->values[0]), text);
    for (size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(decode_row(std::string_view(whole).substr(0, n))) << text << n;
    row.values[0].text = bytes.substr(1);
    EXPECT_FALSE(decode_row(encoded())) << text;
  }
}

TEST(Samples, ATornTailIsCountedAndDamageIsRefused) {
  const std::string dir = ::testing::TempDir() + "samples_" + random_uuid().to_string();
  FileSystem& fs = posix_file_system();
  ASSERT_TRUE(fs.create_directories(dir));
  const std::string record = samples_record(encode_sample(example()));
  const auto read = [&](const std::string& file) {
    EXPECT_TRUE(write_file_atomically(fs, dir + "/1.samples", file));
    return read_samples(fs, dir, [](const Sample&) { return Result<>{}; });
  };
  const std::string whole = samples_file_head() + record + record;
  EXPECT_EQ(read(whole)->samples, 2u);
  for (size_t n = samples_file_head().size() + record.size() + 1; n < whole.size(); ++n) {
    const auto torn = read(whole.substr(0, n));
    ASSERT_TRUE(torn);
    EXPECT_EQ(torn->samples, 1u);
    EXPECT_EQ(torn->torn_tails, 1u);
  }
  std::string damaged = whole;
  damaged[samples_file_head().size() + 12] ^= 1;
  EXPECT_EQ(read(damaged).error().kind, ErrorKind::kCorruption);
  EXPECT_EQ(read("MSSAMPL3").error().kind, ErrorKind::kUnsupported);
  std::filesystem::remove_all(dir);
}

// A disk that is full for a while costs the samples of that while, and none of the older ones.
TEST(Samples, AFullDiskMakesNoFilesAndCostsNone) {
  ms::testing::CrashFileSystem fs(7);
  ASSERT_TRUE(fs.create_directories("/samples"));
  const auto started = SampleWriter::start({.dir = "/samples", .fs = &fs, .clock = &system_clock(), .per_second = 1'000'000, .file_bytes_max = 200, .files_max = 3});
  ASSERT_TRUE(started);
  SampleWriter& writer = **started;
  auto plan = std::make_shared<ReadPlan>();
  plan->service = "eta";
  Reply reply;
  reply.plan = plan;
  const std::vector<EntityRow> entities(1);
  const auto serve = [&] {
    ++reply.as_of.us;
    for (int i = 0; i < 10; ++i) writer.offer(reply, entities);
    return writer.flush();
  };
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(serve());
  const auto names = fs.list("/samples");
  ASSERT_EQ(names->size(), 3u);
  fs.set_capacity(fs.used_bytes());
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(serve());
  EXPECT_EQ(*fs.list("/samples"), *names);
  fs.set_capacity(1u << 30);
  ASSERT_TRUE(serve());
  writer.stop();
  int64_t last = 0;
  const auto read = read_samples(fs, "/samples", [&](const Sample& s) { return last = s.as_of.us, Result<>{}; });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->torn_tails, 0u);
  EXPECT_EQ(last, reply.as_of.us);
}

// A full disk whose writes take a while: more is offered meanwhile.
class SlowFullDisk final : public FileSystem {
 public:
  explicit SlowFullDisk(FileSystem& below) : below_(below) {}
  std::function<void()> meanwhile;
  std::atomic<bool> full = false;

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    if (full) return meanwhile(), fail(ErrorKind::kExhausted, "no space");
    return below_.open(path, mode);
  }
  Result<> rename(const std::string& from, const std::string& to) override { return below_.rename(from, to); }
  Result<> remove(const std::string& path) override { return below_.remove(path); }
  Result<> create_directories(const std::string& path) override { return below_.create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return below_.list(directory); }
  Result<bool> exists(const std::string& path) override { return below_.exists(path); }
  Result<> sync_directory(const std::string& directory) override { return below_.sync_directory(directory); }

 private:
  FileSystem& below_;
};

// A second later each time it is asked: every offer is taken, whatever the rate.
class HastyClock final : public Clock {
 public:
  int64_t wall_us() const override { return now_ += kMicrosPerSecond; }
  int64_t steady_us() const override { return now_ += kMicrosPerSecond; }

 private:
  mutable std::atomic<int64_t> now_{0};
};

TEST(Samples, EverySampleThatIsDroppedIsCounted) {
  ms::testing::CrashFileSystem below(7);
  SlowFullDisk fs(below);
  ASSERT_TRUE(fs.create_directories("/samples"));
  auto plan = std::make_shared<ReadPlan>();
  plan->service = "eta";
  Reply reply;
  reply.plan = plan;
  const std::vector<EntityRow> entities(1);
  HastyClock clock;
  const auto started = SampleWriter::start({.dir = "/samples", .fs = &fs, .clock = &clock, .per_second = 1'000, .pending_bytes_max = 2'000});
  ASSERT_TRUE(started);
  SampleWriter& writer = **started;
  Metric& dropped = counter("millstream_samples_dropped_total");
  const int64_t before = dropped.get();
  std::atomic<int64_t> offered = 0;
  std::mutex one;  // the writer's thread fills, too: of two offers at once one may be no sample at all
  const auto fill = [&] {
    const std::lock_guard lock(one);
    for (const int64_t full = dropped.get(); dropped.get() == full;) writer.offer(reply, entities), ++offered;
  };
  fs.meanwhile = fill;
  fs.full = true;
  fill();
  EXPECT_FALSE(writer.flush());  // what it took out cannot go back: the buffer is full again
  fs.full = false;
  EXPECT_TRUE(writer.flush());
  writer.stop();
  const auto read = read_samples(fs, "/samples", [](const Sample&) { return Result<>{}; });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_GT(read->samples, 0u);
  EXPECT_EQ(static_cast<int64_t>(read->samples) + dropped.get() - before, offered);
}

}  // namespace
}  // namespace ms::online
