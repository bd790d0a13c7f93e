// Stream objects: runs of byte-exact record batches per partition, append times, an index, a footer. Pure.
// See docs/formats/stream-object.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "codec/record_batch.h"
#include "log/commands.h"

namespace ms::log {

inline constexpr size_t kObjectHeaderBytes = 32;
inline constexpr size_t kObjectTailBytes = 24;  // footer position, length, CRC and magic at the very end
inline constexpr uint64_t kIndexEveryBytes = 1u << 20;
inline constexpr uint64_t kObjectFooterBytesMax = 256u << 20;

// One block of a run: about kIndexEveryBytes of whole batches. The first one of a compacted run may begin behind the run.
struct IndexEntry {
  uint64_t position = 0;  // in the object
  uint64_t bytes = 0;
  Offset base;
  int64_t min_timestamp_ms = 0, max_timestamp_ms = 0;  // of the batches' headers
  uint32_t records = 0;
  uint32_t batches = 0;
};
// Batches from `base` on were committed at `at`, up to the next entry.
struct TimeEntry {
  Offset base;
  AppendTime at;
};
struct RunDirectory {
  ObjectRun run;
  std::vector<IndexEntry> index;
  std::vector<TimeEntry> times;
  AppendTime time_of(Offset batch_base) const;
};

struct ObjectDirectory {
  uint64_t object = 0;
  std::vector<RunDirectory> runs;  // sorted by partition, then offset
  const RunDirectory* find(const TopicPartition& p, Offset offset) const;
};

// Collects batches in order; the bytes stay where they are.
class ObjectBuilder {
 public:
  explicit ObjectBuilder(uint64_t object);
  // Runs come in the order of partition and offset, the batches of a run in offset order.
  void begin_run(const TopicPartition& p, Offset base);
  void add(const ReadBatch& batch, const RecordBatchHeader& header);
  void compacted_until(Offset end);  // of the run batches go to: only below it may offsets be missing
  const RunDirectory* run() const { return empty() ? nullptr : &directory_.runs.back(); }  // the one batches go to
  uint64_t bytes() const { return position_; }
  bool empty() const { return directory_.runs.empty(); }
  // The whole object as parts, valid while the builder lives; call once, at the end.
  std::vector<std::span<const uint8_t>> finish();
  std::vector<ObjectRun> runs() const;
  uint64_t object_bytes() const { return position_ + footer_.size(); }  // after finish()
  uint64_t object() const { return directory_.object; }

 private:
  ObjectDirectory directory_;
  std::string header_, footer_;
  std::vector<Slice> slices_;
  uint64_t position_ = kObjectHeaderBytes;
};

// Errors: kCorruption, kUnsupported.
Result<> check_object_header(std::span<const uint8_t> header, uint64_t object);
// Where the footer is, from the last kObjectTailBytes of an object of `object_bytes`.
struct FooterPlace {
  uint64_t position = 0, bytes = 0;
  uint32_t crc = 0;
};
Result<FooterPlace> parse_object_tail(std::span<const uint8_t> tail, uint64_t object_bytes);
// Checks the CRC and that every run and block lies inside the object, in order. Errors: kCorruption, kUnsupported.
Result<ObjectDirectory> parse_object_footer(std::span<const uint8_t> footer, const FooterPlace& place);

}  // namespace ms::log
