#include "server/open_directory.h"

#include "base/clock.h"

namespace ms::server {
namespace {

Result<std::unique_ptr<DataDir>> take(FileSystem& fs, const std::string& dir) {
  TRY(check_format(fs, dir));
  return DataDir::open(fs, dir);
}

}  // namespace

Result<OpenDirectory> open_directory(const std::string& dir) {
  FileSystem& fs = posix_file_system();
  OpenDirectory out;
  auto taken = take(fs, dir);
  if (!taken && is_refused(taken.error())) return invalid(taken.error().message);
  TRY_ASSIGN(out.dir, std::move(taken));
  const std::string& path = out.dir->path();
  TRY_ASSIGN(out.catalog, catalog::Catalog::open(fs, path + "/catalog"));
  TRY_ASSIGN(out.log, log::Log::open(log::by_hand({.dir = path, .fs = &fs, .clock = &system_clock()})));
  TRY_ASSIGN(out.timeline, engine::TimelineReader::open(fs, path + "/timeline"));
  return out;
}

}  // namespace ms::server
