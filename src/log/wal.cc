#include "log/wal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "base/rng.h"

namespace ms::log {
namespace {

constexpr std::array<uint8_t, kWalHeaderBytes> kPadding{};

}  // namespace

Result<> Wal::reserve(uint64_t frame_bytes, bool only_commands) {
  const uint64_t padded = (frame_bytes + kWalHeaderBytes - 1) / kWalHeaderBytes * kWalHeaderBytes;
  if (padded > frame_bytes_max()) return invalid(fmt::format("a frame of {} bytes does not fit a WAL segment", frame_bytes));
  const uint64_t limit = options_.segment_bytes - (only_commands ? 0 : kCommandReserveBytes);
  if (current_ && position_ + padded <= limit) return {};
  return next_segment();
}

Result<WalPosition> Wal::append(FrameHeader header, std::span<const uint8_t> commands,
                                std::span<const std::span<const uint8_t>> data) {
  header.life = current_->header.life, header.segment = current_->header.number, header.frame = next_frame_;
  header.command_bytes = static_cast<uint32_t>(commands.size()), header.command_crc = crc32c(commands);
  const WalHeaderBytes bytes = encode(header);
  CHECK(position_ + header.padded_end() <= options_.segment_bytes);
  parts_.clear();
  parts_.push_back(bytes);
  parts_.push_back(commands);
  parts_.insert(parts_.end(), data.begin(), data.end());
  parts_.push_back(std::span(kPadding).first(header.padded_end() - header.end()));
  TRY(current_->file->write_at(position_, parts_));
  TRY(current_->file->sync_data());
  const WalPosition at{static_cast<uint32_t>(current_->header.number), static_cast<uint32_t>(position_)};
  position_ += header.padded_end();
  ++next_frame_;
  return at;
}

// ---- segments

Result<std::shared_ptr<WalSegment>> Wal::create_segment(const std::string& path) {
  auto segment = std::make_shared<WalSegment>();
  segment->path = path;
  TRY_ASSIGN(segment->file, options_.fs->open(path, FileSystem::Open::kCreateNew));
  if (auto allocated = segment->file->allocate(options_.segment_bytes); !allocated) {
    segment->file.reset();
    (void)options_.fs->remove(path);  // the first error is the one to report
    return Unexpected(allocated.error());
  }
  return segment;
}

std::shared_ptr<WalSegment> Wal::take_spare() {
  const std::scoped_lock lock(mutex_);
  for (auto it = spare_.begin(); it != spare_.end(); ++it) {
    if (it->use_count() > 1) continue;  // a reader still looks at its old bytes
    auto segment = std::move(*it);
    spare_.erase(it);
    return segment;
  }
  return nullptr;
}

// Null when there is none to recycle.
Result<std::shared_ptr<WalSegment>> Wal::recycle_segment(const std::string& path) {
  auto segment = take_spare();
  if (!segment) return segment;
  if (auto renamed = options_.fs->rename(segment->path, path); !renamed) {
    const std::scoped_lock lock(mutex_);
    spare_.push_front(std::move(segment));
    return Unexpected(std::move(renamed).error());
  }
  segment->path = path;
  return segment;
}

Result<> Wal::next_segment() {
  const uint64_t number = highest_number_ + 1;
  if (!next_) {
    TRY_ASSIGN(next_, recycle_segment(path_of(number)));
  }
  if (!next_) {
    TRY_ASSIGN(next_, create_segment(path_of(number)));
  }
  TRY(start_segment(next_, number));
  next_.reset();
  return {};
}

// The header is durable before the first frame is written: a segment without one holds nothing. It says where the segment before
// ends, so from then on, also when it is not known to be durable, no frame goes there. The name comes first: while only that
// cannot be made durable, there is still the rest of the segment before.
Result<> Wal::start_segment(const std::shared_ptr<WalSegment>& fresh, uint64_t number) {
  TRY(options_.fs->sync_directory(options_.dir));
  position_ = options_.segment_bytes;
  fresh->header = {.number = number, .life = random_seed(), .first_frame = next_frame_};
  const WalHeaderBytes bytes = encode(fresh->header);
  const std::span<const uint8_t> part = bytes;
  TRY(fresh->file->write_at(0, {&part, 1}));
  TRY(fresh->file->sync_data());
  const std::scoped_lock lock(mutex_);
  live_[number] = fresh;
  current_ = fresh;
  position_ = kWalHeaderBytes;
  highest_number_ = number;
  return {};
}

std::shared_ptr<WalSegment> Wal::segment(uint32_t number) const {
  const std::scoped_lock lock(mutex_);
  const auto found = live_.find(number);
  return found == live_.end() ? nullptr : found->second;
}

uint64_t Wal::first_segment() const {
  const std::scoped_lock lock(mutex_);
  return live_.empty() ? highest_number_ + 1 : live_.begin()->first;
}

int64_t Wal::live_bytes() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<int64_t>(live_.size() * options_.segment_bytes);
}

void Wal::retire_before(uint64_t first_segment) {
  const std::scoped_lock lock(mutex_);
  while (!live_.empty() && live_.begin()->first < first_segment && live_.begin()->second != current_) {
    auto segment = std::move(live_.begin()->second);
    live_.erase(live_.begin());
    if (spare_.size() < kSpareSegmentsMax) spare_.push_back(std::move(segment));
    else if (const auto removed = options_.fs->remove(segment->path); !removed)
      log_warn("wal_segment_not_removed", {{"file", segment->path}, {"error", removed.error().message}});
  }
}

// ---- recovery

Result<std::unique_ptr<Wal>> Wal::open(Options options, uint64_t first_segment, const OnFrame& on_frame) {
  TRY(options.fs->create_directories(options.dir));
  std::unique_ptr<Wal> wal(new Wal(std::move(options)));
  TRY(wal->recover(first_segment, on_frame));
  return wal;
}

// A retired segment, to be used again.
Result<> Wal::keep_spare(FoundSegment found) {
  if (found.size != options_.segment_bytes || spare_.size() >= kSpareSegmentsMax) return options_.fs->remove(found.path);
  spare_.push_back(std::make_shared<WalSegment>(WalSegment{found.header, std::move(found.path), std::move(found.file)}));
  return {};
}

Result<> Wal::recover(uint64_t first_segment, const OnFrame& on_frame) {
  TRY_ASSIGN(FoundSegments found, find_segments(*options_.fs, options_.dir, first_segment, FileSystem::Open::kReadWrite));
  for (FoundSegment& spare : found.spare) TRY(keep_spare(std::move(spare)));
  if (found.not_started) TRY(options_.fs->remove(found.not_started->path));
  highest_number_ = first_segment - 1;
  for (auto it = found.live.begin(); it != found.live.end(); ++it) {
    FoundSegment& segment = it->second;
    const auto next = std::next(it);
    if (it == found.live.begin()) next_frame_ = segment.header.first_frame;
    TRY_ASSIGN(const SegmentEnd end, scan_segment(segment, next == found.live.end() ? std::nullopt : std::optional(next->second.header.first_frame), next_frame_, on_frame));
    TRY(segment.file->sync_data());  // a killed process leaves frames in the page cache only
    position_ = segment.size == options_.segment_bytes ? end.position : options_.segment_bytes;  // another size was configured: leave it
    highest_number_ = it->first;
    current_ = std::make_shared<WalSegment>(WalSegment{segment.header, std::move(segment.path), std::move(segment.file)});
    live_[it->first] = current_;
  }
  return options_.fs->sync_directory(options_.dir);
}

}  // namespace ms::log
