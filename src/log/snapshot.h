// The metadata snapshot file: where replay of the write-ahead log begins.
#pragma once

#include <optional>
#include <string>

#include "base/file_system.h"
#include "log/meta_state.h"

namespace ms::log {

struct Snapshot {
  uint64_t frame = 0;          // every command up to this frame is in the state
  uint64_t first_segment = 1;  // the oldest WAL segment that still holds something needed
  MetaState state;
};

Result<> write_snapshot(FileSystem& fs, const std::string& path, uint64_t frame, uint64_t first_segment, std::string_view state);
// nullopt when there is none. Errors: kCorruption naming the file, kUnsupported.
Result<std::optional<Snapshot>> read_snapshot(FileSystem& fs, const std::string& path);

}  // namespace ms::log
