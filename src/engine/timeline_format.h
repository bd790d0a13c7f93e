// The bytes of a timeline file (docs/formats/timeline.md). Pure: no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace ms::engine {

inline constexpr uint32_t kTimelineVersion = 1;
inline constexpr uint32_t kShardHashVersion = 1;  // XXH3-64 with kShardSeed, low bits
inline constexpr size_t kTimelineHeaderBytes = 32;

struct TimelineHeader {
  uint32_t shards = 0;
  Instant begin;  // every instant of this file is above it
};
std::string encode_timeline_header(const TimelineHeader& header);
Result<TimelineHeader> decode_timeline_header(std::span<const uint8_t> bytes);

// An input's offset moved: everything below `offset` is applied. `input` numbers TimelineBlock::new_inputs of the file so
// far, from 0.
struct InputOffset {
  uint32_t input = 0;
  Offset offset;
  bool operator==(const InputOffset&) const = default;
};
struct PublishEntry {
  Instant instant;
  std::vector<InputOffset> moved;
  bool operator==(const PublishEntry&) const = default;
};
// The publishes of one shard since the block before; `base` is the whole vector before the first of them.
struct ShardPublishes {
  uint32_t shard = 0;
  uint64_t first_publish = 0;  // number of publishes[0]
  std::vector<InputOffset> base;
  std::vector<PublishEntry> publishes;
  bool operator==(const ShardPublishes&) const = default;
};
struct ViewJoin {
  std::string view;
  uint32_t version = 0;
  Instant instant;
  bool operator==(const ViewJoin&) const = default;
};
struct TimelineBlock {
  Instant synced_until;  // every publish with an instant up to here is in this block or one before it
  bool closed = false;   // an orderly stop: what was applied stays so until the next file begins
  std::vector<TopicPartition> new_inputs;
  std::vector<ViewJoin> joins;
  std::vector<ShardPublishes> shards;
  bool operator==(const TimelineBlock&) const = default;
};

// Framed: u32 length of the payload, u32 CRC32C of the payload, payload.
std::string encode_timeline_block(const TimelineBlock& block);

// The block at the front of `bytes` and its framed size. nullopt: the bytes end inside it (a torn tail).
// Errors: Corruption (CRC, or counts that do not fit).
struct DecodedBlock {
  TimelineBlock block;
  size_t bytes = 0;
};
Result<std::optional<DecodedBlock>> decode_timeline_block(std::span<const uint8_t> bytes);

}  // namespace ms::engine
