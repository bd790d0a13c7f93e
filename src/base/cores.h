#pragma once

#include <cstdint>

namespace ms {

// How many processor cores this process may run on (its affinity mask, as taskset and container runtimes set it), at least
// one. What sizes thread pools by default.
unsigned usable_cores();

// Bytes of memory that the machine has.
uint64_t machine_memory_bytes();

}  // namespace ms
