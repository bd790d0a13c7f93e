#include "log/fsck_wal.h"

#include <fmt/format.h>

#include "log/snapshot.h"
#include "log/wal_scan.h"

namespace ms::log {
namespace {

constexpr const char* kRestore = "restore the directory from a copy; a server refuses to start on it so that nothing acknowledged is dropped silently";

class WalCheck {
 public:
  WalCheck(FileSystem& fs, std::string dir, FsckReport& report) : fs_(fs), dir_(std::move(dir)), report_(report) {}

  Result<std::optional<FsckState>> run() {
    const auto done = read();
    if (done) return std::move(state_);
    if (!is_damage(done.error())) return Unexpected(done.error());
    report_.problems.push_back({"wal", dir_ + "/wal", done.error().message, kRestore});
    return std::nullopt;
  }

 private:
  Result<> read() {
    TRY_ASSIGN(auto snapshot, read_snapshot(fs_, dir_ + "/meta.snapshot"));
    if (!snapshot) snapshot.emplace();
    snapshot_frame_ = snapshot->frame;
    state_.meta = std::move(snapshot->state);
    TRY_ASSIGN(const bool there, fs_.exists(dir_ + "/wal"));
    if (!there) return snapshot_frame_ == 0 ? Result<>{} : corruption(dir_ + "/wal is missing");
    TRY_ASSIGN(const FoundSegments found, find_segments(fs_, dir_ + "/wal", snapshot->first_segment, FileSystem::Open::kRead));
    TRY(name_unknown_files());
    if (found.not_started)
      report_.remarks.push_back({"wal", found.not_started->path, "a segment without a header: the power went while it was made", "nothing; the next start removes it"});
    uint64_t next_frame = 1;
    for (auto it = found.live.begin(); it != found.live.end(); ++it) {
      if (it == found.live.begin()) next_frame = it->second.header.first_frame;
      TRY(scan(it->second, std::next(it) == found.live.end() ? nullptr : &std::next(it)->second, next_frame));
    }
    if (next_frame <= snapshot_frame_)
      return corruption(fmt::format("the write-ahead log ends before frame {}, which the snapshot has seen; files are missing", snapshot_frame_));
    return {};
  }

  Result<> scan(const FoundSegment& segment, const FoundSegment* next, uint64_t& next_frame) {
    const auto next_first = next == nullptr ? std::nullopt : std::optional(next->header.first_frame);
    TRY_ASSIGN(const SegmentEnd end, scan_segment(segment, next_first, next_frame, [&](const RecoveredFrame& frame) { return take(frame); }));
    ++report_.wal_segments;
    if (end.torn)
      report_.remarks.push_back({"wal", fmt::format("{} at byte {}", segment.path, end.position), "a torn frame, which nobody was told of: " + *end.torn,
                                 "nothing; the next start goes on from there"});
    return {};
  }

  Result<> take(const RecoveredFrame& recovered) {
    ++report_.wal_frames;
    const bool is_new = recovered.header.frame > snapshot_frame_;
    const AppendTime at{recovered.header.append_us};
    return visit_frame(recovered.header, recovered.frame, [&](FrameEntry& entry, const FrameBatch* stored) -> Result<> {
      if (stored != nullptr) note(std::get<AppendBatch>(entry));
      return is_new ? apply(entry, at) : Result<>{};
    });
  }

  Result<> apply(const FrameEntry& entry, AppendTime at) {
    if (const auto* batch = std::get_if<AppendBatch>(&entry)) {
      const AppendDecision decision = state_.meta.append(*batch, at);
      if (decision.error == AppendError::kNone && !decision.duplicate && decision.base == batch->base) return {};
      return corruption(fmt::format("a batch of partition {} at offset {} should be at {}: {}", batch->to.partition.value, batch->base.value, decision.base.value, decision.message));
    }
    const auto check = [](const auto& applied) -> Result<> {
      return applied ? Result<>{} : corruption("an entry does not apply: " + applied.error().message);
    };
    if (const auto* command = std::get_if<Command>(&entry)) return check(state_.meta.apply(*command, at));
    return check(state_.meta.apply(std::get<TransactionStep>(entry), at));
  }

  void note(const AppendBatch& batch) {
    auto& ranges = state_.in_wal[batch.to];
    const int64_t base = batch.base.value, next = base + batch.records;
    if (ranges.empty() || ranges.back().next != base) ranges.push_back({base, next});
    else ranges.back().next = next;
  }

  Result<> name_unknown_files() {
    TRY_ASSIGN(const auto names, fs_.list(dir_ + "/wal"));
    for (const std::string& name : names)
      if (!wal_number_of(name))
        report_.problems.push_back({"file", dir_ + "/wal/" + name, "not a segment of the write-ahead log", "move it out of the directory; Millstream did not write it"});
    return {};
  }

  FileSystem& fs_;
  const std::string dir_;
  FsckReport& report_;
  uint64_t snapshot_frame_ = 0;
  FsckState state_;
};

}  // namespace

Result<std::optional<FsckState>> fsck_wal(FileSystem& fs, const std::string& dir, FsckReport& report) { return WalCheck(fs, dir, report).run(); }

}  // namespace ms::log
