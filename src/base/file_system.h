// The one door to files. Everything durable (log, objects, catalog, checkpoints, timeline) goes through it, so that a
// test can put a layer underneath that drops unsynced bytes and directory entries, fails, or runs out of space.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ms {

// An open file. One writer at a time; reads may run beside it. Closed by the destructor (without a sync).
class File {
 public:
  virtual ~File() = default;
  // Writes all of `parts` one after the other from byte `at` on. ENOSPC is kExhausted; what was written then is undefined.
  virtual Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) = 0;
  // Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t at, std::span<uint8_t> out) const = 0;
  // Reserves the bytes [0, size) so that later writes there cannot run out of space; unwritten ones read as zero.
  virtual Result<> allocate(uint64_t size) = 0;
  virtual Result<> truncate(uint64_t size) = 0;
  virtual Result<> sync_data() = 0;  // fdatasync; after an error the file must not be trusted again
  // Asks the system to begin with writing these bytes to the disk, so that a later sync_data() has less to wait for. Promises nothing.
  virtual void begin_write_back(uint64_t /*at*/, uint64_t /*bytes*/) {}
  virtual Result<uint64_t> size() const = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // The last two fail with kAlreadyExists. kCreateNewUncached is for large files that are written once, front to back, and not read soon: its
  // first write_at(0, ...) leaves the page cache alone where the file system can do that.
  enum class Open { kRead, kReadWrite, kCreateNew, kCreateNewUncached };
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open mode) = 0;
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Result<> remove(const std::string& path) = 0;
  virtual Result<> create_directories(const std::string& path) = 0;  // fine if there; syncs the parents it changed
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted, without . and ..
  virtual Result<bool> exists(const std::string& path) = 0;
  // Makes creations, renames and removals in `directory` durable.
  virtual Result<> sync_directory(const std::string& directory) = 0;
};

// The machine's file system. Thread-safe.
FileSystem& posix_file_system();

Result<std::string> read_file(FileSystem& fs, const std::string& path);
// The whole file or the old one, never half: writes path + ".tmp", syncs it, renames, syncs the directory.
Result<> write_file_atomically(FileSystem& fs, const std::string& path, std::string_view bytes);

}  // namespace ms
