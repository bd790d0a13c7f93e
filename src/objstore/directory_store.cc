#include <fmt/format.h>

#include <algorithm>

#include "objstore/object_store.h"

namespace ms {
namespace {

constexpr std::string_view kUnfinished = ".tmp";

bool is_name(std::string_view name) {
  return !name.empty() && name[0] != '.' && name.size() < 200 && !name.ends_with(kUnfinished) &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
         });
}

class DirectoryStore final : public ObjectStore {
 public:
  DirectoryStore(FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  Result<> put(const std::string& name, std::span<const std::span<const uint8_t>> parts) override {
    TRY_ASSIGN(const std::string path, path_of(name));
    const std::string unfinished = path + std::string(kUnfinished);
    if (auto written = write_whole(unfinished, parts); !written) {
      (void)fs_.remove(unfinished);  // gives the space back; the first error is the one to report
      return written;
    }
    TRY(fs_.rename(unfinished, path));
    return fs_.sync_directory(directory_);
  }

  Result<> get(const std::string& name, uint64_t from, std::span<uint8_t> out) override {
    TRY_ASSIGN(const std::string path, path_of(name));
    TRY_ASSIGN(const auto file, fs_.open(path, FileSystem::Open::kRead));
    TRY_ASSIGN(const size_t got, file->read_at(from, out));
    if (got != out.size()) return corruption(fmt::format("{} ends at byte {}, wanted up to {}", path, from + got, from + out.size()));
    return {};
  }

  Result<uint64_t> size(const std::string& name) override {
    TRY_ASSIGN(const std::string path, path_of(name));
    TRY_ASSIGN(const auto file, fs_.open(path, FileSystem::Open::kRead));
    return file->size();
  }

  Result<> remove(const std::string& name) override {
    TRY_ASSIGN(const std::string path, path_of(name));
    for (const std::string& each : {path, path + std::string(kUnfinished)})
      if (const auto removed = fs_.remove(each); !removed && removed.error().kind != ErrorKind::kNotFound) return removed;
    return fs_.sync_directory(directory_);
  }

  Result<std::vector<std::string>> list() override {
    TRY_ASSIGN(auto names, fs_.list(directory_));
    std::erase_if(names, [](const std::string& name) { return name.ends_with(kUnfinished); });
    return names;
  }

 private:
  Result<std::string> path_of(const std::string& name) const {
    if (!is_name(name)) return invalid(fmt::format("'{}' is not an object name", name));
    return directory_ + "/" + name;
  }
  Result<> write_whole(const std::string& path, std::span<const std::span<const uint8_t>> parts) {
    TRY_ASSIGN(const bool left_over, fs_.exists(path));
    if (left_over) TRY(fs_.remove(path));
    TRY_ASSIGN(const auto file, fs_.open(path, FileSystem::Open::kCreateNewUncached));
    TRY(file->write_at(0, parts));
    return file->sync_data();
  }

  FileSystem& fs_;
  const std::string directory_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_directory_store(FileSystem& fs, const std::string& directory) {
  TRY(fs.create_directories(directory));
  return std::make_unique<DirectoryStore>(fs, directory);
}

}  // namespace ms
