// A disk that may be found full only when the next segment's file is there or about to be renamed: by its directory, or by the
// sync of its header, which may be durable all the same. What happens just before a file is opened or synced can be arranged.
// For tests.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/file_system.h"

namespace ms::log::testing {

class FaultyDisk final : public FileSystem {
 public:
  explicit FaultyDisk(FileSystem& to) : to_(to) {}
  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    opening(path);
    if (objects_away && path.find("/objects/") != std::string::npos) return fail(ErrorKind::kUnavailable, "the store is away");
    TRY_ASSIGN(auto file, to_.open(path, mode));
    return std::make_unique<WatchedFile>(std::move(file), path, *this);
  }
  Result<> rename(const std::string& from, const std::string& to) override { return full_directory ? full() : to_.rename(from, to); }
  Result<> remove(const std::string& path) override { return to_.remove(path); }
  Result<> create_directories(const std::string& path) override { return to_.create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return to_.list(directory); }
  Result<bool> exists(const std::string& path) override { return to_.exists(path); }
  Result<> sync_directory(const std::string& directory) override {
    if (sync_fails(directory)) return lost();
    return full_directory ? full() : to_.sync_directory(directory);
  }
  bool full_directory = false, full_header = false;
  std::atomic<bool> objects_away = false;
  std::function<void(const std::string&)> opening = [](const std::string&) {};
  std::function<void()> syncing = [] {};
  std::function<bool(const std::string&)> sync_fails = [](const std::string&) { return false; };  // of a file or a directory

 private:
  class WatchedFile final : public File {
   public:
    WatchedFile(std::unique_ptr<File> file, std::string path, FaultyDisk& disk)
        : file_(std::move(file)), path_(std::move(path)), disk_(disk) {}
    Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) override {
      header_ = at == 0;
      return file_->write_at(at, parts);
    }
    Result<size_t> read_at(uint64_t at, std::span<uint8_t> out) const override { return file_->read_at(at, out); }
    Result<> allocate(uint64_t size) override { return file_->allocate(size); }
    Result<> truncate(uint64_t size) override { return file_->truncate(size); }
    Result<> sync_data() override {
      disk_.syncing();
      if (disk_.sync_fails(path_)) return lost();
      TRY(file_->sync_data());
      return header_ && disk_.full_header ? full() : Result<>();
    }
    Result<uint64_t> size() const override { return file_->size(); }

   private:
    std::unique_ptr<File> file_;
    const std::string path_;
    FaultyDisk& disk_;
    bool header_ = false;  // it was written last
  };
  static Result<> lost() { return fail(ErrorKind::kInternal, "the disk has lost what it was given"); }
  static Result<> full() { return fail(ErrorKind::kExhausted, "full"); }
  FileSystem& to_;
};

}  // namespace ms::log::testing
