// The commands of the metadata state machine as plain data, and their bytes in a WAL frame.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/types.h"
#include "log/log.h"
#include "log/partition_transactions.h"

namespace ms::log {

// One record batch. The frame stores where it goes, its offset, size and CRC; the rest is read from the batch itself.
struct AppendBatch {
  TopicPartition to;
  Offset base;  // filled by the state machine; on replay it must come out the same
  uint32_t size = 0;
  uint32_t crc = 0;
  int32_t records = 0;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int64_t max_timestamp_ms = -1;
  BatchRole role;
};

// A run of batches of one partition inside a stream object.
struct ObjectRun {
  TopicPartition of;
  Offset base, next;
  uint64_t position = 0, bytes = 0;  // in the object
  int64_t max_timestamp_ms = -1;
  int64_t last_append_us = 0;
  // So many offsets from `base` on were compacted: there batches and records may be missing between those that are left. The last
  // batch of a run always ends at next - 1.
  uint64_t compacted = 0;
  Offset compacted_until() const { return {base.value + static_cast<int64_t>(compacted)}; }
  bool operator==(const ObjectRun&) const = default;
};

struct CreateTopic { TopicId id; std::string name; int32_t partitions = 0; TopicConfig config; bool internal = false; };
struct DeleteTopic { TopicId id; };
struct CreatePartitions { TopicId id; int32_t total = 0; };
struct AlterConfig { TopicId id; std::map<std::string, std::optional<std::string>> changes; };
struct InitProducer {};
struct CommitOffsets { std::string group; std::map<OffsetKey, CommittedOffset> offsets; };
using GroupOffsets = std::map<std::string, std::map<OffsetKey, CommittedOffset>>;  // by group
// What a commit, by itself or as a transaction's end, does to the offsets of all groups. A topic deleted meanwhile takes none;
// kNoOffset forgets one.
void commit_into(GroupOffsets& groups, const std::string& group, const std::map<OffsetKey, CommittedOffset>& committed, const auto& topics) {
  auto& offsets = groups[group];
  for (const auto& [key, value] : committed) {
    if (value.offset < Offset{0}) offsets.erase(key);
    else if (topics.contains(key.first)) offsets[key] = value;
  }
  if (offsets.empty()) groups.erase(group);
}
// Offsets whose time is over, each as it was seen: one that was committed anew since stays.
struct ExpireOffsets { std::string group; std::map<OffsetKey, CommittedOffset> seen; };
uint64_t expire_from(GroupOffsets& groups, const ExpireOffsets& expiry);  // how many went
struct DeleteGroupOffsets { std::string group; };
struct ReserveObjects { uint32_t count = 0; };  // names to come; what is reserved and never added is removed at start
struct AddObject { uint64_t object = 0; uint64_t bytes = 0; std::vector<ObjectRun> runs; };
struct AdvanceLogStart { TopicPartition of; Offset to; };
struct ForgetObjects { std::vector<uint64_t> objects; };  // their bytes are gone
struct ChangeEntries { std::string space; EntryChanges changes; };
using EntrySpaces = std::map<std::string, Entries>;
void change_into(EntrySpaces& spaces, const ChangeEntries& change);  // a space without entries is forgotten
// A run by where it lies: what a replacement expects to find.
struct RunName { uint64_t object = 0; TopicPartition of; Offset base, next; };
// The runs of a new object take the places of others. Both lists are in the order of partition and offset.
// `gone`: aborted transactions, by the offset of their markers, whose records are in the log no more.
struct GoneTransaction { TopicPartition of; Offset marker; };
struct ReplaceRuns {
  uint64_t object = 0;
  uint64_t bytes = 0;
  std::vector<ObjectRun> runs;
  std::vector<RunName> sources;
  std::vector<GoneTransaction> gone;
};
// Whether each run covers the offsets of sources that lie behind each other, and together they stand for all sources.
bool stand_for(std::span<const ObjectRun> runs, std::span<const RunName> sources);

using Command = std::variant<CreateTopic, DeleteTopic, CreatePartitions, AlterConfig, InitProducer, CommitOffsets,
                             DeleteGroupOffsets, ReserveObjects, AddObject, AdvanceLogStart, ForgetObjects, ChangeEntries, ReplaceRuns, ExpireOffsets>;
using FrameEntry = std::variant<AppendBatch, Command, TransactionStep>;

void encode(ByteWriter& out, const AppendBatch& batch);
void encode(ByteWriter& out, const Command& command);
void encode(ByteWriter& out, const TransactionStep& step);
// Errors: kCorruption; kUnsupported for a tag of a newer version.
Result<FrameEntry> decode_entry(ByteReader& in);

void encode(ByteWriter& out, TopicId id);
void encode(ByteWriter& out, const TopicPartition& p);
void encode(ByteWriter& out, const std::map<std::string, std::string>& texts);  // a topic's configuration, entries of a space
void encode(ByteWriter& out, const std::map<OffsetKey, CommittedOffset>& offsets);           // as before offsets expired
void encode_expiring(ByteWriter& out, const std::map<OffsetKey, CommittedOffset>& offsets);  // the same, and when each expires
void encode(ByteWriter& out, const ObjectRun& run);            // as before there was compaction
void encode_compacted(ByteWriter& out, const ObjectRun& run);  // the same, and what of it was compacted
TopicId decode_topic_id(ByteReader& in);
TopicPartition decode_partition(ByteReader& in);
std::map<std::string, std::string> decode_texts(ByteReader& in);
std::map<OffsetKey, CommittedOffset> decode_offsets(ByteReader& in);
std::map<OffsetKey, CommittedOffset> decode_expiring_offsets(ByteReader& in);
ObjectRun decode_run(ByteReader& in);
ObjectRun decode_compacted_run(ByteReader& in);  // `in` is not ok when more was compacted than there is

}  // namespace ms::log
