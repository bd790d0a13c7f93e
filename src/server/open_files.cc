#include "server/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace ms::server {
namespace {
constexpr uint64_t kOwnFiles = 1'024;  // the log's, the engine's, and sockets that make room and are not closed yet
}

uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kOwnFiles;
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (limit.rlim_cur != limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

ConnectionLimits connection_limits(uint64_t open_files, size_t kafka_listeners) {
  const uint64_t room = open_files - std::min(kOwnFiles, open_files / 2);
  const uint64_t http = std::min<uint64_t>(kConnectionsMax, room / 4);
  return {.kafka = std::min<uint64_t>(kConnectionsMax, (room - http) / std::max<size_t>(kafka_listeners, 1)), .http = http};
}

}  // namespace ms::server
