// Definitions: what is applied, what a file would change, applying it.
#pragma once

#include "api/context.h"

namespace ms::api {

void list_views(Context& context, const Call& call, io::HttpReply& reply);  // GET /v1/views, and so on
void list_services(Context& context, const Call& call, io::HttpReply& reply);
void list_sources(Context& context, const Call& call, io::HttpReply& reply);
void list_entities(Context& context, const Call& call, io::HttpReply& reply);
void describe_view(Context& context, const Call& call, io::HttpReply& reply);  // GET /v1/views/{name}, and so on
void describe_service(Context& context, const Call& call, io::HttpReply& reply);
void describe_source(Context& context, const Call& call, io::HttpReply& reply);
void describe_entity(Context& context, const Call& call, io::HttpReply& reply);
// POST /v1/plan and /v1/apply {"files": [{"name": "a.yaml", "text": "..."}]}. A plan with refusals is 422.
void plan_definitions(Context& context, const Call& call, io::HttpReply& reply);
void apply_definitions(Context& context, const Call& call, io::HttpReply& reply);

}  // namespace ms::api
