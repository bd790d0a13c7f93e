// Immutable objects under names that are used once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace ms {

// Thread-safe. Names are plain file names: letters, digits, '-', '.', '_', not beginning with '.'.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  // The whole object, durable on return; nobody ever sees half of it. Putting a name again replaces it.
  // Errors: kExhausted (no space; nothing is left behind), kInternal.
  virtual Result<> put(const std::string& name, std::span<const std::span<const uint8_t>> parts) = 0;
  // Fills `out` from byte `from` on. Errors: kNotFound, kCorruption when the object ends before.
  virtual Result<> get(const std::string& name, uint64_t from, std::span<uint8_t> out) = 0;
  virtual Result<uint64_t> size(const std::string& name) = 0;
  virtual Result<> remove(const std::string& name) = 0;  // fine if it is not there
  virtual Result<std::vector<std::string>> list() = 0;   // for checks by a person; nothing decides by listing
};

// Objects as files of one directory, which is created when missing.
Result<std::unique_ptr<ObjectStore>> open_directory_store(FileSystem& fs, const std::string& directory);

}  // namespace ms
