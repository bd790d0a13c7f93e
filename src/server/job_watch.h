// Following a job of the server from the command line.
#pragma once

#include <string>

#include "server/api_client.h"

namespace ms::server {

// Shows the job's progress until it ends and returns its report. An interrupt (interrupt.h) cancels the job and waits for its
// end; a second one stops waiting. Errors: what the job failed with, kCancelled.
Result<Json> watch_job(ApiClient& client, const std::string& id, bool quiet);

}  // namespace ms::server
