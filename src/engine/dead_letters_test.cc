#include "engine/dead_letters.h"

#include <gtest/gtest.h>

#include "codec/record_batch.h"
#include "log/testing/log_fixture.h"

namespace ms::engine {
namespace {

TEST(DeadLetterTopic, FitsWhateverTheTopicIsCalled) {
  EXPECT_EQ(dead_letter_topic("payments"), "payments.dead-letter");
  EXPECT_EQ(dead_letter_topic(std::string(237, 't')), std::string(237, 't') + ".dead-letter");
  const std::string a = dead_letter_topic(std::string(238, 't')), b = dead_letter_topic(std::string(249, 't'));
  for (const std::string& name : {a, b}) {
    EXPECT_EQ(name.size(), 249u);
    EXPECT_TRUE(name.starts_with(std::string(220, 't') + "-")) << name;
    EXPECT_TRUE(name.ends_with(".dead-letter")) << name;
  }
  EXPECT_NE(a, b);
}

// That a retraction names no earlier record is the source's matter: one letter, however many views there are.
TEST(DeadLetterReasons, ARetractionHasOneLetterForAllViews) {
  const feature::SourceDefinition source{.name = "s", .topic = "s", .fields = {{"u", TypeKind::kString}, {"back", TypeKind::kInt64}}, .time_field = "t",
                                         .retract = feature::RetractRule{"back is not null", "back"}};
  const feature::Window hour{feature::WindowKind::kSliding, kMicrosPerHour, 5 * kMicrosPerMinute};
  const feature::ViewDefinition view{.name = "v", .features = {{.name = "n", .window = hour}}};
  const auto program = feature::ViewProgram::compile(source, {"user", {"u"}}, view).value();
  const auto reader = TopicReader::make({{.source = source, .programs = {program, program}}});
  std::vector<RecordToWrite> records;
  for (const char* json : {R"({"u":"a","t":1})", R"({"u":"a","t":1,"back":0})", R"({"u":"a","t":1,"back":2})", R"({"u":"a","t":1,"back":-1})"})
    records.push_back({.timestamp_ms = 0, .key = {}, .value = json, .headers = {}});
  const log::ReadBatch batch{Slice::copy(build_record_batch({}, records).value()), Offset{0}, Offset{3}, AppendTime{1'000'000}};
  std::vector<std::string> letters;
  ASSERT_TRUE(reader->read(PartitionId{0}, {&batch, 1}, Offset{0}, Offset{4}, 100, [&](TopicReader::Chunk& chunk) -> Result<> {
    for (const DeadLetter& letter : chunk.dead) letters.push_back(letter.reason);
    for (const feature::PreparedRows* rows : chunk.rows) EXPECT_EQ(rows->retracts, (std::vector<int64_t>{feature::PreparedRows::kEvent, 0}));
    return {};
  }));
  EXPECT_EQ(letters, (std::vector<std::string>{"retraction: its offset is not lower than the record's own", "retraction: its offset is negative"}));
}

// Several views may bury one record, each for its own reason, and what they say may not fit one batch.
class DeadLetterQueueTest : public log::testing::LogFixture {
 protected:
  static constexpr size_t kPart = 256u << 10;
  static DeadLetter letter(int64_t offset, std::string reason, size_t key_bytes = 0) {
    return {.source = "events", .partition = PartitionId{0}, .offset = Offset{offset}, .append_time = {1}, .reason = std::move(reason),
            .key = Slice::copy(std::string(key_bytes, 'k')), .value = Slice::copy(std::string(kPart - 1024, 'v'))};
  }
  // "<offset> <reason>" of all letters, in the topic's order.
  std::vector<std::string> letters() {
    std::vector<std::string> out;
    visit({this->log().find_topic("events.dead-letter")->id, PartitionId{0}}, [&](const log::ReadBatch& batch) {
      std::string scratch;
      auto reader = RecordReader::open(batch.bytes.span(), scratch).value();
      for (RecordView record; reader.next(record) == RecordReader::Step::kRecord;) {
        std::string offset, reason;
        for (const HeaderView& header : record.headers()) {
          if (header.key == "offset") offset = *header.value;
          if (header.key == "reason") reason = *header.value;
        }
        out.push_back(offset + " " + reason);
      }
    });
    return out;
  }
  const std::vector<std::string> all_ = {"1 a", "1 b", "1 c", "2 a", "2 b"};
};

TEST_F(DeadLetterQueueTest, ARetryWritesTheLettersThatAreMissing) {
  open();
  DeadLetterQueue queue(this->log(), "events");
  const TopicId topic = this->log().create_topic("events.dead-letter", 1, {{"max.message.bytes", "600000"}}).value().id;
  const std::vector<DeadLetter> some = {letter(2, "a"), letter(1, "a"), letter(2, "b", kPart), letter(1, "b"), letter(1, "c")};
  EXPECT_TRUE(queue.write({some[1]}));
  ASSERT_TRUE(this->log().alter_config(topic, {{"max.message.bytes", "300000"}}));
  const Offset before = queue.end();
  EXPECT_FALSE(queue.write(some));
  EXPECT_EQ(queue.end(), before);  // a checkpoint of now leads back to what the failed write did write
  ASSERT_TRUE(this->log().alter_config(topic, {{"max.message.bytes", "600000"}}));
  EXPECT_TRUE(queue.write(some));
  EXPECT_TRUE(queue.write(some));
  EXPECT_EQ(letters(), all_);
  EXPECT_EQ(queue.end(), Offset{5});
  EXPECT_EQ(queue.counted(), all_.size());
}

TEST_F(DeadLetterQueueTest, ARestartWritesTheLettersThatAreMissing) {
  for (size_t written = 0; written <= 5; ++written) {
    restart_empty();
    const std::vector<DeadLetter> some = {letter(1, "a"), letter(1, "b"), letter(1, "c", kPart), letter(2, "a"), letter(2, "b")};
    for (size_t i = 0; i < written; ++i) EXPECT_TRUE(DeadLetterQueue(this->log(), "events").write({some[i]}));
    DeadLetterQueue queue(this->log(), "events");
    ASSERT_TRUE(queue.recover(Offset{0}));
    EXPECT_TRUE(queue.write(some));
    EXPECT_EQ(letters(), all_) << written;
  }
}

}  // namespace
}  // namespace ms::engine
