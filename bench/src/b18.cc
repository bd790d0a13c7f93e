// B18: the append path against the disk alone. A log takes record batches from one thread, so many in flight; every group it commits
// is written and synced. Then the same sizes go into a preallocated file by a loop of one write and one fdatasync each. Rounds
// alternate; prints one JSON line per round.
//
//   bench_b18 DIRECTORY BATCH_BYTES IN_FLIGHT BATCHES [ROUNDS]
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file_system.h"
#include "bench/src/measure.h"
#include "codec/record_batch.h"
#include "log/log.h"

namespace ms::bench {
namespace {

constexpr ptrdiff_t kInFlightMax = 4'096;

// How many bytes were written before each sync of data.
class Syncs {
 public:
  void wrote(size_t bytes) {
    const std::scoped_lock lock(mutex_);
    pending_ += bytes;
  }
  void synced() {
    const std::scoped_lock lock(mutex_);
    if (pending_ > 0) sizes_.push_back(std::exchange(pending_, 0));
  }
  std::vector<size_t> take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(sizes_, {});
  }

 private:
  std::mutex mutex_;
  size_t pending_ = 0;
  std::vector<size_t> sizes_;
};

class CountedFile final : public File {
 public:
  CountedFile(std::unique_ptr<File> file, Syncs& syncs) : file_(std::move(file)), syncs_(syncs) {}
  Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) override {
    for (const auto& part : parts) syncs_.wrote(part.size());
    return file_->write_at(at, parts);
  }
  Result<size_t> read_at(uint64_t at, std::span<uint8_t> out) const override { return file_->read_at(at, out); }
  Result<> allocate(uint64_t size) override { return file_->allocate(size); }
  Result<> truncate(uint64_t size) override { return file_->truncate(size); }
  Result<> sync_data() override {
    const Result<> done = file_->sync_data();
    syncs_.synced();
    return done;
  }
  void begin_write_back(uint64_t at, uint64_t bytes) override { file_->begin_write_back(at, bytes); }
  Result<uint64_t> size() const override { return file_->size(); }

 private:
  std::unique_ptr<File> file_;
  Syncs& syncs_;
};

class CountedFiles final : public FileSystem {
 public:
  explicit CountedFiles(Syncs& syncs) : syncs_(syncs) {}
  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    TRY_ASSIGN(std::unique_ptr<File> file, fs_.open(path, mode));
    return std::make_unique<CountedFile>(std::move(file), syncs_);
  }
  Result<> rename(const std::string& from, const std::string& to) override { return fs_.rename(from, to); }
  Result<> remove(const std::string& path) override { return fs_.remove(path); }
  Result<> create_directories(const std::string& path) override { return fs_.create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return fs_.list(directory); }
  Result<bool> exists(const std::string& path) override { return fs_.exists(path); }
  Result<> sync_directory(const std::string& directory) override { return fs_.sync_directory(directory); }

 private:
  FileSystem& fs_ = posix_file_system();
  Syncs& syncs_;
};

std::string batch_of(size_t bytes) {
  const std::string value(bytes, 'x');
  const std::vector<RecordToWrite> one = {{.timestamp_ms = 1, .value = value}};
  return *build_record_batch({}, one);
}

// Seconds until everything is acknowledged; `syncs` then has the sizes of the groups.
double through_the_log(const std::string& dir, const std::string& batch, ptrdiff_t in_flight, size_t batches, Syncs& syncs) {
  CountedFiles fs(syncs);
  const auto log = *log::Log::open(log::by_hand({.dir = dir, .fs = &fs, .clock = &system_clock()}));
  const TopicPartition p{log->create_topic("t", 1, {{"max.message.bytes", "16777216"}})->id, PartitionId{0}};
  std::vector<Slice> slices;
  slices.reserve(batches);
  for (size_t i = 0; i < batches; ++i) slices.push_back(Slice::copy(batch));
  (void)syncs.take();
  std::counting_semaphore<kInFlightMax> room(in_flight);
  std::atomic<size_t> refused = 0;
  const int64_t start = system_clock().steady_us();
  for (Slice& slice : slices) {
    room.acquire();
    std::vector<log::AppendPart> parts;
    parts.push_back({p, std::move(slice)});
    log->append(std::move(parts), [&](const std::vector<log::AppendOutcome>& outcomes) {
      if (outcomes[0].error != log::AppendError::kNone) ++refused;
      room.release();
    });
  }
  for (ptrdiff_t i = 0; i < in_flight; ++i) room.acquire();
  const double seconds = static_cast<double>(system_clock().steady_us() - start) / 1e6;
  CHECK(refused == 0);
  CHECK(log->partition_state(p)->high_watermark.value == static_cast<int64_t>(batches));
  return seconds;
}

double alone(const std::string& path, const std::vector<size_t>& sizes) {
  size_t total = 0, largest = 0;
  for (const size_t size : sizes) total += size, largest = std::max(largest, size);
  const std::string bytes(largest, 'x');
  const auto file = *posix_file_system().open(path, FileSystem::Open::kCreateNew);
  CHECK(file->allocate(total));
  const int64_t start = system_clock().steady_us();
  uint64_t at = 0;
  for (const size_t size : sizes) {
    const std::span<const uint8_t> part(reinterpret_cast<const uint8_t*>(bytes.data()), size);
    CHECK(file->write_at(at, {&part, 1}) && file->sync_data());
    at += size;
  }
  const double seconds = static_cast<double>(system_clock().steady_us() - start) / 1e6;
  CHECK(posix_file_system().remove(path));
  return seconds;
}

// Who goes first changes from round to round: a disk can be faster after a rest. The first round, not printed, gives the sizes.
int run(const std::string& dir, size_t bytes, ptrdiff_t in_flight, size_t batches, int rounds) {
  const std::string batch = batch_of(bytes);
  std::vector<size_t> sizes;
  for (int round = 0; round <= rounds; ++round) {
    Syncs syncs;
    const bool alone_first = round % 2 == 1;
    double disk = alone_first ? alone(dir + "/alone", sizes) : 0;
    const double ours = through_the_log(fmt::format("{}/log-{}-{}", dir, bytes, round), batch, in_flight, batches, syncs);
    sizes = syncs.take();
    if (!alone_first) disk = alone(dir + "/alone", sizes);
    size_t written = 0;
    for (const size_t size : sizes) written += size;
    if (round == 0) continue;
    fmt::print("{{\"batches\": {}, \"batch_bytes\": {}, \"syncs\": {}, \"written\": {}, \"log_s\": {:.4f}, \"alone_s\": {:.4f}, \"equal\": {}}}\n", batches, batch.size(),
               sizes.size(), written, ours, disk, written >= batches * batch.size());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  if (argc < 5) return std::fprintf(stderr, "usage: bench_b18 DIRECTORY BATCH_BYTES IN_FLIGHT BATCHES [ROUNDS]\n"), 2;
  return ms::bench::run(argv[1], std::strtoull(argv[2], nullptr, 10), std::strtoll(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10),
                        argc > 5 ? std::atoi(argv[5]) : 3);
}
