// The body of a read request: any bytes, never a crash, never memory beyond the input's size.
#include "api/features_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ms::api::FeaturesRequest request;
  static_cast<void>(request.parse({reinterpret_cast<const char*>(data), size}));
  return 0;
}
