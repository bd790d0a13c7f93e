#include "server/data_dir.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>

namespace ms::server {
namespace {

constexpr std::string_view kFormatWord = "millstream ";

Result<std::unique_ptr<FileLock>> take_lock(const std::string& dir) {
  auto lock = FileLock::take(dir + "/LOCK");
  if (lock || lock.error().kind != ErrorKind::kConflict) return lock;
  return fail(ErrorKind::kConflict,
              fmt::format("{} is in use by the server with process id {}; stop it first, or choose another --dir", dir, lock.error().message));
}

Result<> check_or_write_format(FileSystem& fs, const std::string& dir) {
  TRY_ASSIGN(const bool there, fs.exists(dir + "/FORMAT"));
  if (there) return check_format(fs, dir);
  TRY_ASSIGN(const auto names, fs.list(dir));
  for (const std::string& name : names)
    if (name != "LOCK" && name != "FORMAT.tmp")
      return invalid(fmt::format("{} holds '{}' but no FORMAT file: it is not a Millstream directory; choose an empty or a new one", dir, name));
  return write_file_atomically(fs, dir + "/FORMAT", fmt::format("{}{}\n", kFormatWord, kDirFormat));
}

}  // namespace

bool is_refused(const Error& error) {
  return error.kind == ErrorKind::kInvalidArgument || error.kind == ErrorKind::kConflict || error.kind == ErrorKind::kUnsupported;
}

Result<> check_format(FileSystem& fs, const std::string& dir) {
  const auto text = read_file(fs, dir + "/FORMAT");
  if (!text && text.error().kind == ErrorKind::kNotFound) return invalid(fmt::format("{} is not a Millstream directory (it has no FORMAT file)", dir));
  if (!text) return Unexpected(text.error());
  int format = 0;
  const char* digits = text->data() + std::min(kFormatWord.size(), text->size());
  const auto [end, error] = std::from_chars(digits, text->data() + text->size(), format);
  if (!text->starts_with(kFormatWord) || error != std::errc{} || format < 1) return corruption(fmt::format("{}/FORMAT is damaged: it should say 'millstream {}'", dir, kDirFormat));
  if (format > kDirFormat)
    return fail(ErrorKind::kUnsupported, fmt::format("{} has format {}, written by a newer Millstream; this one reads up to format {}. Use the version that wrote it", dir, format, kDirFormat));
  return {};
}

Result<std::unique_ptr<DataDir>> DataDir::open(FileSystem& fs, const std::string& dir) {
  std::error_code error;
  const std::string path = std::filesystem::absolute(dir, error).lexically_normal().string();
  if (error) return fail_errno("cannot resolve " + dir, error.value());
  TRY(fs.create_directories(path));
  TRY_ASSIGN(auto lock, take_lock(path));
  auto opened = std::unique_ptr<DataDir>(new DataDir(path, std::move(lock)));
  TRY(check_or_write_format(fs, path));
  return opened;
}

}  // namespace ms::server
