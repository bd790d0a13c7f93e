#include "feature/pages.h"

#include <sys/mman.h>

#include "base/check.h"

namespace ms::feature {

void* allocate_pages(size_t bytes) {
  const bool huge = bytes >= kHugePage && bytes % kHugePage == 0;
  void* memory = std::aligned_alloc(huge ? kHugePage : 64, bytes);
  CHECK(memory != nullptr);
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

}  // namespace ms::feature
