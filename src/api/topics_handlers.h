// /v1/topics: topics and plain text records, for people and programs without Kafka tools.
#pragma once

#include "api/context.h"

namespace ms::api {

void list_topics(Context& context, const Call& call, io::HttpReply& reply);     // GET /v1/topics
void create_topic(Context& context, const Call& call, io::HttpReply& reply);    // POST /v1/topics {"name","partitions","config"}
void describe_topic(Context& context, const Call& call, io::HttpReply& reply);  // GET /v1/topics/{name}
void alter_topic(Context& context, const Call& call, io::HttpReply& reply);     // PATCH /v1/topics/{name} {"partitions","config"}
void delete_topic(Context& context, const Call& call, io::HttpReply& reply);    // DELETE /v1/topics/{name}
// POST /v1/topics/{name}/records {"partition": 0, "records": [{"key": "k", "value": "v", "timestamp_ms": 1}]}
void produce_records(Context& context, const Call& call, io::HttpReply& reply);
// GET /v1/topics/{name}/records?partition=0&offset=0&limit=100
void consume_records(Context& context, const Call& call, io::HttpReply& reply);

}  // namespace ms::api
