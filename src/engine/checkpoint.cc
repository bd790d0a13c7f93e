#include "engine/checkpoint.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/logging.h"

namespace ms::engine {
namespace {

constexpr std::string_view kMagic = "MSCHKPT1";
constexpr std::string_view kSuffix = ".checkpoint";
constexpr size_t kKept = 2;
constexpr size_t kPartBytes = 16u << 20;  // written and synced at a time

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void encode_shard(ByteWriter& out, const CheckpointShard& shard) {
  out.varint(shard.applied.size());
  for (const auto& [input, offset] : shard.applied) {
    out.bytes(input.topic.uuid.bytes);
    out.i32(input.partition.value);
    out.i64(offset.value);
  }
  out.varint(shard.views.size());
  for (const CheckpointView& view : shard.views) {
    out.sized(view.name);
    out.varint(view.version);
    out.sized(view.identity);
    out.sized(view.state);
  }
}

Result<CheckpointShard> decode_shard(ByteReader& in) {
  CheckpointShard shard;
  const uint64_t inputs = in.varint();
  for (uint64_t i = 0; i < inputs && in.ok(); ++i) {
    TopicPartition input;
    const auto id = in.bytes(16);
    if (id.size() == 16) std::memcpy(input.topic.uuid.bytes.data(), id.data(), 16);
    input.partition = {in.i32()};
    shard.applied.emplace_back(input, Offset{in.i64()});
  }
  const uint64_t views = in.varint();
  for (uint64_t i = 0; i < views && in.ok(); ++i) {
    CheckpointView view;
    view.name = in.sized();
    view.version = static_cast<uint32_t>(in.varint());
    view.identity = in.sized();
    view.state = in.sized();
    shard.views.push_back(std::move(view));
  }
  if (!in.ok()) return corruption("checkpoint: counts do not fit its length");
  return shard;
}

Result<std::vector<std::string>> checkpoint_names(FileSystem& fs, const std::string& dir) {
  TRY_ASSIGN(auto names, fs.list(dir));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kSuffix); });
  return names;
}

Result<> write_parts(FileSystem& fs, const std::string& path, std::string_view bytes, const std::function<bool()>& give_up) {
  TRY_ASSIGN(const auto file, fs.open(path, FileSystem::Open::kCreateNew));
  for (size_t at = 0; at < bytes.size(); at += kPartBytes) {
    if (give_up && give_up()) return fail(ErrorKind::kTimeout, fmt::format("given up after {} of {} bytes", at, bytes.size()));
    const auto part = as_bytes(bytes.substr(at, kPartBytes));
    TRY(file->write_at(at, {&part, 1}));
    TRY(file->sync_data());
  }
  return {};
}

}  // namespace

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  ByteWriter out;
  out.bytes(kMagic);
  out.u32(kCheckpointVersion);
  out.varint(checkpoint.shards.size());
  for (const CheckpointShard& shard : checkpoint.shards) encode_shard(out, shard);
  out.varint(checkpoint.dead_letter_ends.size());
  for (const auto& [source, end] : checkpoint.dead_letter_ends) out.sized(source), out.i64(end.value);
  out.u32(crc32c(as_bytes(out.str())));
  return out.take();
}

Result<Checkpoint> decode_checkpoint(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + 8 || !bytes.starts_with(kMagic)) return corruption("this is not a checkpoint");
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  if (crc32c(as_bytes(body)) != load_le<uint32_t>(bytes.data() + body.size())) return corruption("checkpoint: the CRC does not match");
  ByteReader in(body.substr(kMagic.size()));
  if (const uint32_t version = in.u32(); version != kCheckpointVersion)
    return fail(ErrorKind::kUnsupported, fmt::format("checkpoint format {} is not known to this version", version));
  Checkpoint out;
  const uint64_t shards = in.varint();
  for (uint64_t i = 0; i < shards && in.ok(); ++i) {
    TRY_ASSIGN(CheckpointShard shard, decode_shard(in));
    out.shards.push_back(std::move(shard));
  }
  const uint64_t ends = in.varint();
  for (uint64_t i = 0; i < ends && in.ok(); ++i) {
    const std::string source(in.sized());
    out.dead_letter_ends[source] = {in.i64()};
  }
  if (!in.ok() || !in.at_end()) return corruption("checkpoint: counts do not fit its length");
  return out;
}

Result<> store_checkpoint(FileSystem& fs, const std::string& dir, const Checkpoint& checkpoint, const std::function<bool()>& give_up) {
  TRY_ASSIGN(const auto names, checkpoint_names(fs, dir));
  const uint64_t sequence = names.empty() ? 1 : std::strtoull(names.back().c_str(), nullptr, 10) + 1;
  const std::string path = fmt::format("{}/{:012}{}", dir, sequence, kSuffix), unfinished = path + ".tmp";
  TRY_ASSIGN(const bool left_over, fs.exists(unfinished));
  if (left_over) TRY(fs.remove(unfinished));
  if (auto written = write_parts(fs, unfinished, encode_checkpoint(checkpoint), give_up); !written) {
    (void)fs.remove(unfinished);  // the first error is the one to report
    return written;
  }
  TRY(fs.rename(unfinished, path));
  TRY(fs.sync_directory(dir));
  for (size_t i = 0; i + kKept <= names.size(); ++i) TRY(fs.remove(dir + "/" + names[i]));
  return {};
}

Result<std::optional<Checkpoint>> load_checkpoint(FileSystem& fs, const std::string& dir) {
  TRY_ASSIGN(const auto names, checkpoint_names(fs, dir));
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    TRY_ASSIGN(const std::string bytes, read_file(fs, dir + "/" + *name));
    auto checkpoint = decode_checkpoint(bytes);
    if (checkpoint) return std::optional(std::move(*checkpoint));
    if (checkpoint.error().kind == ErrorKind::kUnsupported) return Unexpected(checkpoint.error().within(dir + "/" + *name));
    log_error("checkpoint_damaged", {{"file", dir + "/" + *name}, {"reason", checkpoint.error().message}});
  }
  return std::nullopt;
}

}  // namespace ms::engine
