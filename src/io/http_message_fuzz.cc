// A request's head, its target and a chunked body: any bytes.
#include <string>

#include "io/http_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ms::io::HttpHead head;
  if (ms::io::parse_request_head(text, head).status == 0) static_cast<void>(ms::io::query_value(head.target, "numbers"));
  static_cast<void>(ms::io::parse_response_head(text, head));
  static_cast<void>(ms::io::percent_decode(text, true));
  std::string body(text);
  size_t at = 0;
  ms::io::ChunkDecoder decoder;
  static_cast<void>(decoder.feed(body, at, 1'000));
  return 0;
}
