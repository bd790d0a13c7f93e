// Any bytes as a request frame: header, then the body of whatever API and version it names. Corpus: tests/fuzz/request_header_fuzz.
#include "kafka/fuzz_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ms::kafka::decode_any_request({data, size});
  return 0;
}
