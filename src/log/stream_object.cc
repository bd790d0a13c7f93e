#include "log/stream_object.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"

namespace ms::log {
namespace {

constexpr uint64_t kHeaderMagic = 0x31304F534D534DULL;  // "MSMSO01" and a zero
constexpr uint64_t kTailMagic = 0x31304D4F4F46534DULL;  // "MSFOOM01"
constexpr uint32_t kVersion = 2;  // 1 had no compacted runs
bool is_known(uint32_t version) { return version >= 1 && version <= kVersion; }
constexpr size_t kRunBytesMin = 20 + 8 * 6 + 2;

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void encode_run(ByteWriter& out, const RunDirectory& run) {
  encode_compacted(out, run.run);
  out.varint(run.index.size());
  for (const IndexEntry& e : run.index) {
    out.varint(e.bytes), out.varint(static_cast<uint64_t>(e.base.value - run.run.base.value));
    out.zigzag(e.min_timestamp_ms), out.zigzag(e.max_timestamp_ms), out.varint(e.records), out.varint(e.batches);
  }
  out.varint(run.times.size());
  TimeEntry before{run.run.base, {0}};
  for (const TimeEntry& t : run.times) {
    out.varint(static_cast<uint64_t>(t.base.value - before.base.value)), out.zigzag(t.at.us - before.at.us);
    before = t;
  }
}

bool decode_index(ByteReader& in, RunDirectory& run) {
  uint64_t position = run.run.position;
  const uint64_t end = run.run.position + run.run.bytes;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    IndexEntry e{.position = position, .bytes = in.varint()};
    const uint64_t delta = in.varint();
    e.min_timestamp_ms = in.zigzag(), e.max_timestamp_ms = in.zigzag();
    e.records = static_cast<uint32_t>(in.varint()), e.batches = static_cast<uint32_t>(in.varint());
    if (e.bytes == 0 || e.bytes > end - position || delta >= static_cast<uint64_t>(run.run.next.value - run.run.base.value)) return false;
    e.base.value = run.run.base.value + static_cast<int64_t>(delta);
    if (run.index.empty() ? delta > run.run.compacted : e.base <= run.index.back().base) return false;
    position += e.bytes;
    run.index.push_back(e);
  }
  return in.ok() && position == end && !run.index.empty();
}

bool decode_times(ByteReader& in, RunDirectory& run) {
  TimeEntry before{run.run.base, {0}};
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    const uint64_t delta = in.varint();
    const int64_t time = in.zigzag();
    if (delta >= static_cast<uint64_t>(run.run.next.value - before.base.value)) return false;
    if (__builtin_add_overflow(before.at.us, time, &before.at.us)) return false;
    if (run.times.empty() ? delta > run.run.compacted : delta == 0) return false;
    before.base.value += static_cast<int64_t>(delta);
    run.times.push_back(before);
  }
  return in.ok() && !run.times.empty();
}

// Runs lie one behind the other and fill the object between header and footer.
bool is_placed(const ObjectRun& run, uint64_t position, uint64_t end) {
  return run.position == position && run.bytes > 0 && run.bytes <= end - position && run.base.value >= 0 && run.next > run.base;
}

}  // namespace

AppendTime RunDirectory::time_of(Offset batch_base) const {
  auto it = std::ranges::upper_bound(times, batch_base, {}, &TimeEntry::base);
  return it == times.begin() ? AppendTime{} : std::prev(it)->at;
}

const RunDirectory* ObjectDirectory::find(const TopicPartition& p, Offset offset) const {
  for (const RunDirectory& run : runs)
    if (run.run.of == p && run.run.base <= offset && offset < run.run.next) return &run;
  return nullptr;
}

ObjectBuilder::ObjectBuilder(uint64_t object) {
  directory_.object = object;
  ByteWriter out;
  out.u64(kHeaderMagic), out.u32(kVersion), out.u32(0), out.u64(object), out.u64(0);
  header_ = out.take();
  CHECK(header_.size() == kObjectHeaderBytes);
}

void ObjectBuilder::begin_run(const TopicPartition& p, Offset base) {
  RunDirectory& run = directory_.runs.emplace_back();
  run.run = {.of = p, .base = base, .next = base, .position = position_, .max_timestamp_ms = INT64_MIN};
}

void ObjectBuilder::add(const ReadBatch& batch, const RecordBatchHeader& header) {
  CHECK(!empty());
  RunDirectory& run = directory_.runs.back();
  CHECK(run.run.next <= batch.base);
  const int64_t largest = header.largest_timestamp_ms();
  const int64_t min_timestamp_ms = std::min(header.base_timestamp_ms, header.max_timestamp_ms);
  if (run.index.empty() || run.index.back().bytes + batch.bytes.size() > kIndexEveryBytes)
    run.index.push_back({.position = position_, .base = batch.base, .min_timestamp_ms = min_timestamp_ms, .max_timestamp_ms = largest});
  IndexEntry& block = run.index.back();
  block.bytes += batch.bytes.size();
  block.min_timestamp_ms = std::min(block.min_timestamp_ms, min_timestamp_ms);
  block.max_timestamp_ms = std::max(block.max_timestamp_ms, largest);
  block.records += static_cast<uint32_t>(header.records);
  ++block.batches;
  if (run.times.empty() || run.times.back().at != batch.at) run.times.push_back({batch.base, batch.at});
  run.run.next = {batch.last.value + 1};
  run.run.bytes += batch.bytes.size();
  run.run.max_timestamp_ms = std::max(run.run.max_timestamp_ms, largest);
  run.run.last_append_us = batch.at.us;
  position_ += batch.bytes.size();
  slices_.push_back(batch.bytes);
}

void ObjectBuilder::compacted_until(Offset end) {
  ObjectRun& run = directory_.runs.back().run;
  CHECK(run.base <= end && end <= run.next);
  run.compacted = static_cast<uint64_t>(end.value - run.base.value);
}

std::vector<std::span<const uint8_t>> ObjectBuilder::finish() {
  ByteWriter footer;
  footer.u32(kVersion), footer.u64(directory_.object), footer.varint(directory_.runs.size());
  for (const RunDirectory& run : directory_.runs) encode_run(footer, run);
  const auto footer_bytes = static_cast<uint32_t>(footer.size());
  const uint32_t crc = crc32c(bytes_of(footer.str()));
  footer.u64(position_), footer.u32(footer_bytes), footer.u32(crc), footer.u64(kTailMagic);
  footer_ = footer.take();
  std::vector<std::span<const uint8_t>> parts;
  parts.reserve(slices_.size() + 2);
  parts.push_back(bytes_of(header_));
  for (const Slice& slice : slices_) parts.push_back(slice.span());
  parts.push_back(bytes_of(footer_));
  return parts;
}

std::vector<ObjectRun> ObjectBuilder::runs() const {
  std::vector<ObjectRun> out;
  for (const RunDirectory& run : directory_.runs) out.push_back(run.run);
  return out;
}

Result<> check_object_header(std::span<const uint8_t> header, uint64_t object) {
  ByteReader in(header);
  if (in.u64() != kHeaderMagic) return corruption("a stream object does not begin with its magic number");
  if (const uint32_t version = in.u32(); !is_known(version))
    return fail(ErrorKind::kUnsupported, fmt::format("stream object version {}; use the version of Millstream that wrote it", version));
  if (in.u32() != 0 || in.u64() != object || in.u64() != 0 || !in.ok()) return corruption("the header of a stream object is damaged");
  return {};
}

Result<FooterPlace> parse_object_tail(std::span<const uint8_t> tail, uint64_t object_bytes) {
  if (tail.size() != kObjectTailBytes || object_bytes < kObjectHeaderBytes + kObjectTailBytes)
    return corruption("a stream object is cut short");
  ByteReader in(tail);
  FooterPlace place{.position = in.u64(), .bytes = in.u32()};
  place.crc = in.u32();
  if (in.u64() != kTailMagic) return corruption("a stream object does not end with its magic number");
  if (place.bytes > kObjectFooterBytesMax || place.position < kObjectHeaderBytes || place.bytes > object_bytes - kObjectTailBytes ||
      place.position != object_bytes - kObjectTailBytes - place.bytes)
    return corruption("the footer of a stream object is not where its end says");
  return place;
}

Result<ObjectDirectory> parse_object_footer(std::span<const uint8_t> footer, const FooterPlace& place) {
  if (footer.size() != place.bytes || crc32c(footer) != place.crc) return corruption("the CRC of a stream object's footer is wrong");
  ByteReader in(footer);
  const uint32_t version = in.u32();
  if (!is_known(version)) return fail(ErrorKind::kUnsupported, fmt::format("stream object version {}; use the version of Millstream that wrote it", version));
  ObjectDirectory directory{.object = in.u64()};
  const uint64_t count = in.varint();
  if (count > in.remaining() / kRunBytesMin) return corruption("a stream object names more runs than its footer holds");
  directory.runs.reserve(count);
  uint64_t position = kObjectHeaderBytes;
  for (uint64_t i = 0; i < count; ++i) {
    RunDirectory& run = directory.runs.emplace_back();
    run.run = version >= 2 ? decode_compacted_run(in) : decode_run(in);
    if (!in.ok() || !is_placed(run.run, position, place.position)) return corruption("a run of a stream object is out of place");
    if (!decode_index(in, run) || !decode_times(in, run)) return corruption("the index of a stream object's run does not fit it");
    position += run.run.bytes;
  }
  if (!in.ok() || !in.at_end() || position != place.position) return corruption("the footer of a stream object does not fit it");
  return directory;
}

}  // namespace ms::log
