// How many files the process may have open, and how many connections that leaves.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ms::server {

inline constexpr size_t kConnectionsMax = 10'000;     // of one listener
inline constexpr uint64_t kOpenFilesWanted = 15'000;  // for so many Kafka clients beside HTTP and the log's own files

// Raises the soft limit to the hard one, as far as the system lets it. What holds then; UINT64_MAX: no limit.
uint64_t raise_open_files();

// What each listener may have, so that all of them together leave the log its files: a log that cannot open one refuses to append. Pure.
struct ConnectionLimits {
  size_t kafka = 0;  // each of the Kafka listeners
  size_t http = 0;
  bool operator==(const ConnectionLimits&) const = default;
};
ConnectionLimits connection_limits(uint64_t open_files, size_t kafka_listeners);

}  // namespace ms::server
