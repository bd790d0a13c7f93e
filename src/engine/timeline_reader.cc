#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/logging.h"
#include "engine/timeline.h"
#include "engine/timeline_format.h"

namespace ms::engine {
namespace {

// Where a block that holds publishes of one shard begins.
struct BlockRef {
  Instant first;  // instant of the shard's first publish in it
  size_t file = 0;
  size_t position = 0;
};

struct TimelineFile {
  std::string bytes;
  TimelineHeader header;
  Instant synced_until;
  bool closed = false;
  std::vector<TopicPartition> inputs;
};

class Reader final : public TimelineReader {
 public:
  Result<> load(FileSystem& fs, const std::string& dir) {
    TRY_ASSIGN(const bool there, fs.exists(dir));
    if (!there) return {};
    TRY_ASSIGN(const auto names, fs.list(dir));
    for (const std::string& name : names)
      if (name.ends_with(".tl")) TRY(load_file(fs, dir + "/" + name));
    find_gaps();
    return {};
  }

  Result<uint32_t> shards_at(Instant t) const override {
    const TimelineFile* file = file_at(t);
    if (file == nullptr) return not_found(fmt::format("the apply timeline has nothing at {}", format_time(t.us)));
    return file->header.shards;
  }

  Result<std::optional<Cut>> cut_at(uint32_t shard, Instant t) const override {
    const TimelineFile* file = file_at(t);
    if (file == nullptr || in_gap(t) || t > synced_until()) return std::nullopt;
    const auto at = blocks_.find(shard);
    if (at == blocks_.end()) return Cut{};
    const auto& refs = at->second;
    const auto after = std::upper_bound(refs.begin(), refs.end(), t, [](Instant i, const BlockRef& r) { return i < r.first; });
    if (after == refs.begin()) return Cut{};
    return cut_in(*std::prev(after), shard, t);
  }

  const std::vector<TimelineGap>& gaps() const override { return gaps_; }

  std::optional<Instant> joined_at(const std::string& name, uint32_t version) const override {
    const auto at = joins_.find({name, version});
    return at == joins_.end() ? std::nullopt : std::optional(at->second);
  }

  Instant synced_until() const override { return files_.empty() ? Instant{INT64_MIN} : files_.back().synced_until; }

 private:
  Result<> load_file(FileSystem& fs, const std::string& path) {
    TimelineFile file;
    TRY_ASSIGN(file.bytes, read_file(fs, path));
    const auto header = decode_timeline_header(all(file));
    if (!header && header.error().kind == ErrorKind::kCorruption && file.bytes.size() <= kTimelineHeaderBytes) return {};
    if (!header) return Unexpected(header.error().within(path));
    file.header = *header;
    file.synced_until = file.header.begin;
    const size_t number = files_.size();
    for (size_t at = kTimelineHeaderBytes; at < file.bytes.size();) {
      auto decoded = decode_timeline_block(all(file).subspan(at));
      if (!decoded) log_warn("timeline_cut", {{"file", path}, {"position", at}, {"reason", decoded.error().message}});
      if (!decoded || !*decoded) break;  // the rest was never synced: a gap until the next file begins
      index((*decoded)->block, number, at, file);
      at += (*decoded)->bytes;
    }
    files_.push_back(std::move(file));
    return {};
  }

  void index(const TimelineBlock& block, size_t file_number, size_t position, TimelineFile& file) {
    file.synced_until = std::max(file.synced_until, block.synced_until);
    file.closed = block.closed;
    file.inputs.insert(file.inputs.end(), block.new_inputs.begin(), block.new_inputs.end());
    for (const ViewJoin& join : block.joins) joins_.try_emplace({join.view, join.version}, join.instant);
    for (const ShardPublishes& s : block.shards)
      if (!s.publishes.empty()) blocks_[s.shard].push_back({s.publishes.front().instant, file_number, position});
  }

  void find_gaps() {
    for (size_t i = 0; i + 1 < files_.size(); ++i) {
      if (files_[i].closed) continue;
      gaps_.push_back({{files_[i].synced_until.us + 1}, {files_[i + 1].header.begin.us + 1}});
    }
  }

  static std::span<const uint8_t> all(const TimelineFile& file) {
    return {reinterpret_cast<const uint8_t*>(file.bytes.data()), file.bytes.size()};
  }

  const TimelineFile* file_at(Instant t) const {
    const TimelineFile* found = nullptr;
    for (const TimelineFile& file : files_)
      if (file.header.begin < t) found = &file;
    return found;
  }

  bool in_gap(Instant t) const {
    return std::any_of(gaps_.begin(), gaps_.end(), [&](const TimelineGap& g) { return t >= g.begin && t < g.end; });
  }

  // Questions come sorted by time more often than not, so the last block of each shard is kept decoded.
  struct Decoded {
    size_t file = SIZE_MAX, position = 0;
    ShardPublishes publishes;
  };

  Cut cut_in(const BlockRef& ref, uint32_t shard, Instant t) const {
    const std::scoped_lock lock(mutex_);
    Decoded& d = decoded_[shard];
    const TimelineFile& file = files_[ref.file];
    if (d.file != ref.file || d.position != ref.position) {
      auto block = decode_timeline_block(all(file).subspan(ref.position));
      d.file = ref.file, d.position = ref.position;
      for (ShardPublishes& s : (*block)->block.shards)
        if (s.shard == shard) d.publishes = std::move(s);
    }
    Cut cut;
    std::vector<std::optional<Offset>> offsets(file.inputs.size());
    const auto apply = [&](const std::vector<InputOffset>& moved) {
      for (const InputOffset& m : moved)
        if (m.input < offsets.size()) offsets[m.input] = m.offset;
    };
    apply(d.publishes.base);
    for (size_t i = 0; i < d.publishes.publishes.size() && d.publishes.publishes[i].instant <= t; ++i) {
      apply(d.publishes.publishes[i].moved);
      cut.publish = d.publishes.first_publish + i;
    }
    for (size_t i = 0; i < offsets.size(); ++i)
      if (offsets[i]) cut.applied[file.inputs[i]] = *offsets[i];
    return cut;
  }

  std::vector<TimelineFile> files_;
  std::map<uint32_t, std::vector<BlockRef>> blocks_;
  std::map<std::pair<std::string, uint32_t>, Instant> joins_;
  std::vector<TimelineGap> gaps_;
  mutable std::mutex mutex_;
  mutable std::map<uint32_t, Decoded> decoded_;
};

}  // namespace

Result<std::unique_ptr<TimelineReader>> TimelineReader::open(FileSystem& fs, const std::string& dir) {
  auto reader = std::make_unique<Reader>();
  TRY(reader->load(fs, dir));
  return reader;
}

}  // namespace ms::engine
