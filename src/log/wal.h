// The write-ahead log as files: preallocated segments, one frame and one fdatasync per group, recycled when trimmed.
//
// One thread appends, reserves and retires; segment() may be called by any thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/file_system.h"
#include "log/wal_scan.h"

namespace ms::log {

// A live or retired segment. A reader that holds one keeps its bytes from being overwritten.
struct WalSegment {
  SegmentHeader header;
  std::string path;
  std::unique_ptr<File> file;
};

class Wal {
 public:
  // Bytes that appended records never take of a segment, so that commands (a deletion that frees space) still fit.
  static constexpr uint64_t kCommandReserveBytes = 256u << 10;
  static constexpr size_t kSpareSegmentsMax = 8;

  struct Options {
    FileSystem* fs = nullptr;
    std::string dir;
    uint64_t segment_bytes = 0;
  };
  // Reads segments from number `first_segment` (from 1) on and hands every good frame to `on_frame`, in order; what is older is
  // spare. Cuts a torn tail. Everything handed out is durable when open returns. Errors: kCorruption naming file and
  // position when a bad frame is followed by good ones, a segment is missing, or frames do not continue.
  static Result<std::unique_ptr<Wal>> open(Options options, uint64_t first_segment, const OnFrame& on_frame);

  // Makes sure that a frame of `frame_bytes` fits without asking for space, taking the next segment if needed.
  // Errors: kExhausted (disk full; what was appended stays, and the next call tries again), kInvalidArgument (larger than a
  // segment), else the WAL is broken.
  Result<> reserve(uint64_t frame_bytes, bool only_commands);
  // Writes and syncs one frame; `header` gets its place filled in. After an error the WAL must not be used again.
  Result<WalPosition> append(FrameHeader header, std::span<const uint8_t> commands, std::span<const std::span<const uint8_t>> data);

  uint64_t next_frame() const { return next_frame_; }
  uint64_t current_segment() const { return current_ ? current_->header.number : highest_number_ + 1; }
  uint64_t frame_bytes_max() const { return options_.segment_bytes - kWalHeaderBytes - kCommandReserveBytes; }
  int64_t live_bytes() const;

  std::shared_ptr<WalSegment> segment(uint32_t number) const;  // null when it was retired
  // Segments before `first_segment` are no longer needed: recycled when the last reader lets go, or removed.
  void retire_before(uint64_t first_segment);
  uint64_t first_segment() const;

 private:
  explicit Wal(Options options) : options_(std::move(options)) {}
  Result<> recover(uint64_t first_segment, const OnFrame& on_frame);
  Result<> keep_spare(FoundSegment found);
  Result<> start_segment(const std::shared_ptr<WalSegment>& fresh, uint64_t number);
  Result<> next_segment();
  Result<std::shared_ptr<WalSegment>> create_segment(const std::string& path);
  std::shared_ptr<WalSegment> take_spare();
  Result<std::shared_ptr<WalSegment>> recycle_segment(const std::string& path);
  std::string path_of(uint64_t number) const { return wal_path(options_.dir, number); }

  const Options options_;
  mutable std::mutex mutex_;  // guards live_ and spare_
  std::map<uint64_t, std::shared_ptr<WalSegment>> live_;
  std::deque<std::shared_ptr<WalSegment>> spare_;
  std::shared_ptr<WalSegment> current_;
  std::shared_ptr<WalSegment> next_;  // has its name but could not be started: the disk was full
  uint64_t position_ = 0;
  uint64_t next_frame_ = 1;
  uint64_t highest_number_ = 0;
  std::vector<std::span<const uint8_t>> parts_;
};

}  // namespace ms::log
