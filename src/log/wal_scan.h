// Finds the segments of a write-ahead log and reads their frames. Changes nothing: what is torn or left over is said, not cut.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "log/wal_format.h"

namespace ms::log {

struct WalPosition {
  uint32_t segment = 0;
  uint32_t at = 0;  // segments are under 4 GiB
  auto operator<=>(const WalPosition&) const = default;
};

struct RecoveredFrame {
  FrameHeader header;
  std::span<const uint8_t> frame;
  WalPosition at;
};
using OnFrame = std::function<Result<>(const RecoveredFrame&)>;

// DIR/wal/NNNNNNNNNNNNNNNN.wal
std::string wal_path(const std::string& dir, uint64_t number);
std::optional<uint64_t> wal_number_of(std::string_view name);

struct FoundSegment {
  SegmentHeader header;  // zeros unless it is live
  std::string path;
  std::unique_ptr<File> file;
  uint64_t size = 0;
};
struct FoundSegments {
  std::map<uint64_t, FoundSegment> live;    // by number, the first one is `first_segment`
  std::vector<FoundSegment> spare;          // older than `first_segment`
  std::optional<FoundSegment> not_started;  // the power went before its header was durable
};
// Errors: kCorruption when a segment is missing or the header of one that is not the last is damaged.
Result<FoundSegments> find_segments(FileSystem& fs, const std::string& dir, uint64_t first_segment, FileSystem::Open mode);

struct SegmentEnd {
  uint64_t position = 0;            // behind the last good frame
  std::optional<std::string> torn;  // a frame was begun there: what it lacks
};
// Hands every good frame to `on_frame`; `next_frame` is the number of the next one, before and after. `next_first_frame`: of the
// segment that follows, if any. Errors: kCorruption naming file and position when a bad frame is followed by good ones; of on_frame.
Result<SegmentEnd> scan_segment(const FoundSegment& segment, std::optional<uint64_t> next_first_frame, uint64_t& next_frame, const OnFrame& on_frame);

}  // namespace ms::log
