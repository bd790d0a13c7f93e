// Windows as definitions write them.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "feature/definition.h"

namespace ms::catalog {

struct NamedWindow {
  feature::Window window;
  std::string suffix;    // what feature names end in: "1h", "1h_hop_1m", "7d_exact", "1h_tumbling", "lifetime", "last_10", "next_7d"
  int64_t ahead_us = 0;  // a label's: the window ends at t + this
};

// "next(7d)", "next(1h, 4h)": the windows of labels, [t, t + 7d) and [t + 1h, t + 4h).
// "1h" and "sliding(1h)", "sliding(1h, hop: 1m)", "sliding(7d, exact)", "tumbling(1h)", "hopping(1h, 5m)", "session(30m, 12h)",
// "session(30m, 12h, closed)", "last(10)", "last(10, 7d)", "decay(1h)", "series(1h, 24)", "lifetime".
// Errors: InvalidArgument, with what to write instead.
Result<NamedWindow> parse_window(std::string_view text);
std::string describe(const feature::Window& window);  // "sliding 1h, hop 5m"
std::string describe_label(const feature::FeatureDefinition& label);  // "next 7d", "next 1h to 4h"

}  // namespace ms::catalog
