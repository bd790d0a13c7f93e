// The parts of a data directory that no server holds, for commands with --dir.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "catalog/catalog.h"
#include "engine/timeline.h"
#include "log/log.h"
#include "server/data_dir.h"

namespace ms::server {

struct OpenDirectory {
  std::unique_ptr<DataDir> dir;  // its lock keeps a server from starting meanwhile
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<log::Log> log;  // its tail recovered as a server would; nothing runs in the background
  std::unique_ptr<engine::TimelineReader> timeline;
};

// Errors: kInvalidArgument when a server holds the directory or its format is newer (exit status 2), kNotFound when it is
// not a Millstream directory, those of opening the parts.
Result<OpenDirectory> open_directory(const std::string& dir);

}  // namespace ms::server
