// A file system in memory that behaves as disks do at a power loss: bytes that were not synced may be there, may be
// missing, sector by sector; creations, renames and removals whose directory was not synced may or may not have
// happened. Also runs out of space and fails syncs on demand. For tests; kill -9 alone keeps the page cache.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <mutex>

#include "base/file_system.h"
#include "base/rng.h"

namespace ms::testing {

class CrashFileSystem final : public FileSystem {
 public:
  explicit CrashFileSystem(uint64_t seed);
  ~CrashFileSystem() override;

  // After `operations` more changing calls (writes, syncs, renames, ...) every call fails until power_cycle().
  void lose_power_after(uint64_t operations);
  bool power_is_lost() const;
  // Decides by the seed what of the unsynced survives, and serves again. Old File objects stay dead.
  void power_cycle();

  void set_capacity(uint64_t bytes);  // kExhausted beyond it
  uint64_t used_bytes() const;
  void fail_syncs(bool fail);     // sync_data and sync_directory return kInternal and sync nothing
  void swallow_syncs(bool swallow);  // they return success and sync nothing: a planted missing fdatasync
  uint64_t syncs() const;

  // Changes a byte behind everyone's back, durably.
  Result<> corrupt(const std::string& path, uint64_t at, uint8_t xor_with);

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> create_directories(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<bool> exists(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;

 private:
  friend class CrashFile;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  struct NameChange {  // not yet durable; null node = removed; a rename takes one name away as it gives the other
    std::string path;
    NodePtr node;
    std::string renamed_from;
  };

  Result<> step();  // counts a changing operation; fails when the power is gone
  Result<> alive(uint64_t life) const;
  void change(NameChange change);
  void make_durable(const NameChange& change);
  uint64_t used_locked() const;

  mutable std::mutex mutex_;
  Rng rng_;
  uint64_t life_ = 1;
  bool lost_ = false;
  bool fail_syncs_ = false, swallow_syncs_ = false;
  uint64_t syncs_ = 0;
  uint64_t operations_left_ = std::numeric_limits<uint64_t>::max();
  uint64_t capacity_ = std::numeric_limits<uint64_t>::max();
  std::map<std::string, NodePtr> names_, durable_names_;
  std::vector<NameChange> unsynced_names_;
};

}  // namespace ms::testing
