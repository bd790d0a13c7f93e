// The examples of docs/formats/ are what the code writes.
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/testing/crash_file_system.h"
#include "base/testing/doc_example.h"
#include "codec/record_batch.h"
#include "log/meta_state.h"
#include "log/snapshot.h"
#include "log/stream_object.h"
#include "log/wal_format.h"

namespace ms::log {
namespace {

std::string hex_example(const std::string& page, const std::string& name) { return ms::testing::doc_example(MS_SOURCE_DIR "/docs/formats/" + page, name); }

std::string text_of(std::span<const uint8_t> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
std::string hex_of(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto b = static_cast<uint8_t>(bytes[i]);
    out += {kDigits[b >> 4], kDigits[b & 15], i % 16 == 15 ? '\n' : ' '};
  }
  return out;
}

constexpr TopicId kTopic{Uuid{{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF}}};
constexpr int64_t kTimeUs = 1767225600000000;

std::string example_batch() {
  const std::vector<RecordToWrite> records = {{.timestamp_ms = kTimeUs / 1000, .key = "k", .value = "v"}};
  std::string batch = build_record_batch({}, records).value();
  patch_record_batch({reinterpret_cast<uint8_t*>(batch.data()), batch.size()}, Offset{5}, 0);
  return batch;
}
std::span<const uint8_t> bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

std::string example_frame() {
  const std::string batch = example_batch();
  const auto facts = check_record_batch(bytes_of(batch)).value();
  ByteWriter commands;
  encode(commands, Command{AdvanceLogStart{{kTopic, {0}}, {2}}});
  encode(commands, AppendBatch{.to = {kTopic, {0}}, .base = {5}, .size = facts.size, .crc = facts.crc});
  const FrameHeader header{.life = 0x1122334455667788, .segment = 1, .frame = 9, .append_us = kTimeUs,
                           .command_bytes = static_cast<uint32_t>(commands.size()), .command_crc = crc32c(bytes_of(commands.str())),
                           .data_bytes = static_cast<uint32_t>(batch.size()), .batches = 1};
  return text_of(encode(header)) + commands.str() + batch;
}

std::string example_object() {
  const std::string batch = example_batch();
  ObjectBuilder builder(3);
  builder.begin_run({kTopic, {0}}, {5});
  builder.add({.bytes = Slice::copy(batch), .base = {5}, .last = {5}, .at = {kTimeUs}}, parse_record_batch(bytes_of(batch)).value());
  std::string out;
  for (const auto& part : builder.finish()) out += text_of(part);
  return out;
}

TEST(Formats, TheExamplesOfTheWalPage) {
  const std::string segment = text_of(encode(SegmentHeader{.number = 1, .life = 0x1122334455667788, .first_frame = 1}));
  EXPECT_EQ(hex_example("wal.md", "segment"), segment) << hex_of(segment);
  EXPECT_EQ(hex_example("wal.md", "frame"), example_frame()) << hex_of(example_frame());
  const std::string frame = hex_example("wal.md", "frame");
  const auto header = parse_frame_header(bytes_of(frame));
  ASSERT_TRUE(header);
  EXPECT_TRUE(check_frame(*header, bytes_of(frame)));
}

TEST(Formats, TheExampleOfTheStreamObjectPage) {
  EXPECT_EQ(hex_example("stream-object.md", "object"), example_object()) << hex_of(example_object());
  const std::string object = hex_example("stream-object.md", "object");
  const auto place = parse_object_tail(bytes_of(object).last(kObjectTailBytes), object.size()).value();
  const auto directory = parse_object_footer(bytes_of(object).subspan(place.position, place.bytes), place).value();
  ASSERT_EQ(directory.runs.size(), 1u);
  EXPECT_EQ(directory.runs[0].time_of({5}).us, kTimeUs);
}

TEST(Formats, TheExampleOfTheSnapshotPage) {
  MetaState state;
  ASSERT_TRUE(state.apply(CreateTopic{kTopic, "t", 1, {{"retention.ms", "-1"}}, false}, {kTimeUs}));
  ms::testing::CrashFileSystem fs(1);
  ASSERT_TRUE(fs.create_directories("/log"));
  ASSERT_TRUE(write_snapshot(fs, "/log/meta.snapshot", 9, 1, state.encode()));
  const std::string snapshot = read_file(fs, "/log/meta.snapshot").value();
  EXPECT_EQ(hex_example("meta-snapshot.md", "snapshot"), snapshot) << hex_of(snapshot);
  const auto read = read_snapshot(fs, "/log/meta.snapshot").value();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->state.encode(), state.encode());
}

// Version 1 knew no compacted runs.
TEST(Formats, AnOlderStreamObjectIsRead) {
  const std::string object = example_object();
  const auto place = parse_object_tail(bytes_of(object).last(kObjectTailBytes), object.size()).value();
  std::string footer = object.substr(place.position, place.bytes);
  const auto now = parse_object_footer(bytes_of(footer), place).value();
  const auto parse = [&] { return parse_object_footer(bytes_of(footer), {place.position, footer.size(), crc32c(bytes_of(footer))}); };
  footer[0] = 3;
  EXPECT_EQ(parse().error().kind, ErrorKind::kUnsupported);
  constexpr size_t kAtCompacted = 4 + 8 + 1 + 16 + 4 + 6 * 8;
  footer[0] = 2, footer[kAtCompacted] = 1;
  EXPECT_EQ(parse()->runs[0].run.compacted_until().value, 6);
  footer[kAtCompacted] = 2;
  EXPECT_EQ(parse().error().kind, ErrorKind::kCorruption);  // more than there is
  footer[0] = 1, footer.erase(kAtCompacted, 1);
  EXPECT_EQ(parse()->runs[0].run, now.runs[0].run);
}

// Version 1 did not know when the removed records were appended, version 2 no transactions, version 3 no entries, version 4 no
// compaction, version 5 not when offsets expire.
TEST(Formats, AnOlderMetadataStateIsRead) {
  MetaState state;
  ASSERT_TRUE(state.apply(CreateTopic{kTopic, "t", 1, {}, false}, {7}));
  const std::string now = state.encode();
  std::string older = now;
  for (const char version : {char{5}, char{4}, char{3}, char{2}, char{1}}) {
    older[0] = version;
    if (version == 3) older.pop_back();  // no entries
    if (version == 2) {
      older.pop_back();                  // no transactional ids
      older.erase(older.size() - 5, 2);  // behind the partition's producers
    }
    if (version == 1) older.erase(74, 8);  // behind the partition's three offsets
    const auto read = MetaState::decode(older);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->encode(), now);
  }
  older[0] = 7;
  EXPECT_EQ(MetaState::decode(older).error().kind, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace ms::log
