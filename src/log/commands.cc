#include "log/commands.h"

#include <fmt/format.h>

#include <algorithm>

namespace ms::log {
namespace {

constexpr uint8_t kBatchTag = 1;
constexpr uint8_t kTransactionTag = 2;
constexpr uint8_t kCommandTag = 16;  // + the number of the command: its index in Command, but for
constexpr size_t kDenseReplaceRuns = 12;  // that from before there was compaction, which is read only: ReplaceRuns and later ones are one more
constexpr size_t kPlainCommit = 5;        // CommitOffsets from before offsets expired, which is read only
constexpr size_t kCommitOffsets = 15;

size_t number_of(const Command& command) {
  if (std::holds_alternative<CommitOffsets>(command)) return kCommitOffsets;
  return command.index() < kDenseReplaceRuns ? command.index() : command.index() + 1;
}

void put(ByteWriter& out, const CreateTopic& c) {
  encode(out, c.id), out.sized(c.name), out.i32(c.partitions), encode(out, c.config), out.u8(c.internal);
}
void put(ByteWriter& out, const DeleteTopic& c) { encode(out, c.id); }
void put(ByteWriter& out, const CreatePartitions& c) { encode(out, c.id), out.i32(c.total); }
void put(ByteWriter& out, const EntryChanges& changes) {
  out.varint(changes.size());
  for (const auto& [key, value] : changes) {
    out.sized(key), out.u8(value.has_value());
    if (value) out.sized(*value);
  }
}
void put(ByteWriter& out, const AlterConfig& c) { encode(out, c.id), put(out, c.changes); }
void put(ByteWriter&, const InitProducer&) {}
void put(ByteWriter& out, const CommitOffsets& c) { out.sized(c.group), encode_expiring(out, c.offsets); }
void put(ByteWriter& out, const ExpireOffsets& c) { out.sized(c.group), encode_expiring(out, c.seen); }
void put(ByteWriter& out, const DeleteGroupOffsets& c) { out.sized(c.group); }
void put(ByteWriter& out, const ReserveObjects& c) { out.u32(c.count); }
void put(ByteWriter& out, const AddObject& c) {
  out.u64(c.object), out.u64(c.bytes), out.varint(c.runs.size());
  for (const ObjectRun& run : c.runs) encode(out, run);
}
void put(ByteWriter& out, const AdvanceLogStart& c) { encode(out, c.of), out.i64(c.to.value); }
void put(ByteWriter& out, const ForgetObjects& c) {
  out.varint(c.objects.size());
  for (const uint64_t object : c.objects) out.u64(object);
}
void put(ByteWriter& out, const ChangeEntries& c) { out.sized(c.space), put(out, c.changes); }
void put(ByteWriter& out, const ReplaceRuns& c) {
  out.u64(c.object), out.u64(c.bytes), out.varint(c.runs.size());
  for (const ObjectRun& run : c.runs) encode_compacted(out, run);
  out.varint(c.sources.size());
  for (const RunName& source : c.sources) out.u64(source.object), encode(out, source.of), out.i64(source.base.value), out.i64(source.next.value);
  out.varint(c.gone.size());
  for (const GoneTransaction& gone : c.gone) encode(out, gone.of), out.i64(gone.marker.value);
}

void put(ByteWriter& out, const ProducerIdentity& p) { out.i64(p.id), out.u16(static_cast<uint16_t>(p.epoch)); }
void put(ByteWriter& out, const InitTransaction& s) { put(out, s.expected), out.i32(s.timeout_ms); }
void put(ByteWriter& out, const AddTransactionPartitions& s) {
  put(out, s.by), out.varint(s.partitions.size());
  for (const TopicPartition& p : s.partitions) encode(out, p);
}
void put(ByteWriter& out, const AddTransactionGroup& s) { put(out, s.by), out.sized(s.group); }
void put(ByteWriter& out, const StageTransactionOffsets& s) { put(out, s.by), out.sized(s.group), encode(out, s.offsets), out.u8(s.joins); }
void put(ByteWriter& out, const EndTransaction& s) { put(out, s.by), out.u8(s.commit), out.u8(s.bumps_epoch); }
void put(ByteWriter& out, const ExpireTransaction& s) { put(out, s.by); }
void put(ByteWriter& out, const ForgetTransactionalId& s) { put(out, s.by); }

// Counts need no bound of their own: every loop stops when the bytes do.
Command get_create_topic(ByteReader& in) {
  CreateTopic c;
  c.id = decode_topic_id(in), c.name = in.sized(), c.partitions = in.i32(), c.config = decode_texts(in), c.internal = in.u8() != 0;
  return c;
}
EntryChanges get_changes(ByteReader& in) {
  EntryChanges changes;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    std::string key(in.sized());
    std::optional<std::string> value;
    if (in.u8() != 0) value = in.sized();
    changes[std::move(key)] = std::move(value);
  }
  return changes;
}
Command get_alter_config(ByteReader& in) {
  const TopicId id = decode_topic_id(in);
  return AlterConfig{id, get_changes(in)};
}
Command get_commit(ByteReader& in, bool plain) {
  CommitOffsets c{.group = std::string(in.sized())};
  c.offsets = plain ? decode_offsets(in) : decode_expiring_offsets(in);
  return c;
}
Command get_expire(ByteReader& in) {
  ExpireOffsets c{.group = std::string(in.sized())};
  c.seen = decode_expiring_offsets(in);
  return c;
}
Command get_add_object(ByteReader& in) {
  AddObject c{.object = in.u64(), .bytes = in.u64()};
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) c.runs.push_back(decode_run(in));
  return c;
}
Command get_advance(ByteReader& in) {
  AdvanceLogStart c{.of = decode_partition(in)};
  c.to.value = in.i64();
  return c;
}
Command get_forget(ByteReader& in) {
  ForgetObjects c;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) c.objects.push_back(in.u64());
  return c;
}
Command get_change_entries(ByteReader& in) {
  std::string space(in.sized());
  return ChangeEntries{std::move(space), get_changes(in)};
}
Command get_replace_runs(ByteReader& in, bool dense) {
  ReplaceRuns c{.object = in.u64(), .bytes = in.u64()};
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) c.runs.push_back(dense ? decode_run(in) : decode_compacted_run(in));
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    RunName source{.object = in.u64(), .of = decode_partition(in)};
    source.base.value = in.i64(), source.next.value = in.i64();
    c.sources.push_back(source);
  }
  for (uint64_t left = dense ? 0 : in.varint(); left > 0 && in.ok(); --left) {
    const TopicPartition of = decode_partition(in);
    c.gone.push_back({of, Offset{in.i64()}});
  }
  return c;
}

Result<TransactionStep> get_transaction_step(ByteReader& in) {
  const uint8_t kind = in.u8();
  const std::string id(in.sized());
  ProducerIdentity by{.id = in.i64()};
  by.epoch = static_cast<int16_t>(in.u16());
  switch (kind) {
    case 0: return InitTransaction{id, in.i32(), by};
    case 1: {
      AddTransactionPartitions step{id, by, {}};
      for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) step.partitions.push_back(decode_partition(in));
      return step;
    }
    case 2: return AddTransactionGroup{id, by, std::string(in.sized())};
    case 3: {
      StageTransactionOffsets step{id, by, std::string(in.sized()), {}, false};
      step.offsets = decode_offsets(in), step.joins = in.u8() != 0;
      return step;
    }
    case 4: {
      EndTransaction step{id, by, in.u8() != 0, false};
      step.bumps_epoch = in.u8() != 0;
      return step;
    }
    case 5: return ExpireTransaction{id, by};
    case 6: return ForgetTransactionalId{id, by};
    default: return fail(ErrorKind::kUnsupported, fmt::format("unknown transaction step {}; was this written by a newer version?", kind));
  }
}

Result<Command> get_command(size_t number, ByteReader& in) {
  switch (number) {
    case 0: return get_create_topic(in);
    case 1: return DeleteTopic{decode_topic_id(in)};
    case 2: {
      const TopicId id = decode_topic_id(in);
      return CreatePartitions{id, in.i32()};
    }
    case 3: return get_alter_config(in);
    case 4: return InitProducer{};
    case kPlainCommit: return get_commit(in, true);
    case 6: return DeleteGroupOffsets{std::string(in.sized())};
    case 7: return ReserveObjects{in.u32()};
    case 8: return get_add_object(in);
    case 9: return get_advance(in);
    case 10: return get_forget(in);
    case 11: return get_change_entries(in);
    case kDenseReplaceRuns: return get_replace_runs(in, true);
    case kDenseReplaceRuns + 1: return get_replace_runs(in, false);
    case 14: return get_expire(in);
    case kCommitOffsets: return get_commit(in, false);
    default: return fail(ErrorKind::kUnsupported, fmt::format("unknown command {}; was this written by a newer version?", number));
  }
}

}  // namespace

void change_into(EntrySpaces& spaces, const ChangeEntries& change) {
  Entries& entries = spaces[change.space];
  for (const auto& [name, value] : change.changes) {
    if (value) entries[name] = *value;
    else entries.erase(name);
  }
  if (entries.empty()) spaces.erase(change.space);
}

uint64_t expire_from(GroupOffsets& groups, const ExpireOffsets& expiry) {
  const auto group = groups.find(expiry.group);
  if (group == groups.end()) return 0;
  auto& offsets = group->second;
  uint64_t gone = 0;
  for (const auto& [key, seen] : expiry.seen) {
    const auto offset = offsets.find(key);
    if (offset == offsets.end() || offset->second != seen) continue;
    offsets.erase(offset);
    ++gone;
  }
  if (offsets.empty()) groups.erase(group);
  return gone;
}

bool stand_for(std::span<const ObjectRun> runs, std::span<const RunName> sources) {
  auto source = sources.begin();
  for (size_t i = 0; i < runs.size(); ++i) {
    const ObjectRun& run = runs[i];
    if (run.next <= run.base || (i > 0 && std::pair(runs[i - 1].of, runs[i - 1].next) > std::pair(run.of, run.base))) return false;
    for (Offset at = run.base; at != run.next; ++source) {
      if (source == sources.end() || source->of != run.of || source->base != at || source->next <= at || source->next > run.next) return false;
      at = source->next;
    }
  }
  return source == sources.end();
}

void encode(ByteWriter& out, TopicId id) { out.bytes(std::span<const uint8_t>(id.uuid.bytes)); }
void encode(ByteWriter& out, const TopicPartition& p) { encode(out, p.topic), out.i32(p.partition.value); }
void encode(ByteWriter& out, const std::map<std::string, std::string>& texts) {
  out.varint(texts.size());
  for (const auto& [key, value] : texts) out.sized(key), out.sized(value);
}
namespace {
void encode_one(ByteWriter& out, const OffsetKey& key, const CommittedOffset& value) {
  encode(out, key.first), out.i32(key.second), out.i64(value.offset.value), out.i32(value.leader_epoch);
  out.sized(value.metadata), out.i64(value.commit_time_ms);
}
}  // namespace
void encode(ByteWriter& out, const std::map<OffsetKey, CommittedOffset>& offsets) {
  out.varint(offsets.size());
  for (const auto& [key, value] : offsets) encode_one(out, key, value);
}
void encode_expiring(ByteWriter& out, const std::map<OffsetKey, CommittedOffset>& offsets) {
  out.varint(offsets.size());
  for (const auto& [key, value] : offsets) {
    encode_one(out, key, value), out.u8(value.expire_time_ms.has_value());
    if (value.expire_time_ms) out.i64(*value.expire_time_ms);
  }
}
void encode(ByteWriter& out, const ObjectRun& run) {
  encode(out, run.of), out.i64(run.base.value), out.i64(run.next.value), out.u64(run.position), out.u64(run.bytes);
  out.i64(run.max_timestamp_ms), out.i64(run.last_append_us);
}

void encode_compacted(ByteWriter& out, const ObjectRun& run) { encode(out, run), out.varint(run.compacted); }

TopicId decode_topic_id(ByteReader& in) {
  TopicId id;
  const auto bytes = in.bytes(id.uuid.bytes.size());
  std::ranges::copy(bytes, id.uuid.bytes.begin());
  return id;
}
TopicPartition decode_partition(ByteReader& in) {
  const TopicId topic = decode_topic_id(in);
  return {topic, PartitionId{in.i32()}};
}
std::map<std::string, std::string> decode_texts(ByteReader& in) {
  TopicConfig config;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    std::string key(in.sized());
    config[std::move(key)] = in.sized();
  }
  return config;
}
namespace {
CommittedOffset& decode_one(ByteReader& in, std::map<OffsetKey, CommittedOffset>& offsets) {
  const TopicId topic = decode_topic_id(in);
  const int32_t partition = in.i32();
  CommittedOffset& value = offsets[{topic, partition}];
  value.offset.value = in.i64(), value.leader_epoch = in.i32(), value.metadata = in.sized(), value.commit_time_ms = in.i64();
  return value;
}
}  // namespace
std::map<OffsetKey, CommittedOffset> decode_offsets(ByteReader& in) {
  std::map<OffsetKey, CommittedOffset> offsets;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) decode_one(in, offsets);
  return offsets;
}
std::map<OffsetKey, CommittedOffset> decode_expiring_offsets(ByteReader& in) {
  std::map<OffsetKey, CommittedOffset> offsets;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    CommittedOffset& value = decode_one(in, offsets);
    if (in.u8() != 0) value.expire_time_ms = in.i64();
  }
  return offsets;
}
ObjectRun decode_run(ByteReader& in) {
  ObjectRun run{.of = decode_partition(in)};
  run.base.value = in.i64(), run.next.value = in.i64(), run.position = in.u64(), run.bytes = in.u64();
  run.max_timestamp_ms = in.i64(), run.last_append_us = in.i64();
  return run;
}
ObjectRun decode_compacted_run(ByteReader& in) {
  ObjectRun run = decode_run(in);
  run.compacted = in.varint();
  if (run.next < run.base || run.compacted > static_cast<uint64_t>(run.next.value) - static_cast<uint64_t>(run.base.value)) (void)in.bytes(in.remaining() + 1);
  return run;
}

void encode(ByteWriter& out, const AppendBatch& batch) {
  out.u8(kBatchTag), encode(out, batch.to), out.i64(batch.base.value), out.u32(batch.size), out.u32(batch.crc);
}
void encode(ByteWriter& out, const Command& command) {
  out.u8(static_cast<uint8_t>(kCommandTag + number_of(command)));
  std::visit([&](const auto& c) { put(out, c); }, command);
}
void encode(ByteWriter& out, const TransactionStep& step) {
  out.u8(kTransactionTag), out.u8(static_cast<uint8_t>(step.index()));
  std::visit([&](const auto& s) { out.sized(s.id), put(out, s); }, step);
}

Result<FrameEntry> decode_entry(ByteReader& in) {
  const uint8_t tag = in.u8();
  FrameEntry entry;
  if (tag == kBatchTag) {
    AppendBatch batch{.to = decode_partition(in)};
    batch.base.value = in.i64(), batch.size = in.u32(), batch.crc = in.u32();
    entry = batch;
  } else if (tag == kTransactionTag) {
    TRY_ASSIGN(entry, get_transaction_step(in));
  } else if (tag < kCommandTag) {
    return corruption(fmt::format("unknown entry tag {}", tag));
  } else {
    TRY_ASSIGN(entry, get_command(tag - kCommandTag, in));
  }
  if (!in.ok()) return corruption("a command is cut short");
  return entry;
}

}  // namespace ms::log
