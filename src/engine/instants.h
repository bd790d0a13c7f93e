// The one monotone process clock of reads and publishes (08: instants and publishing).
//
// A publish takes max(clock, last instant issued + 1 us); a read takes max(clock, last instant issued), so reads may share
// an instant and every publish is later than every read before it. No instant is issued above the durable ceiling, so
// that a restarted process, which begins above the ceiling it finds, never issues an instant twice.
//
// When the ceiling cannot be raised (a full disk) nobody waits for it under a lock: reads are refused, and whoever publishes asks
// for room before he takes the locks. For those that were let in there are instants kept below the ceiling.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/file_system.h"

namespace ms::engine {

// Thread-safe.
class InstantSource {
 public:
  // `floor`: the ceiling of the process before; instants are above it.
  InstantSource(const Clock& clock, Instant floor) : clock_(clock), floor_(floor), last_(floor.us), ceiling_(floor.us) {}

  std::optional<Instant> read();  // nullopt: the clock has come too close to the ceiling; await_room() and try again
  Instant publish();              // after has_room(); behind the clock by as much as the ceiling is
  bool has_room() const;          // for reads and publishes; one chunk's publishes may go on when it ends
  // Waits at most so long. False: no room, at once while the ceiling is known to be stuck. Never under a lock that others need.
  bool await_room(std::chrono::milliseconds at_most);
  Instant last() const { return {last_.load(std::memory_order_acquire)}; }
  Instant floor() const { return floor_; }

  // Instants up to `ceiling` may be issued; the caller has made it durable. Never goes back.
  void raise_ceiling(Instant ceiling);
  // The ceiling could not be written, or somebody has waited for it in vain: until it is raised again, nobody waits.
  void stick();
  bool stuck() const { return stuck_.load(std::memory_order_acquire); }

 private:
  const Clock& clock_;
  const Instant floor_;
  std::atomic<int64_t> last_;
  std::atomic<int64_t> ceiling_;
  std::atomic<bool> stuck_{false};
  std::mutex mutex_;
  std::condition_variable raised_;
};

inline constexpr int64_t kCeilingAheadUs = kMicrosPerSecond;
// Below the ceiling, for the publishes of chunks that had room: far more than all of them in microseconds.
inline constexpr int64_t kPublishRoomUs = kCeilingAheadUs / 10;

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
