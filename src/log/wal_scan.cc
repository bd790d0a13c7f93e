#include "log/wal_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ms::log {
namespace {

constexpr std::string_view kSuffix = ".wal";

Result<FoundSegment> open_segment(FileSystem& fs, std::string path, FileSystem::Open mode) {
  FoundSegment segment{.header = {}, .path = std::move(path), .file = nullptr, .size = 0};
  TRY_ASSIGN(segment.file, fs.open(segment.path, mode));
  TRY_ASSIGN(segment.size, segment.file->size());
  return segment;
}

Result<std::optional<SegmentHeader>> read_header(const FoundSegment& segment) {
  WalHeaderBytes bytes{};
  TRY_ASSIGN(const size_t got, segment.file->read_at(0, bytes));
  return parse_segment_header(std::span(bytes).first(got));
}

// One frame is in flight at a time, so a torn one is the last. Anything good of this life behind it: corruption.
Result<> judge_bad_frame(const FoundSegment& segment, uint64_t at, uint64_t next_frame, bool last, const std::string& why) {
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
      if (header && header->life == segment.header.life && header->segment == segment.header.number && header->frame > next_frame)
        return refuse(fmt::format("a good frame follows at byte {}", from + i));
    }
    if (got < block.size()) break;
  }
  return {};
}

}  // namespace

std::string wal_path(const std::string& dir, uint64_t number) { return fmt::format("{}/{:016x}{}", dir, number, kSuffix); }

std::optional<uint64_t> wal_number_of(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
  if (error != std::errc{} || end != name.data() + 16) return std::nullopt;
  return number;
}

Result<FoundSegments> find_segments(FileSystem& fs, const std::string& dir, uint64_t first_segment, FileSystem::Open mode) {
  TRY_ASSIGN(const auto names, fs.list(dir));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names)
    if (const auto number = wal_number_of(name)) numbers.push_back(*number);
  FoundSegments out;
  for (const uint64_t number : numbers) {
    TRY_ASSIGN(FoundSegment segment, open_segment(fs, wal_path(dir, number), mode));
    if (number < first_segment) {
      out.spare.push_back(std::move(segment));
      continue;
    }
    TRY_ASSIGN(const auto header, read_header(segment));
    if (header && header->number == number) {
      segment.header = *header;
      out.live[number] = std::move(segment);
    } else if (number == numbers.back()) {
      out.not_started = std::move(segment);
    } else {
      return corruption(fmt::format("{} at byte 0: the segment header is damaged", segment.path));
    }
  }
  uint64_t expected = first_segment;
  for (const auto& [number, segment] : out.live)
    if (number != expected++) return corruption(fmt::format("WAL segment {} is missing", wal_path(dir, expected - 1)));
  return out;
}

Result<SegmentEnd> scan_segment(const FoundSegment& segment, std::optional<uint64_t> next_first_frame, uint64_t& next_frame, const OnFrame& on_frame) {
  std::vector<uint8_t> frame;
  SegmentEnd end{.position = kWalHeaderBytes, .torn = {}};
  const auto stop = [&](std::string why, bool begun) -> Result<SegmentEnd> {
    TRY(judge_bad_frame(segment, end.position, next_frame, !next_first_frame, why));
    if (begun) end.torn = std::move(why);
    return end;
  };
  for (;;) {
    if (next_first_frame && next_frame == *next_first_frame) return end;
    WalHeaderBytes bytes{};
    TRY_ASSIGN(const size_t got, segment.file->read_at(end.position, bytes));
    const auto header = parse_frame_header(std::span(bytes).first(got));
    const bool in_place = header && header->life == segment.header.life && header->segment == segment.header.number &&
                          header->frame == next_frame && header->command_bytes <= kFrameCommandBytesMax &&
                          end.position + header->padded_end() <= segment.size;
    if (!in_place) return stop("no frame header where one belongs", false);
    frame.resize(header->padded_end());
    TRY_ASSIGN(const size_t filled, segment.file->read_at(end.position, frame));
    if (auto checked = check_frame(*header, std::span(frame).first(filled)); !checked) return stop(std::move(checked).error().message, true);
    const WalPosition at{static_cast<uint32_t>(segment.header.number), static_cast<uint32_t>(end.position)};
    if (auto taken = on_frame({*header, frame, at}); !taken)
      return Unexpected(taken.error().within(fmt::format("{} at byte {}", segment.path, end.position)));
    end.position += header->padded_end();
    ++next_frame;
  }
}

}  // namespace ms::log
