// The header in front of every request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/buffer.h"
#include "kafka/wire.h"

namespace ms::kafka {

struct RequestHeader {
  int16_t api_key = 0;
  int16_t version = 0;
  int32_t correlation = 0;
  std::string client_id;  // empty when null
};

// The fixed fields, before anything is known of the API. nullopt: fewer than 8 bytes.
std::optional<RequestHeader> peek_header(const Slice& frame);

// The whole header and the body behind it. nullopt: malformed. `flexible` says which of the two header versions it is.
struct ParsedRequest {
  RequestHeader header;
  Slice body;
};
std::optional<ParsedRequest> parse_request(const Slice& frame, bool flexible);

}  // namespace ms::kafka
