// The one monotone process clock of reads and publishes (08: instants and publishing).
//
// A publish takes max(clock, last instant issued + 1 us); a read takes max(clock, last instant issued), so reads may share
// an instant and every publish is later than every read before it. No instant is issued above the durable ceiling, so
// that a restarted process, which begins above the ceiling it finds, never issues an instant twice.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/clock.h"
#include "base/file_system.h"

namespace ms::engine {

// Thread-safe.
class InstantSource {
 public:
  // `floor`: the ceiling of the process before; instants are above it.
  InstantSource(const Clock& clock, Instant floor) : clock_(clock), floor_(floor), last_(floor.us), ceiling_(floor.us) {}

  Instant read();     // may wait for raise_ceiling
  Instant publish();  // may wait for raise_ceiling
  Instant last() const { return {last_.load(std::memory_order_acquire)}; }
  Instant floor() const { return floor_; }

  // Instants up to `ceiling` may be issued; the caller has made it durable. Never goes back.
  void raise_ceiling(Instant ceiling);

 private:
  Instant take(int64_t step);
  void wait_for_ceiling(int64_t wanted);

  const Clock& clock_;
  const Instant floor_;
  std::atomic<int64_t> last_;
  std::atomic<int64_t> ceiling_;
  std::mutex mutex_;
  std::condition_variable raised_;
};

inline constexpr int64_t kCeilingAheadUs = kMicrosPerSecond;

// The durable ceiling: a file of 12 bytes (int64 us, CRC32C of it), overwritten in place in two alternating slots.
class CeilingFile {
 public:
  // Reads the ceiling of the process before (0 when the file is new).
  static Result<CeilingFile> open(FileSystem& fs, const std::string& path);
  Instant stored() const { return stored_; }
  Result<> store(Instant ceiling);  // durable on return

 private:
  CeilingFile(std::unique_ptr<File> file, Instant stored, uint32_t slot)
      : file_(std::move(file)), stored_(stored), next_slot_(slot) {}
  std::unique_ptr<File> file_;
  Instant stored_;
  uint32_t next_slot_;
};

}  // namespace ms::engine
