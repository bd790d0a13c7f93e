// The metadata of a directory that nothing has open, as the next start will have it. Reads only.
#pragma once

#include <map>

#include "log/fsck.h"
#include "log/meta_state.h"

namespace ms::log {

// Offsets [base, next) of a partition that lie in the write-ahead log.
struct OffsetRange {
  int64_t base = 0, next = 0;
};
struct FsckState {
  MetaState meta;
  std::map<TopicPartition, std::vector<OffsetRange>> in_wal;  // ascending; neighbours are one range
};
// Of the log's files, and so a finding; not of the file system.
inline bool is_damage(const Error& error) { return error.kind == ErrorKind::kCorruption || error.kind == ErrorKind::kUnsupported; }
// Snapshot and write-ahead log into `report`; nullopt when they cannot be read to their end, so that nothing follows for objects.
Result<std::optional<FsckState>> fsck_wal(FileSystem& fs, const std::string& dir, FsckReport& report);

}  // namespace ms::log
