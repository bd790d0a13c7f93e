// A file that one process holds (flock): the lock goes with the process, however that ends.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"

namespace ms {

class FileLock {
 public:
  // Creates the file if needed and writes the process id into it. Errors: kConflict with the holder's process id as the
  // message, of the file system.
  static Result<std::unique_ptr<FileLock>> take(const std::string& path);
  // The holder's process id; empty: nobody holds it, or there is no such file.
  static Result<std::string> holder(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace ms
