// A verification's request and report as JSON, the same for the HTTP API and for `millstream verify --dir`.
#pragma once

#include "api/context.h"
#include "api/problem.h"
#include "catalog/catalog.h"
#include "replay/verify.h"

namespace ms::api {

// {"service", "since", "sample", "threads"}, all optional. `samples_dir` is left to the caller.
// Errors: InvalidArgument; NotFound (no such service, with the nearest name).
Result<replay::VerifyRequest> verify_request(const Json& body, const catalog::CatalogSnapshot& catalog);
// {"samples", "answers", "values", "differences", "gaps", "forgotten", "torn_tails", "first", "last", "seconds", "shown": [{"service",
//  "view", "key", "as_of", "feature", "served", "derived", "cut"}], "text"}; "text" says it all to people.
Json verify_report_json(const replay::VerifyReport& report);

// POST /v1/verifications: 202 with the job.
void start_verification(Context& context, const Call& call, io::HttpReply& reply);

}  // namespace ms::api
