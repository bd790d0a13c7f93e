// Following a job of the server from the command line.
#pragma once

#include <string>

#include "server/api_client.h"

namespace ms::server {

// From now on Ctrl-C and SIGTERM only set what `interrupted()` returns.
void catch_interrupts();
bool interrupted();

// Shows the job's progress until it ends and returns its report; an interrupt cancels the job.
// Errors: what the job failed with, kCancelled.
Result<Json> watch_job(ApiClient& client, const std::string& id, bool quiet);

}  // namespace ms::server
