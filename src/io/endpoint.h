// HOST:PORT texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms::io {

struct Endpoint {
  std::string host;  // without brackets
  uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

// "127.0.0.1:9092", "[::1]:9092", "localhost:0". Errors: InvalidArgument.
Result<Endpoint> parse_endpoint(std::string_view text);
std::string format_endpoint(const Endpoint& endpoint);
// 127.0.0.0/8, ::1 and the name "localhost".
bool is_loopback(std::string_view host);

}  // namespace ms::io
