#include "api/log_metrics.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "base/rng.h"
#include "codec/record_batch.h"

namespace ms::api {
namespace {

class LogMetricsTest : public ::testing::Test {
 protected:
  LogMetricsTest() : dir_(std::filesystem::temp_directory_path() / ("ms-metrics-" + random_uuid().to_string())) {
    log_ = *log::Log::open(log::by_hand({.dir = dir_.string(), .fs = &posix_file_system(), .clock = &system_clock()}));
  }
  ~LogMetricsTest() override {
    static_cast<void>(log_->close());
    log_.reset();
    std::filesystem::remove_all(dir_);
  }
  void append(TopicPartition to, const std::string& batch) {
    std::promise<log::AppendError> done;
    log_->append({{to, Slice::copy(batch), batch.size()}}, [&](std::vector<log::AppendOutcome> outcomes) { done.set_value(outcomes.front().error); });
    ASSERT_EQ(done.get_future().get(), log::AppendError::kNone);
  }
  void commit(const std::string& group, log::OffsetKey key) {
    std::promise<bool> done;
    log_->commit_offsets(group, {{key, log::CommittedOffset{}}}, [&](const Result<>& result) { done.set_value(result.has_value()); });
    ASSERT_TRUE(done.get_future().get());
  }
  std::string page(size_t series_max = 1'000) const { return log_metrics_text(*log_, series_max); }

  std::filesystem::path dir_;
  std::unique_ptr<log::Log> log_;
};

bool has_line(const std::string& page, const std::string& line) { return ("\n" + page).find("\n" + line + "\n") != std::string::npos; }

TEST_F(LogMetricsTest, ShowsPartitionsAndLag) {
  const auto topic = *log_->create_topic("orders", 2, {});
  commit("bill\"ing\n", {topic.id, 0});
  std::vector<RecordToWrite> records(3);
  append({topic.id, {0}}, *build_record_batch({}, records));
  EXPECT_TRUE(has_line(page(), R"(millstream_partition_high_watermark{partition="0",topic="orders"} 3)")) << page();
  EXPECT_TRUE(has_line(page(), R"(millstream_partition_log_start{partition="1",topic="orders"} 0)"));
  EXPECT_TRUE(has_line(page(), R"(millstream_group_lag_records{group="bill\"ing\n",partition="0",topic="orders"} 3)"));
  EXPECT_TRUE(has_line(page(), R"(millstream_metrics_series_left_out{of="partitions"} 0)"));
}

TEST_F(LogMetricsTest, ABudgetOfSeriesIsKeptAndSaid) {
  ASSERT_TRUE(log_->create_topic("a", 5, {}));
  const std::string cut = page(12);
  EXPECT_TRUE(has_line(cut, R"(millstream_partition_high_watermark{partition="2",topic="a"} 0)"));
  EXPECT_EQ(cut.find(R"(partition="3")"), std::string::npos);
  EXPECT_TRUE(has_line(cut, R"(millstream_metrics_series_left_out{of="partitions"} 8)"));
  EXPECT_TRUE(has_line(page(0), R"(millstream_metrics_series_left_out{of="partitions"} 20)"));
}

TEST(LabelValue, IsAlwaysAUtf8TextInQuotes) {
  EXPECT_EQ(label_value("a\\b\"c\nd\te"), "a\\\\b\\\"c\\nd?e");
  EXPECT_EQ(label_value("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(label_value("gr\xfc\xdf"), "gr??");
}

}  // namespace
}  // namespace ms::api
