// Looks through the log of a directory that nothing has open: is everything that was acknowledged there, once and whole? Reads
// only: nothing is cut, recycled or removed.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"

namespace ms::log {

struct FsckFinding {
  std::string what;    // a stable word: wal, snapshot, offsets, object, batch, run, file
  std::string where;   // a file, a position in it, or a topic with its partition
  std::string found;
  std::string advice;  // what to do
};
struct FsckReport {
  std::vector<FsckFinding> problems;
  std::vector<FsckFinding> remarks;  // what a crash leaves behind, and the next start tidies
  int64_t topics = 0, partitions = 0, records = 0;  // records: offsets from the log starts on
  int64_t wal_segments = 0, wal_frames = 0;
  int64_t objects = 0, object_bytes = 0, batches = 0;  // batches of objects
  bool clean() const { return problems.empty(); }
};

// Errors: of the file system; what is wrong with the log's files is in the report.
Result<FsckReport> fsck(FileSystem& fs, const std::string& dir);

}  // namespace ms::log
