#include "engine/timeline_writer.h"

#include <fmt/format.h>

namespace ms::engine {
namespace {

Result<> write_and_sync(File& file, uint64_t at, std::string_view bytes) {
  const std::span<const uint8_t> part(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  TRY(file.write_at(at, {&part, 1}));
  return file.sync_data();
}

}  // namespace

std::string timeline_file_name(uint64_t sequence) { return fmt::format("{:08}.tl", sequence); }

Result<std::unique_ptr<TimelineWriter>> TimelineWriter::create(FileSystem& fs, const std::string& dir, uint32_t shards,
                                                               Instant begin) {
  TRY(fs.create_directories(dir));
  TRY_ASSIGN(const auto names, fs.list(dir));
  uint64_t sequence = 1;
  for (const std::string& name : names)
    if (name.ends_with(".tl")) sequence = std::max<uint64_t>(sequence, std::strtoull(name.c_str(), nullptr, 10) + 1);
  TRY_ASSIGN(auto file, fs.open(dir + "/" + timeline_file_name(sequence), FileSystem::Open::kCreateNew));
  const std::string header = encode_timeline_header({.shards = shards, .begin = begin});
  TRY(write_and_sync(*file, 0, header));
  TRY(fs.sync_directory(dir));
  return std::unique_ptr<TimelineWriter>(new TimelineWriter(std::move(file), header.size(), sequence << 32));
}

uint32_t TimelineWriter::input_number(const TopicPartition& input) {
  const std::scoped_lock lock(mutex_);
  const auto [it, added] = numbers_.try_emplace(input, static_cast<uint32_t>(numbers_.size()));
  if (added) unwritten_.push_back(input);
  return it->second;
}

std::vector<TopicPartition> TimelineWriter::inputs() {
  const std::scoped_lock lock(mutex_);
  std::vector<TopicPartition> out(numbers_.size());
  for (const auto& [input, number] : numbers_) out[number] = input;
  return out;
}

Result<> TimelineWriter::append(TimelineBlock block) {
  {
    const std::scoped_lock lock(mutex_);
    block.new_inputs = std::exchange(unwritten_, {});
  }
  waiting_ += encode_timeline_block(block);
  return flush();
}

Result<> TimelineWriter::flush() {
  if (waiting_.empty()) return {};
  TRY(write_and_sync(*file_, position_, waiting_));
  position_ += waiting_.size();
  waiting_.clear();
  return {};
}

}  // namespace ms::engine
