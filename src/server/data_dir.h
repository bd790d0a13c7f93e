// The data directory: one server at a time, and a format that this program knows.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/file_system.h"

namespace ms::server {

inline constexpr int kDirFormat = 1;

// Holds DIR/LOCK (flock: it goes with the process, however that ends).
class DataDir {
 public:
  // Creates the directory if needed. Errors: kConflict (another server, named by its process id), kUnsupported (written
  // by a newer Millstream), kInvalidArgument (not a Millstream directory), of the file system.
  static Result<std::unique_ptr<DataDir>> open(FileSystem& fs, const std::string& dir);
  const std::string& path() const { return path_; }  // absolute

 private:
  DataDir(std::string path, std::unique_ptr<FileLock> lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

// Errors as above, but for kConflict: no lock is taken.
Result<> check_format(FileSystem& fs, const std::string& dir);
// The directory is not one that this program may use: exit status 2 (docs/cli.md). Anything else failed.
bool is_refused(const Error& error);

}  // namespace ms::server
