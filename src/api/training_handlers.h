// Training sets as jobs.
#pragma once

#include "api/context.h"

namespace ms::api {

// POST /v1/training-sets {"service", "spine", "out", "manifest", "mode", "time_column", "after_event", "exclude_self", "self_source",
// "self_partition", "self_offset", "pin_manifest", "statuses", "event_times", "compression", "threads"}: 202 with the job. Paths are the
// server's and absolute.
void start_training_set(Context& context, const Call& call, io::HttpReply& reply);
void list_jobs(Context& context, const Call& call, io::HttpReply& reply);     // GET /v1/jobs
void describe_job(Context& context, const Call& call, io::HttpReply& reply);  // GET /v1/jobs/{id}?wait_ms=0
void cancel_job(Context& context, const Call& call, io::HttpReply& reply);    // DELETE /v1/jobs/{id}: 202

}  // namespace ms::api
