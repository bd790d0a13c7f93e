// The write side of the apply timeline: one new file per life of the process, blocks appended and synced.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "engine/timeline_format.h"

namespace ms::engine {

class TimelineWriter {
 public:
  // Creates the next file in `dir` (made if missing). Every instant it will hold is above `begin`.
  static Result<std::unique_ptr<TimelineWriter>> create(FileSystem& fs, const std::string& dir, uint32_t shards, Instant begin);

  // The number of an input in this file; a new one is written with the next block. Thread-safe.
  uint32_t input_number(const TopicPartition& input);

  std::vector<TopicPartition> inputs();  // by number

  // Numbers of publishes begin above this one; unique over all lives of the directory.
  uint64_t publish_base() const { return publish_base_; }

  // Appends `block` (its new_inputs are filled in here) and syncs. After an error nothing is lost: the bytes wait for
  // flush() or the next append(), which write them at the same place. One thread at a time.
  Result<> append(TimelineBlock block);
  Result<> flush();

 private:
  TimelineWriter(std::unique_ptr<File> file, uint64_t position, uint64_t publish_base)
      : file_(std::move(file)), position_(position), publish_base_(publish_base) {}

  std::unique_ptr<File> file_;
  uint64_t position_;
  std::string waiting_;  // blocks that are not known to be on disk
  const uint64_t publish_base_;
  std::mutex mutex_;
  std::map<TopicPartition, uint32_t> numbers_;
  std::vector<TopicPartition> unwritten_;
};

std::string timeline_file_name(uint64_t sequence);  // "00000001.tl"

}  // namespace ms::engine
