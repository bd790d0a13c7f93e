#include "log/testing/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ms::log::testing::fuzz_wal({data, size});
  return 0;
}
