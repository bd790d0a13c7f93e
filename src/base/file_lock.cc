#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace ms {
namespace {

std::string read_pid(int fd) {
  char text[32];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string pid(text, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "unknown" : pid;
}

}  // namespace

Result<std::unique_ptr<FileLock>> FileLock::take(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return fail_errno("cannot open " + path, errno);
  auto lock = std::unique_ptr<FileLock>(new FileLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno("cannot lock " + path, errno);
    return fail(ErrorKind::kConflict, read_pid(fd));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return fail_errno("cannot write " + path, errno);
  return lock;
}

Result<std::string> FileLock::holder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::string();
  if (fd < 0) return fail_errno("cannot open " + path, errno);
  std::string holder;
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) holder = read_pid(fd);
  ::close(fd);
  return holder;
}

FileLock::~FileLock() { ::close(fd_); }

}  // namespace ms
