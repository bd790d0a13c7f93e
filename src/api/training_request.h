// A training set's request and report as JSON, the same for the HTTP API and for `millstream train --dir`.
#pragma once

#include "api/problem.h"
#include "history/train.h"

namespace ms::api {

// Errors: InvalidArgument. The service's name goes to `service`.
Result<history::TrainRequest> training_request(const Json& body, std::string& service);
Json training_report(const history::TrainReport& report);

}  // namespace ms::api
