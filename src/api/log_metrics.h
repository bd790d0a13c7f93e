// What /metrics says of partitions and groups, read from the log when it is asked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "log/log.h"

namespace ms::api {

// In the Prometheus text format. At most `series_max` lines about partitions and as many about groups, in the order of their
// names; how many were left out is a metric itself.
std::string log_metrics_text(const log::Log& log, size_t series_max);

// A label's value between its quotes: escaped, and what is not UTF-8 as '?', because one bad name would spoil the page.
std::string label_value(std::string_view text);

}  // namespace ms::api
