#include "log/fsck.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "log/fsck_wal.h"
#include "log/object_reader.h"

namespace ms::log {
namespace {

constexpr const char* kLost = "restore the file from a copy; without it reads of these offsets fail with a storage error, the others go on";
constexpr const char* kReport = "report it with this output; restore the directory from a copy if these offsets are needed";

std::string text_of(const TopicState& topic, const TopicPartition& p) { return fmt::format("topic '{}' partition {}", topic.info.name, p.partition.value); }

class Fsck {
 public:
  Fsck(FileSystem& fs, std::string dir, FsckReport& report) : fs_(fs), dir_(std::move(dir)), report_(report) {}

  Result<> run() {
    TRY_ASSIGN(auto state, fsck_wal(fs_, dir_, report_));
    if (!state) return {};
    state_ = std::move(*state);
    check_offsets();
    TRY_ASSIGN(const bool there, fs_.exists(dir_ + "/objects"));
    if (there) return check_objects();
    if (!runs_.empty()) problem("file", dir_ + "/objects", "the directory of stream objects is missing", kLost);
    return {};
  }

 private:
  void problem(std::string what, std::string where, std::string found, std::string advice) {
    report_.problems.push_back({std::move(what), std::move(where), std::move(found), std::move(advice)});
  }

  // ---- every offset from the log start on is in exactly one run, or in the write-ahead log

  void check_offsets() {
    for (const auto& [id, topic] : state_.meta.topics()) {
      ++report_.topics;
      for (size_t i = 0; i < topic.partitions.size(); ++i) {
        const TopicPartition p{id, PartitionId{static_cast<int32_t>(i)}};
        const PartitionHead& head = topic.partitions[i];
        ++report_.partitions;
        report_.records += head.next_offset - head.log_start;
        check_runs(text_of(topic, p), head);
        check_tail(text_of(topic, p), p, head);
        for (const auto& [base, run] : head.runs) runs_[run.first].push_back(run.second);
      }
    }
    for (auto& [object, runs] : runs_) std::ranges::sort(runs, {}, [](const ObjectRun& run) { return run.position; });
  }

  void check_runs(const std::string& where, const PartitionHead& head) {
    int64_t expected = head.reconciled_floor;
    if (head.log_start > head.next_offset || (head.runs.empty() && expected > head.log_start))
      problem("offsets", where, fmt::format("the log starts at {}, removed runs ended at {}, the log ends at {}", head.log_start, expected, head.next_offset), kReport);
    for (const auto& [base, run] : head.runs) {
      if (base > expected) problem("offsets", where, fmt::format("offsets {} to {} are in no run", expected, base), kReport);
      if (base < expected) problem("offsets", where, fmt::format("offsets {} to {} are in more than one run", base, expected), kReport);
      expected = run.second.next.value;
    }
  }

  void check_tail(const std::string& where, const TopicPartition& p, const PartitionHead& head) {
    int64_t expected = head.reconciled();
    if (const auto found = state_.in_wal.find(p); found != state_.in_wal.end())
      for (const OffsetRange& range : found->second) {
        if (range.next <= expected) continue;
        if (range.base > expected) break;
        expected = range.next;
      }
    if (expected < head.next_offset)
      problem("offsets", where, fmt::format("offsets {} to {} were acknowledged, and are neither in a stream object nor in the write-ahead log", expected, head.next_offset), kReport);
  }

  // ---- every object that is needed is there and whole, and nothing else is

  Result<> check_objects() {
    TRY_ASSIGN(store_, open_directory_store(fs_, dir_ + "/objects"));
    reader_ = std::make_unique<ObjectReader>(*store_, 0);
    TRY_ASSIGN(const auto names, fs_.list(dir_ + "/objects"));
    std::set<std::string> known;
    for (const auto& [object, runs] : runs_) known.insert(object_name(object));
    for (const auto& [object, since] : state_.meta.doomed_objects()) known.insert(object_name(object));
    for (const uint64_t object : state_.meta.reserved_objects()) known.insert(object_name(object)), known.insert(object_name(object) + ".tmp");
    const std::set<std::string> there(names.begin(), names.end());
    for (const std::string& name : names)
      if (!known.contains(name))
        problem("file", dir_ + "/objects/" + name, "nothing refers to it, and it does not wait to be removed", "move it out of the directory; no reader will miss it");
    for (const uint64_t object : state_.meta.reserved_objects())
      if (there.contains(object_name(object)) || there.contains(object_name(object) + ".tmp"))
        report_.remarks.push_back({"object", dir_ + "/objects/" + object_name(object), "it was not finished", "nothing; the next start removes it"});
    for (const auto& [object, runs] : runs_) {
      if (!there.contains(object_name(object))) {
        for (const ObjectRun& run : runs) problem("object", dir_ + "/objects/" + object_name(object), "it is missing; " + held(run), kLost);
        continue;
      }
      TRY(check_object(object, runs));
    }
    return {};
  }

  std::string held(const ObjectRun& run) const {
    const auto topic = state_.meta.topics().find(run.of.topic);
    return fmt::format("it holds offsets {} to {} of {}", run.base.value, run.next.value, text_of(topic->second, run.of));
  }

  Result<> check_object(uint64_t object, const std::vector<ObjectRun>& wanted) {
    const std::string path = dir_ + "/objects/" + object_name(object);
    ++report_.objects;
    TRY_ASSIGN(const uint64_t size, store_->size(object_name(object)));
    report_.object_bytes += static_cast<int64_t>(size);
    const auto directory = whole_directory(object);
    if (!directory) {
      if (!is_damage(directory.error())) return Unexpected(directory.error());
      for (const ObjectRun& run : wanted) problem("object", path, directory.error().message + "; " + held(run), kLost);
      return {};
    }
    for (const ObjectRun& run : wanted)
      if (const RunDirectory* found = (*directory)->find(run.of, run.base); found == nullptr || found->run != run)
        problem("run", path, "its footer does not say what the metadata says; " + held(run), kReport);
    for (const RunDirectory& run : (*directory)->runs) TRY(check_batches(path, object, run));
    return {};
  }

  Result<ObjectReader::DirectoryPtr> whole_directory(uint64_t object) {
    std::array<uint8_t, kObjectHeaderBytes> header{};
    TRY_ASSIGN(auto directory, reader_->directory(object));
    TRY(store_->get(object_name(object), 0, header));
    TRY(check_object_header(header, object));
    return directory;
  }

  Result<> check_batches(const std::string& path, uint64_t object, const RunDirectory& run) {
    for (size_t i = 0; i < run.index.size(); ++i) {
      const auto batches = reader_->load_block(object, run, i);
      if (!batches && !is_damage(batches.error())) return Unexpected(batches.error());
      if (!batches) {
        problem("batch", path, fmt::format("{} (offsets from {} of partition {} on)", batches.error().message, run.index[i].base.value, run.run.of.partition.value), kLost);
        continue;
      }
      report_.batches += static_cast<int64_t>(batches->size());
      if (const auto wrong = differs(run.index[i], *batches))
        problem("run", fmt::format("{} at byte {}", path, run.index[i].position), *wrong, kReport);
    }
    return {};
  }

  // What the index says of a block that its batches do not say.
  static std::optional<std::string> differs(const IndexEntry& entry, const std::vector<ReadBatch>& batches) {
    uint32_t records = 0;
    int64_t largest = INT64_MIN;
    for (const ReadBatch& batch : batches) {
      const auto header = parse_record_batch(batch.bytes.span());
      if (!header) return header.error().message;
      records += static_cast<uint32_t>(header->records);
      largest = std::max(largest, header->largest_timestamp_ms());
    }
    if (records == entry.records && batches.size() == entry.batches && largest == entry.max_timestamp_ms) return std::nullopt;
    return fmt::format("the index says {} records in {} batches up to timestamp {}, there are {} in {} up to {}", entry.records, entry.batches,
                       entry.max_timestamp_ms, records, batches.size(), largest);
  }

  FileSystem& fs_;
  const std::string dir_;
  FsckReport& report_;
  FsckState state_;
  std::map<uint64_t, std::vector<ObjectRun>> runs_;  // that are wanted, by object
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<ObjectReader> reader_;
};

}  // namespace

Result<FsckReport> fsck(FileSystem& fs, const std::string& dir) {
  FsckReport report;
  TRY(Fsck(fs, dir, report).run());
  return report;
}

}  // namespace ms::log
