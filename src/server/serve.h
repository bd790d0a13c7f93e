// A running server: everything wired, started and stopped in order.
#pragma once

#include "base/error.h"
#include "server/config.h"

namespace ms::server {

// Serves until SIGTERM or SIGINT; both must be blocked in the calling thread before any other thread exists. Prints one
// line on stdout once reads are answered: `ready kafka=HOST:PORT http=HOST:PORT dir=DIR`.
Result<> serve(const ServeConfig& config);

}  // namespace ms::server
