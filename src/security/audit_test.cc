// The audit file over a disk that is full, that takes half a line, and whose files are turned over.
#include "security/audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/metrics.h"
#include "base/testing/crash_file_system.h"

namespace ms::security {
namespace {

using Json = nlohmann::json;

constexpr const char* kFile = "/audit/audit.jsonl";

std::vector<std::string> lines_of(FileSystem& fs, const std::string& path) {
  const std::string text = read_file(fs, path).value();
  EXPECT_TRUE(text.empty() || text.ends_with('\n'));
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}
std::vector<Json> events_of(FileSystem& fs, const std::string& path = kFile) {
  std::vector<Json> events;
  for (const std::string& line : lines_of(fs, path)) events.push_back(Json::parse(line));
  return events;
}

// A disk that is full in the middle of a line: what was written of it stays, as on a real one.
class HalfWrites final : public FileSystem {
 public:
  explicit HalfWrites(FileSystem& under) : under_(under) {}
  std::atomic<bool> fails = false;  // the writer thread looks

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    TRY_ASSIGN(auto file, under_.open(path, mode));
    return std::make_unique<HalfFile>(*this, std::move(file));
  }
  Result<> rename(const std::string& from, const std::string& to) override { return under_.rename(from, to); }
  Result<> remove(const std::string& path) override { return under_.remove(path); }
  Result<> create_directories(const std::string& path) override { return under_.create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return under_.list(directory); }
  Result<bool> exists(const std::string& path) override { return under_.exists(path); }
  Result<> sync_directory(const std::string& directory) override { return under_.sync_directory(directory); }

 private:
  class HalfFile final : public File {
   public:
    HalfFile(HalfWrites& fs, std::unique_ptr<File> file) : fs_(fs), file_(std::move(file)) {}
    Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) override {
      if (!fs_.fails) return file_->write_at(at, parts);
      const auto half = parts[0].first(parts[0].size() / 2);
      TRY(file_->write_at(at, std::span(&half, 1)));
      return fail(ErrorKind::kExhausted, "no space left in the middle");
    }
    Result<size_t> read_at(uint64_t at, std::span<uint8_t> out) const override { return file_->read_at(at, out); }
    Result<> allocate(uint64_t size) override { return file_->allocate(size); }
    Result<> truncate(uint64_t size) override { return fs_.fails ? fail(ErrorKind::kExhausted, "nor does it shrink") : file_->truncate(size); }
    Result<> sync_data() override { return file_->sync_data(); }
    Result<uint64_t> size() const override { return file_->size(); }

   private:
    HalfWrites& fs_;
    std::unique_ptr<File> file_;
  };
  FileSystem& under_;
};

class AuditTest : public ::testing::Test {
 protected:
  std::unique_ptr<Audit> open(AuditOptions options = {}) {
    options.file = kFile;
    if (!options.fs) options.fs = &fs_;
    options.clock = &clock_;
    return std::move(*Audit::open(options));
  }
  static void write(Audit& audit, const std::string& user) {
    audit.write("login", {{"user", user}, {"host", ""}});
    audit.flush();
  }
  static int64_t lost() { return counter("millstream_audit_events_lost_total").get(); }

  ms::testing::CrashFileSystem fs_{1};
  ManualClock clock_{1'700'000'000'000'000};
};

TEST_F(AuditTest, AnEventIsALine) {
  write(*open(), "alice\n\"x\" \xff");
  const auto events = events_of(fs_);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0], (Json{{"time", "2023-11-14T22:13:20.000000Z"}, {"n", 0}, {"event", "audit_begins"}}));
  EXPECT_EQ(events[1]["user"], "alice\n\"x\" \xef\xbf\xbd");
  EXPECT_FALSE(events[1].contains("host"));
}

// What a full disk does not take is counted; the numbers that are missing are as many as the gap says.
TEST_F(AuditTest, AFullDiskLeavesAGapThatIsNamed) {
  const auto audit = open();
  write(*audit, "before");
  const int64_t before = lost();
  fs_.set_capacity(fs_.used_bytes());
  for (int i = 0; i < 5; ++i) write(*audit, "lost");
  EXPECT_EQ(lost(), before + 5);
  EXPECT_EQ(events_of(fs_).size(), 2u);
  fs_.set_capacity(1u << 20);
  write(*audit, "after");
  write(*audit, "later");
  const auto events = events_of(fs_);
  ASSERT_EQ(events.size(), 5u);
  std::map<std::string, int> seen;
  std::set<int> numbers;
  for (const Json& event : events) ++seen[event["event"]], numbers.insert(event["n"].get<int>());
  EXPECT_EQ(seen, (std::map<std::string, int>{{"audit_begins", 1}, {"login", 3}, {"audit_gap", 1}}));
  EXPECT_EQ(events[2]["event"], "audit_gap");
  EXPECT_EQ(events[2]["lost"], "5");
  EXPECT_EQ(numbers.size(), events.size());
  EXPECT_EQ(*numbers.rbegin() + 1 - static_cast<int>(numbers.size()), 5);
}

TEST_F(AuditTest, HalfALineGoesAgainOrIsEnded) {
  HalfWrites disk(fs_);
  {
    const auto audit = open({.fs = &disk});
    disk.fails = true;
    write(*audit, "lost, and a part of it stays");
    disk.fails = false;
    write(*audit, "x");  // shorter than what stayed
    EXPECT_EQ(events_of(fs_).back()["user"], "x");
    disk.fails = true;
    write(*audit, "lost when the server ends");
  }
  const auto audit = open();  // another start
  write(*audit, "y");
  const auto lines = lines_of(fs_, kFile);
  size_t broken = 0;
  for (const std::string& line : lines) broken += !Json::accept(line);
  EXPECT_EQ(broken, 1u);  // by itself in a line
  EXPECT_EQ(Json::parse(lines.back())["user"], "y");
  EXPECT_EQ(Json::parse(lines[lines.size() - 2])["event"], "audit_begins");
}

TEST_F(AuditTest, FilesTurnOverAndTheOldestGoes) {
  const auto audit = open({.file_bytes_max = 1000, .files_max = 3});
  for (int i = 0; i < 60; ++i) write(*audit, std::to_string(i));
  EXPECT_EQ(*fs_.list("/audit"), (std::vector<std::string>{"audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"}));
  std::vector<int> numbers;
  for (const char* file : {"/audit/audit.jsonl.2", "/audit/audit.jsonl.1", "/audit/audit.jsonl"}) {
    EXPECT_LE(read_file(fs_, file)->size(), 1000u);
    for (const Json& event : events_of(fs_, file)) numbers.push_back(event["n"]);
  }
  ASSERT_GT(numbers.size(), 10u);
  EXPECT_EQ(numbers.back(), 60);
  for (size_t i = 1; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], numbers[i - 1] + 1);
  EXPECT_GT(numbers.front(), 0);
}

// The disk is full just when a file is turned over: nothing is lost but what came then.
TEST_F(AuditTest, ADiskThatIsFullAtTheTurn) {
  const auto audit = open({.file_bytes_max = 300, .files_max = 3});
  write(*audit, "a"), write(*audit, "b");
  fs_.set_capacity(fs_.used_bytes());
  for (int i = 0; i < 10; ++i) write(*audit, "lost " + std::string(100, 'x'));
  fs_.set_capacity(1u << 20);
  write(*audit, "c");
  std::vector<std::string> users;
  for (const std::string& name : *fs_.list("/audit"))
    for (const Json& event : events_of(fs_, "/audit/" + name))
      if (event.contains("user")) users.push_back(event["user"]);
  std::ranges::sort(users);
  EXPECT_EQ(users, (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace ms::security
