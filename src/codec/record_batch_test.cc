#include "codec/record_batch.h"

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/rng.h"
#include "codec/testing/record_batches.h"

namespace ms {
namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::span<uint8_t> writable(std::string& text) { return {reinterpret_cast<uint8_t*>(text.data()), text.size()}; }

std::string sample(Compression codec, size_t count = 100) {
  std::vector<std::string> values;
  std::vector<RecordToWrite> records;
  for (size_t i = 0; i < count; ++i) values.push_back("{\"n\":" + std::to_string(i) + ",\"city\":\"San Francisco\"}");
  for (size_t i = 0; i < count; ++i) {
    RecordToWrite record{.timestamp_ms = 1'000'000 - static_cast<int64_t>(i % 7), .value = values[i]};
    if (i % 2) record.key = "key";
    if (i % 3 == 0) record.headers = {{"trace", "abc"}, {"none", std::nullopt}};
    records.push_back(record);
  }
  return build_record_batch({.compression = codec, .producer_id = 7, .producer_epoch = 1, .base_sequence = 40}, records).value();
}

// The records by hand: one record {key: "k", value: "v"} at time 10, as Kafka's own documentation of the format says.
TEST(RecordBatch, KnownBytes) {
  const std::vector<RecordToWrite> records = {{.timestamp_ms = 10, .key = "k", .value = "v"}};
  const std::string batch = build_record_batch({}, records).value();
  const std::string_view body = std::string_view(batch).substr(kBatchHeaderBytes);
  EXPECT_EQ(body, std::string_view("\x10\x00\x00\x00\x02k\x02v\x00", 9));
  EXPECT_EQ(batch.size(), kBatchHeaderBytes + 9);
  const auto header = check_record_batch(bytes_of(batch)).value();
  EXPECT_EQ(header.records, 1);
  EXPECT_EQ(header.max_timestamp_ms, 10);
  EXPECT_EQ(header.producer_id, kNoProducerId);
}

TEST(RecordBatch, EveryCodecReadsBackWhatWasWritten) {
  for (const auto codec : {Compression::kNone, Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    std::string batch = sample(codec, 5000);
    patch_record_batch(writable(batch), Offset{1000}, 3);
    const auto header = check_record_batch(bytes_of(batch));
    ASSERT_TRUE(header) << header.error().message;
    EXPECT_EQ(header->leader_epoch, 3);
    EXPECT_EQ(header->last_offset(), 5999);
    EXPECT_EQ(header->base_sequence, 40);
    std::string scratch;
    auto reader = RecordReader::open(bytes_of(batch), scratch).value();
    RecordView record;
    for (int64_t i = 0; i < 5000; ++i) {
      ASSERT_EQ(reader.next(record), RecordReader::Step::kRecord) << to_string(codec) << i;
      EXPECT_EQ(record.offset, 1000 + i);
      EXPECT_EQ(record.timestamp_ms, 1'000'000 - i % 7);
      EXPECT_EQ(record.value, "{\"n\":" + std::to_string(i) + ",\"city\":\"San Francisco\"}");
      EXPECT_EQ(record.key.has_value(), i % 2 == 1);
      const auto headers = record.headers();
      ASSERT_EQ(headers.size(), i % 3 == 0 ? 2u : 0u);
      if (headers.empty()) continue;
      EXPECT_EQ(headers[0].key, "trace");
      EXPECT_FALSE(headers[1].value);
    }
    EXPECT_EQ(reader.next(record), RecordReader::Step::kEnd);
  }
}

TEST(RecordBatch, AnyChangedByteUnderTheCrcIsSeen) {
  const std::string good = sample(Compression::kNone, 3);
  for (size_t at = 16; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_FALSE(check_record_batch(bytes_of(bad))) << at;
  }
  EXPECT_EQ(check_record_batch(bytes_of(good).first(good.size() - 1)).error().fault, BatchFault::kLength);
  EXPECT_EQ(check_record_batch(bytes_of(good + "x")).error().fault, BatchFault::kLength);
  EXPECT_EQ(check_record_batch({}).error().fault, BatchFault::kLength);
  EXPECT_EQ(check_record_batch(bytes_of(std::string(61, '\0'))).error().fault, BatchFault::kMagic);
}

TEST(RecordBatch, LogAppendTimeReplacesEveryTimestamp) {
  std::string batch = sample(Compression::kNone, 3);
  stamp_log_append_time(writable(batch), 77);
  EXPECT_TRUE(check_record_batch(bytes_of(batch)));
  std::string scratch;
  auto reader = RecordReader::open(bytes_of(batch), scratch).value();
  RecordView record;
  while (reader.next(record) == RecordReader::Step::kRecord) EXPECT_EQ(record.timestamp_ms, 77);
}

TEST(RecordBatch, ReaderSurvivesAnyBytes) {
  Rng rng(3);
  const std::string good = sample(Compression::kNone, 20);
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 3; ++i) bad[kBatchHeaderBytes + rng.below(bad.size() - kBatchHeaderBytes)] = static_cast<char>(rng.next());
    std::string scratch;
    auto reader = RecordReader::open(bytes_of(bad), scratch);
    RecordView record;
    if (reader)
      while (reader->next(record) == RecordReader::Step::kRecord) (void)record.headers();
  }
}

// Offsets are the order of the records: whoever reads a batch in pieces finds the same record at the same offset.
TEST(RecordBatch, OffsetDeltasCountFromZero) {
  struct Case {
    std::vector<int32_t> deltas;
    size_t records;  // that come before the reader says that it is malformed
  };
  for (const Compression codec : {Compression::kNone, Compression::kGzip}) {
    for (const auto& [deltas, records] : {Case{{0, 1, 2}, 3}, Case{{2, 2, 2}, 0}, Case{{0, 2, 1}, 1}, Case{{0, 1, 1}, 2}, Case{{0, 0, 2}, 1}, Case{{0, 1, 3}, 2}}) {
      const std::string batch = testing::batch_with_deltas(codec, {"a", "b", "c"}, deltas);
      ASSERT_TRUE(check_record_batch(bytes_of(batch)));
      std::string scratch;
      auto reader = RecordReader::open(bytes_of(batch), scratch).value();
      RecordView record;
      for (size_t i = 0; i < records; ++i) {
        ASSERT_EQ(reader.next(record), RecordReader::Step::kRecord);
        EXPECT_EQ(record.offset, static_cast<int64_t>(i));
      }
      EXPECT_EQ(reader.next(record), records == 3 ? RecordReader::Step::kEnd : RecordReader::Step::kMalformed);
    }
  }
}

TEST(RecordBatch, VarintsOfEveryLength) {
  for (const size_t bytes_behind : {size_t{0}, size_t{20}}) {  // little or much of the record behind the varint
    for (int bit = 0; bit < 62; ++bit) {
      for (const int64_t delta : {(int64_t{1} << bit) - 1, int64_t{1} << bit, -(int64_t{1} << bit)}) {
        const std::string value(bytes_behind, 'v');
        const std::vector<RecordToWrite> records = {{.timestamp_ms = 0, .value = value}, {.timestamp_ms = delta, .value = value}, {.timestamp_ms = 7, .value = value}};
        const std::string batch = build_record_batch({}, records).value();
        std::string scratch;
        auto reader = RecordReader::open(bytes_of(batch), scratch).value();
        RecordView record;
        for (const int64_t expected : {int64_t{0}, delta, int64_t{7}}) {
          ASSERT_EQ(reader.next(record), RecordReader::Step::kRecord) << delta;
          EXPECT_EQ(record.timestamp_ms, expected);
          EXPECT_EQ(record.value, value);
        }
        EXPECT_EQ(reader.next(record), RecordReader::Step::kEnd);
      }
    }
  }
}

TEST(RecordBatch, TimestampsMayLieAnywhere) {
  const std::vector<RecordToWrite> records{{.timestamp_ms = INT64_MAX}, {.timestamp_ms = INT64_MIN}, {.timestamp_ms = -1}};
  const std::string batch = build_record_batch({}, records).value();
  std::string scratch;
  auto reader = RecordReader::open(bytes_of(batch), scratch).value();
  for (const RecordToWrite& wanted : records) {
    RecordView record;
    ASSERT_EQ(reader.next(record), RecordReader::Step::kRecord);
    EXPECT_EQ(record.timestamp_ms, wanted.timestamp_ms);
  }
}

TEST(Compression, ABombIsRefusedBeforeItGrows) {
  const std::string zeros(50u << 20, '\0');
  for (const auto codec : {Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    const std::string packed = compress(codec, bytes_of(zeros)).value();
    std::string out;
    const auto refused = decompress(codec, bytes_of(packed), 1u << 20, out);
    ASSERT_FALSE(refused) << to_string(codec);
    EXPECT_EQ(refused.error().kind, ErrorKind::kExhausted) << refused.error().message;
    EXPECT_LT(out.capacity(), 100u);  // and gives back what it had grown to
    ASSERT_TRUE(decompress(codec, bytes_of(packed), zeros.size(), out));
    EXPECT_EQ(out, zeros);
  }
}

// What is too large to grow by doubling comes out whole, in memory of just its size.
TEST(Compression, LargeDataTakesItsSize) {
  Rng rng(5);
  std::string text;
  while (text.size() < (40u << 20)) {
    std::string word(1 + rng.below(1'000), static_cast<char>('a' + rng.below(26)));
    word[0] = static_cast<char>(rng.below(256));
    text += word;
  }
  for (const auto codec : {Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    const std::string packed = compress(codec, bytes_of(text)).value();
    std::string out;
    ASSERT_TRUE(decompress(codec, bytes_of(packed), text.size(), out)) << to_string(codec);
    EXPECT_TRUE(out == text) << to_string(codec);
    EXPECT_LT(out.capacity(), text.size() + 100);
    const auto refused = decompress(codec, bytes_of(packed), text.size() - 1, out);
    ASSERT_FALSE(refused) << to_string(codec);
    EXPECT_EQ(refused.error().kind, ErrorKind::kExhausted);
  }
}

TEST(Compression, CutOrDamagedInputIsAnError) {
  const std::string text(10'000, 'a');
  Rng rng(4);
  for (const auto codec : {Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    const std::string packed = compress(codec, bytes_of(text)).value();
    std::string out;
    for (size_t cut = 1; cut < packed.size(); ++cut) {
      const bool ok = decompress(codec, bytes_of(packed).first(cut), 1u << 20, out).has_value();
      // The Java snappy framing has no end mark: a cut between two chunks reads as the shorter text.
      if (codec != Compression::kSnappy) EXPECT_FALSE(ok) << to_string(codec) << cut;
    }
    for (int i = 0; i < 2000; ++i) {
      std::string bad = packed;
      bad[rng.below(bad.size())] = static_cast<char>(rng.next());
      (void)decompress(codec, bytes_of(bad), 1u << 20, out);
    }
  }
}

TEST(Compression, RawSnappyAsLibrdkafkaSendsIt) {
  std::string out;
  const std::string raw("\x05\x10" "hello", 7);
  ASSERT_TRUE(decompress(Compression::kSnappy, bytes_of(raw), 100, out));
  EXPECT_EQ(out, "hello");
}

// Bytes worked out by hand from the protocol's description.
TEST(RecordBatch, MarkersOfTransactions) {
  for (const bool commit : {false, true}) {
    const std::string marker = build_marker_batch({.producer_id = 7, .producer_epoch = 3, .commit = commit, .timestamp_ms = 5});
    ASSERT_EQ(marker.size(), kMarkerBatchBytes);
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(marker.data()), marker.size());
    const auto header = check_record_batch(bytes).value();
    EXPECT_EQ(header.attributes, 0x30);
    EXPECT_EQ(header.producer_id, 7);
    EXPECT_EQ(header.producer_epoch, 3);
    EXPECT_EQ(header.base_sequence, -1);
    EXPECT_EQ(header.max_timestamp_ms, 5);
    EXPECT_EQ(marker.substr(kBatchHeaderBytes), std::string("\x20\0\0\0\x08\0\0\0", 8) + (commit ? '\1' : '\0') + std::string("\x0c\0\0\0\0\0\0\0", 8));
    EXPECT_EQ(marker_commits(bytes), commit);
  }
  const std::vector<RecordToWrite> records = {{.timestamp_ms = 1, .value = "v"}};
  const std::string plain = build_record_batch({}, records).value();
  EXPECT_FALSE(marker_commits({reinterpret_cast<const uint8_t*>(plain.data()), plain.size()}));
}

}  // namespace
}  // namespace ms
