// The memory of Arrow's readers and writers.
#pragma once

#include <arrow/memory_pool.h>

namespace ms::history {

// jemalloc where Arrow has it: it gives pages back and takes them again less often than Arrow's other allocators, and a
// virtual machine pays for each (a training set of 3 M rows: 0.6 s of system time, 0.8 s and 1.0 s with the others).
// Sanitizers see only malloc and free: memory that jemalloc takes from one thread and gives to another looks like a race.
inline arrow::MemoryPool* arrow_pool() {
#ifdef MS_SANITIZED
  return arrow::system_memory_pool();
#else
  arrow::MemoryPool* pool = nullptr;
  return arrow::jemalloc_memory_pool(&pool).ok() ? pool : arrow::default_memory_pool();
#endif
}

}  // namespace ms::history
