// Why features have the values they have, over HTTP: with the read itself, or as a job when much of the log must be read.
#pragma once

#include "api/context.h"
#include "api/problem.h"

namespace ms::api {

inline constexpr size_t kExplainEntitiesMax = 100;

// POST /v1/services/{service}/features with "explain": true, and "at" and "features" if wanted.
// 422 explanation_too_long: more than ApiParts::explain_records_max records would have to be read.
void explain_features(Context& context, const Call& call, io::HttpReply& reply);
// POST /v1/explanations with the same members and "service": 202 with the job, whose report is the same document.
void start_explanation(Context& context, const Call& call, io::HttpReply& reply);

}  // namespace ms::api
