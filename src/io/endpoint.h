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
// The address of a client as ACLs and quotas call it: "10.0.0.1" of "10.0.0.1:5000" and of "[::ffff:10.0.0.1]:5000", "::1" of "[::1]:5000".
std::string host_of_peer(const std::string& peer);
// 127.0.0.0/8, ::1 and the name "localhost".
bool is_loopback(std::string_view host);

}  // namespace ms::io
