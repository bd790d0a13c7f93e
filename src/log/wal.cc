#include "log/wal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "base/rng.h"

namespace ms::log {
namespace {

constexpr std::string_view kSuffix = ".wal";
constexpr std::array<uint8_t, kWalHeaderBytes> kPadding{};

std::optional<uint64_t> number_of(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
  if (error != std::errc{} || end != name.data() + 16) return std::nullopt;
  return number;
}

}  // namespace

std::string Wal::path_of(uint64_t number) const { return fmt::format("{}/{:016x}{}", options_.dir, number, kSuffix); }

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

Result<> Wal::recover(uint64_t first_segment, const OnFrame& on_frame) {
  TRY_ASSIGN(const auto names, options_.fs->list(options_.dir));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names)
    if (const auto number = number_of(name)) numbers.push_back(*number);
  highest_number_ = first_segment - 1;
  for (const uint64_t number : numbers) {
    auto segment = std::make_shared<WalSegment>();
    segment->path = path_of(number);
    TRY_ASSIGN(segment->file, options_.fs->open(segment->path, FileSystem::Open::kReadWrite));
    WalHeaderBytes bytes{};
    TRY_ASSIGN(const size_t got, segment->file->read_at(0, bytes));
    TRY_ASSIGN(const uint64_t size, segment->file->size());
    const auto header = parse_segment_header(std::span(bytes).first(got));
    const bool named_right = header && header->number == number;
    if (number >= first_segment && !named_right && number != numbers.back())
      return corruption(fmt::format("{} at byte 0: the segment header is damaged", segment->path));
    if (number < first_segment && size == options_.segment_bytes && spare_.size() < kSpareSegmentsMax) {
      spare_.push_back(std::move(segment));
    } else if (number < first_segment || !named_right) {  // never started: the power went before its header was durable
      TRY(options_.fs->remove(segment->path));
    } else {
      segment->header = *header;
      live_[number] = std::move(segment);
      highest_number_ = number;
    }
  }
  for (auto it = live_.begin(); it != live_.end(); ++it) {
    WalSegment& segment = *it->second;
    const auto next = std::next(it);
    if (it == live_.begin()) {
      if (segment.header.number != first_segment)
        return corruption(fmt::format("WAL segment {} is missing", path_of(first_segment)));
      next_frame_ = segment.header.first_frame;
    } else if (std::prev(it)->first + 1 != it->first) {
      return corruption(fmt::format("WAL segment {} is missing", path_of(it->first - 1)));
    }
    current_ = it->second;
    TRY(recover_segment(segment, next == live_.end() ? std::nullopt : std::optional(next->second->header.first_frame), on_frame));
    TRY(segment.file->sync_data());  // a killed process leaves frames in the page cache only
    TRY_ASSIGN(const uint64_t size, segment.file->size());
    if (size != options_.segment_bytes) position_ = options_.segment_bytes;  // another size was configured: leave it
  }
  TRY(options_.fs->sync_directory(options_.dir));
  return {};
}

Result<> Wal::recover_segment(WalSegment& segment, std::optional<uint64_t> next_first_frame, const OnFrame& on_frame) {
  TRY_ASSIGN(const uint64_t size, segment.file->size());
  std::vector<uint8_t> frame;
  position_ = kWalHeaderBytes;
  for (;;) {
    if (next_first_frame && next_frame_ == *next_first_frame) return {};
    WalHeaderBytes bytes{};
    TRY_ASSIGN(const size_t got, segment.file->read_at(position_, bytes));
    const auto header = parse_frame_header(std::span(bytes).first(got));
    const bool in_place = header && header->life == segment.header.life && header->segment == segment.header.number &&
                          header->frame == next_frame_ && header->command_bytes <= kFrameCommandBytesMax &&
                          position_ + header->padded_end() <= size;
    if (!in_place) return judge_bad_frame(segment, position_, !next_first_frame, "no frame header where one belongs");
    frame.resize(header->padded_end());
    TRY_ASSIGN(const size_t filled, segment.file->read_at(position_, frame));
    const auto checked = check_frame(*header, std::span(frame).first(filled));
    if (!checked) return judge_bad_frame(segment, position_, !next_first_frame, checked.error().message);
    const WalPosition at{static_cast<uint32_t>(segment.header.number), static_cast<uint32_t>(position_)};
    if (auto taken = on_frame({*header, frame, at}); !taken)
      return Unexpected(taken.error().within(fmt::format("{} at byte {}", segment.path, position_)));
    position_ += header->padded_end();
    ++next_frame_;
  }
}

// One frame is in flight at a time, so a torn one is the last. Anything good of this life behind it: corruption.
Result<> Wal::judge_bad_frame(const WalSegment& segment, uint64_t at, bool last, const std::string& why) {
  const auto refuse = [&](const std::string& behind) {
    return corruption(fmt::format("{} at byte {}: {}, but {}. The log is damaged in the middle; it does not start so that "
                                  "nothing acknowledged is dropped silently. Restore the file from a copy.",
                                  segment.path, at, why, behind));
  };
  if (!last) return refuse("later segments go on");
  std::vector<uint8_t> block(1u << 20);
  for (uint64_t from = at; ; from += block.size()) {
    TRY_ASSIGN(const size_t got, segment.file->read_at(from, block));
    for (size_t i = 0; i + kWalHeaderBytes <= got; i += kWalHeaderBytes) {
      const auto header = parse_frame_header(std::span(block).subspan(i, kWalHeaderBytes));
      if (header && header->life == segment.header.life && header->segment == segment.header.number && header->frame > next_frame_)
        return refuse(fmt::format("a good frame follows at byte {}", from + i));
    }
    if (got < block.size()) break;
  }
  return {};
}

}  // namespace ms::log
