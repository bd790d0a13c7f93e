// Health, readiness, metrics and the whole of the server's state for people.
#pragma once

#include "api/context.h"

namespace ms::api {

void healthz(Context& context, const Call& call, io::HttpReply& reply);  // 200 while the process serves
void readyz(Context& context, const Call& call, io::HttpReply& reply);   // 200 once reads are answered; else 503 with what is missing
void metrics(Context& context, const Call& call, io::HttpReply& reply);  // Prometheus text
void status(Context& context, const Call& call, io::HttpReply& reply);   // GET /v1/status
void openapi(Context& context, const Call& call, io::HttpReply& reply);  // GET /openapi.json

}  // namespace ms::api
