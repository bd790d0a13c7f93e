#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ms {
void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "event=check_failed condition=\"%s\" file=%s line=%d\n", condition, file, line);
  std::abort();
}
}  // namespace ms
