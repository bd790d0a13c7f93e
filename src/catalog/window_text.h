// Windows as definitions write them.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "feature/definition.h"

namespace ms::catalog {

struct NamedWindow {
  feature::Window window;
  std::string suffix;  // what feature names end in: "1h", "1h_hop_1m", "7d_exact", "1h_tumbling", "lifetime"
};

// "1h" and "sliding(1h)", "sliding(1h, hop: 1m)", "sliding(7d, exact)", "tumbling(1h)", "lifetime".
// Errors: InvalidArgument, with what to write instead.
Result<NamedWindow> parse_window(std::string_view text);
std::string describe(const feature::Window& window);  // "sliding 1h, hop 5m"

}  // namespace ms::catalog
