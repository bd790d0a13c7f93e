// MPFR keeps constants and spare numbers for each thread; they go with the thread that called this.
#pragma once

#include <mpfr.h>

namespace ms::feature {

inline void free_mpfr_with_thread() {
  struct AtEnd {
    ~AtEnd() {
      mpfr_free_cache();
      mpfr_free_pool();
    }
  };
  thread_local const AtEnd at_end;
  (void)&at_end;
}

}  // namespace ms::feature
