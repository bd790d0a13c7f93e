#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/metrics.h"

namespace ms {
namespace {

// O_DIRECT asks for memory, positions and sizes in whole blocks; no disk in use has larger ones.
constexpr size_t kDirectBlock = 4096;
constexpr size_t kDirectBuffer = 1u << 20;

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path, bool direct) : fd_(fd), path_(std::move(path)), direct_(direct) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { ::close(fd_); }

  Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) override {
    if (direct_ && at == 0) return write_direct(parts);
    if (direct_) leave_direct();
    return write_cached(at, parts);
  }

  Result<size_t> read_at(uint64_t at, std::span<uint8_t> out) const override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read " + path_, errno);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Result<> allocate(uint64_t size) override {
    const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
    if (error != 0) return fail_errno("allocate " + path_, error);
    return {};
  }
  Result<> truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return fail_errno("truncate " + path_, errno);
    return {};
  }
  Result<> sync_data() override {
    static Metric& syncs = counter("millstream_fdatasync_total");
    syncs.add();
    if (::fdatasync(fd_) != 0) return fail_errno("fdatasync " + path_, errno);
    return {};
  }
  void begin_write_back(uint64_t at, uint64_t bytes) override {
    (void)::sync_file_range(fd_, static_cast<off64_t>(at), static_cast<off64_t>(bytes), SYNC_FILE_RANGE_WRITE);
  }
  Result<uint64_t> size() const override {
    struct stat info{};
    if (::fstat(fd_, &info) != 0) return fail_errno("stat " + path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  Result<> write_cached(uint64_t at, std::span<const std::span<const uint8_t>> parts) {
    std::vector<iovec> todo;
    todo.reserve(parts.size());
    for (const auto& part : parts)
      if (!part.empty()) todo.push_back({const_cast<uint8_t*>(part.data()), part.size()});
    size_t first = 0;
    while (first < todo.size()) {
      const int count = static_cast<int>(std::min<size_t>(todo.size() - first, IOV_MAX));
      const ssize_t n = ::pwritev(fd_, todo.data() + first, count, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("write " + path_, errno);
      at += static_cast<uint64_t>(n);
      auto left = static_cast<size_t>(n);
      while (first < todo.size() && left >= todo[first].iov_len) left -= todo[first++].iov_len;
      if (first < todo.size()) {
        todo[first].iov_base = static_cast<uint8_t*>(todo[first].iov_base) + left;
        todo[first].iov_len -= left;
      }
    }
    return {};
  }

  // Whole blocks from an aligned buffer; what is left at the end goes through the page cache.
  Result<> write_direct(std::span<const std::span<const uint8_t>> parts) {
    const std::unique_ptr<uint8_t[], decltype(&std::free)> buffer(static_cast<uint8_t*>(std::aligned_alloc(kDirectBlock, kDirectBuffer)), &std::free);
    if (!buffer) return fail_errno("write " + path_, ENOMEM);
    uint64_t at = 0;
    size_t held = 0;
    const auto flush = [&](size_t size) -> Result<> {
      TRY(write_blocks(at, {buffer.get(), size}));
      at += size;
      std::memmove(buffer.get(), buffer.get() + size, held - size);
      held -= size;
      return {};
    };
    for (std::span<const uint8_t> part : parts)
      while (!part.empty()) {
        const size_t taken = std::min(part.size(), kDirectBuffer - held);
        std::memcpy(buffer.get() + held, part.data(), taken);
        held += taken;
        part = part.subspan(taken);
        if (held == kDirectBuffer) TRY(flush(held));
      }
    TRY(flush(held / kDirectBlock * kDirectBlock));
    leave_direct();
    const std::span<const uint8_t> rest(buffer.get(), held);
    return write_cached(at, {&rest, 1});
  }

  // A file system that took O_DIRECT when the file was opened may still refuse it now.
  Result<> write_blocks(uint64_t at, std::span<const uint8_t> blocks) {
    while (!blocks.empty()) {
      const ssize_t n = ::pwrite(fd_, blocks.data(), blocks.size(), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EINVAL && direct_) {
        leave_direct();
        continue;
      }
      if (n < 0) return fail_errno("write " + path_, errno);
      at += static_cast<uint64_t>(n);
      blocks = blocks.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  void leave_direct() {
    direct_ = false;
    (void)::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) & ~O_DIRECT);
  }

  int fd_;
  std::string path_;
  bool direct_;
};

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    const int flags = (mode == Open::kRead ? O_RDONLY : mode == Open::kReadWrite ? O_RDWR : O_RDWR | O_CREAT | O_EXCL) | O_CLOEXEC;
    bool direct = mode == Open::kCreateNewUncached;
    int fd = ::open(path.c_str(), flags | (direct ? O_DIRECT : 0), 0644);
    if (fd < 0 && direct && errno == EINVAL) {  // it knows no O_DIRECT; some have made the file nevertheless
      direct = false;
      fd = ::open(path.c_str(), flags & ~O_EXCL, 0644);
    }
    if (fd < 0) return fail_errno("open " + path, errno);
    return std::make_unique<PosixFile>(fd, path, direct);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno(fmt::format("rename {} to {}", from, to), errno);
    return {};
  }
  Result<> remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return fail_errno("remove " + path, errno);
    return {};
  }
  Result<> create_directories(const std::string& path) override {
    TRY_ASSIGN(const bool there, exists(path));
    if (there) return {};
    const std::string parent = parent_of(path);
    if (parent != path) TRY(create_directories(parent));
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("create directory " + path, errno);
    return sync_directory(parent);
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* dir = ::opendir(directory.c_str());
    if (dir == nullptr) return fail_errno("list " + directory, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }
  Result<bool> exists(const std::string& path) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return fail_errno("stat " + path, errno);
  }
  Result<> sync_directory(const std::string& directory) override {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("open " + directory, errno);
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (result != 0) return fail_errno("fsync " + directory, error);
    return {};
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem instance;
  return instance;
}

Result<std::string> read_file(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const auto file, fs.open(path, FileSystem::Open::kRead));
  TRY_ASSIGN(const uint64_t size, file->size());
  std::string out(size, '\0');
  TRY_ASSIGN(const size_t got, file->read_at(0, {reinterpret_cast<uint8_t*>(out.data()), out.size()}));
  out.resize(got);
  return out;
}

Result<> write_file_atomically(FileSystem& fs, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  TRY_ASSIGN(const bool left_over, fs.exists(temporary));
  if (left_over) TRY(fs.remove(temporary));
  {
    TRY_ASSIGN(const auto file, fs.open(temporary, FileSystem::Open::kCreateNew));
    const std::span<const uint8_t> part(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    TRY(file->write_at(0, {&part, 1}));
    TRY(file->sync_data());
  }
  TRY(fs.rename(temporary, path));
  return fs.sync_directory(parent_of(path));
}

}  // namespace ms
