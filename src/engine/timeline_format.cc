#include "engine/timeline_format.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace ms::engine {
namespace {

constexpr std::string_view kMagic = "MSTIMEL1";
constexpr size_t kFrameBytes = 8;
constexpr uint32_t kPayloadBytesMax = 256u << 20;

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void encode_offsets(ByteWriter& out, const std::vector<InputOffset>& offsets) {
  out.varint(offsets.size());
  for (const InputOffset& o : offsets) out.varint(o.input), out.varint(static_cast<uint64_t>(o.offset.value));
}

// A count of things that take at least `least` bytes each; 0 (and a failed reader) when they cannot fit.
size_t read_count(ByteReader& in, size_t least) {
  const uint64_t count = in.varint();
  if (count > in.remaining() / least) {
    in.bytes(in.remaining() + 1);
    return 0;
  }
  return count;
}

std::vector<InputOffset> decode_offsets(ByteReader& in) {
  std::vector<InputOffset> out(read_count(in, 2));
  for (InputOffset& o : out) o.input = static_cast<uint32_t>(in.varint()), o.offset = {static_cast<int64_t>(in.varint())};
  return out;
}

void encode_shard(ByteWriter& out, const ShardPublishes& s) {
  out.varint(s.shard);
  out.varint(s.first_publish);
  encode_offsets(out, s.base);
  out.varint(s.publishes.size());
  int64_t before = 0;
  for (const PublishEntry& p : s.publishes) {
    out.zigzag(p.instant.us - before);
    before = p.instant.us;
    encode_offsets(out, p.moved);
  }
}

ShardPublishes decode_shard(ByteReader& in) {
  ShardPublishes s;
  s.shard = static_cast<uint32_t>(in.varint());
  s.first_publish = in.varint();
  s.base = decode_offsets(in);
  s.publishes.resize(read_count(in, 2));
  int64_t before = 0;
  for (PublishEntry& p : s.publishes) {
    before = static_cast<int64_t>(static_cast<uint64_t>(before) + static_cast<uint64_t>(in.zigzag()));
    p.instant = {before};
    p.moved = decode_offsets(in);
  }
  return s;
}

}  // namespace

std::string encode_timeline_header(const TimelineHeader& header) {
  ByteWriter out;
  out.bytes(kMagic);
  out.u32(kTimelineVersion);
  out.u32(header.shards);
  out.u32(kShardHashVersion);
  out.i64(header.begin.us);
  out.u32(crc32c(as_bytes(out.str())));
  return out.take();
}

Result<TimelineHeader> decode_timeline_header(std::span<const uint8_t> bytes) {
  if (bytes.size() < kTimelineHeaderBytes) return corruption("timeline header: too short");
  ByteReader in(bytes.first(kTimelineHeaderBytes));
  const auto magic = in.bytes(kMagic.size());
  if (std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()) != kMagic)
    return corruption("timeline header: this is not a timeline file");
  const uint32_t version = in.u32();
  TimelineHeader header;
  header.shards = in.u32();
  const uint32_t hash_version = in.u32();
  header.begin = {in.i64()};
  if (in.u32() != crc32c(bytes.first(kTimelineHeaderBytes - 4))) return corruption("timeline header: the CRC does not match");
  if (version != kTimelineVersion || hash_version != kShardHashVersion)
    return fail(ErrorKind::kUnsupported, fmt::format("timeline format {}.{} is not known to this version", version, hash_version));
  return header;
}

std::string encode_timeline_block(const TimelineBlock& block) {
  ByteWriter out;
  out.u32(0), out.u32(0);
  out.i64(block.synced_until.us);
  out.u8(block.closed ? 1 : 0);
  out.varint(block.new_inputs.size());
  for (const TopicPartition& p : block.new_inputs) out.bytes(p.topic.uuid.bytes), out.i32(p.partition.value);
  out.varint(block.joins.size());
  for (const ViewJoin& j : block.joins) out.sized(j.view), out.varint(j.version), out.i64(j.instant.us);
  out.varint(block.shards.size());
  for (const ShardPublishes& s : block.shards) encode_shard(out, s);
  store_le(out.at(0), static_cast<uint32_t>(out.size() - kFrameBytes));
  store_le(out.at(4), crc32c(as_bytes(out.str()).subspan(kFrameBytes)));
  return out.take();
}

Result<std::optional<DecodedBlock>> decode_timeline_block(std::span<const uint8_t> bytes) {
  if (bytes.size() < kFrameBytes) return std::nullopt;
  const auto length = load_le<uint32_t>(bytes.data());
  if (length == 0 || length > kPayloadBytesMax) return corruption("timeline block: impossible length");
  if (length > bytes.size() - kFrameBytes) return std::nullopt;
  const auto payload = bytes.subspan(kFrameBytes, length);
  if (crc32c(payload) != load_le<uint32_t>(bytes.data() + 4)) return corruption("timeline block: the CRC does not match");
  ByteReader in(payload);
  DecodedBlock out;
  out.bytes = kFrameBytes + length;
  TimelineBlock& block = out.block;
  block.synced_until = {in.i64()};
  block.closed = in.u8() != 0;
  block.new_inputs.resize(read_count(in, 20));
  for (TopicPartition& p : block.new_inputs) {
    const auto id = in.bytes(16);
    if (id.size() == 16) std::memcpy(p.topic.uuid.bytes.data(), id.data(), 16);
    p.partition = {in.i32()};
  }
  block.joins.resize(read_count(in, 10));
  for (ViewJoin& j : block.joins) j.view = in.sized(), j.version = static_cast<uint32_t>(in.varint()), j.instant = {in.i64()};
  const size_t shards = read_count(in, 4);
  for (size_t i = 0; i < shards && in.ok(); ++i) block.shards.push_back(decode_shard(in));
  if (!in.ok() || !in.at_end()) return corruption("timeline block: counts do not fit its length");
  return std::optional(std::move(out));
}

}  // namespace ms::engine
