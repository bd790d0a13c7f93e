// Prepared events that do not fit into the memory for them: in a file without a name until their group is answered.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "feature/view_program.h"

namespace ms::history {

// Thread-safe. The file loses its name as soon as it is made, so that it goes with the process however that ends; a name that a
// kill just between the two left behind goes with the next spill to the same path.
class Spill {
 public:
  // `memory_bytes`: how much of the rows may stay in memory. No file is made before more is needed.
  Spill(FileSystem& fs, std::string path, uint64_t memory_bytes) : fs_(fs), path_(std::move(path)), memory_bytes_(memory_bytes) {}

  // Whether so many more bytes may stay in memory; true counts them.
  bool has_room_for(uint64_t bytes);
  // Writes rows that lie group after group, group g from begin[g] on; gives where each group's bytes begin, and the end.
  // Errors: kExhausted (the disk is full), kInternal.
  Result<std::vector<uint64_t>> write(const feature::PreparedRows& rows, const std::vector<uint32_t>& begin);
  // Such rows again: `count` of them, from the bytes [from, until). `retracts`: they have PreparedRows::retracts. `out` has the columns' types and is otherwise empty.
  Result<> read(uint64_t from, uint64_t until, size_t count, bool retracts, feature::PreparedRows& out) const;

  uint64_t written() const { return end_.load(std::memory_order_relaxed); }
  static uint64_t bytes_of(const feature::PreparedRows& rows);

 private:
  Result<> open();

  FileSystem& fs_;
  const std::string path_;
  const uint64_t memory_bytes_;
  std::atomic<uint64_t> used_{0}, end_{0};
  std::mutex opening_;
  std::unique_ptr<File> file_;
};

}  // namespace ms::history
