#include "api/status_handlers.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/log_metrics.h"
#include "api/openapi.h"
#include "api/problem.h"
#include "base/metrics.h"

namespace ms::api {
namespace {

// Records that lie in the source's topic but are not applied yet.
int64_t lag_of(const log::Log& log, TopicId topic, const engine::OffsetVector& applied) {
  const auto info = log.find_topic(topic);
  int64_t lag = 0;
  for (int32_t p = 0; info && p < info->partitions; ++p) {
    const TopicPartition where{topic, PartitionId{p}};
    const auto state = log.partition_state(where);
    if (!state) continue;
    const auto at = applied.find(where);
    lag += state->high_watermark.value - std::max(state->log_start.value, at == applied.end() ? 0 : at->second.value);
  }
  return lag;
}

// Records of the topic that are applied, since its beginning: the same after a restart.
int64_t applied_of(TopicId topic, const engine::OffsetVector& applied) {
  int64_t records = 0;
  for (const auto& [partition, next] : applied)
    if (partition.topic == topic) records += next.value;
  return records;
}

// Sources of one topic share its reading: each shows the topic's figures. A name may have belonged to another topic before.
Json sources_json(const Context& context) {
  const auto topics = context.parts.engine->topic_status();
  Json sources = Json::array();
  for (const auto& source : context.parts.catalog->snapshot()->sources) {
    const std::string& topic = source->definition.topic;
    const auto read = std::ranges::find(topics, source->topic, &engine::TopicStatus::id);
    const bool is_read = read != topics.end();
    sources.push_back({{"name", source->definition.name},
                       {"topic", topic},
                       {"records", is_read ? applied_of(source->topic, read->applied) : 0},
                       {"dead_letters", is_read ? read->dead_letters : 0},
                       {"lag", is_read ? Json(lag_of(*context.parts.log, source->topic, read->applied)) : Json()}});
  }
  return sources;
}

Json views_json(const Context& context) {
  Json views = Json::array();
  for (const auto& view : context.parts.engine->view_status()) {
    views.push_back({{"name", view.name},
                     {"version", view.version},
                     {"ready", view.ready},
                     {"entities", view.entities},
                     {"resident_bytes", view.resident_bytes},
                     {"applied_rows", view.applied_rows},
                     {"beyond_horizon", view.beyond_horizon},
                     {"filtered", view.filtered},
                     {"null_keys", view.null_keys}});
    if (view.retracts) views.back()["retracted"] = view.retracted, views.back()["retracted_unknown"] = view.retracted_unknown;
  }
  return views;
}

Json topics_json(const log::Log& log) {
  Json topics = Json::array();
  for (const auto& topic : log.topics()) {
    int64_t records = 0, bytes = 0;
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const auto state = log.partition_state({topic.id, PartitionId{p}});
      if (!state) continue;
      records += state->high_watermark.value - state->log_start.value;
      bytes += state->bytes;
    }
    topics.push_back({{"name", topic.name}, {"partitions", topic.partitions}, {"records", records}, {"bytes", bytes}, {"internal", topic.internal}});
  }
  return topics;
}

}  // namespace

void healthz(Context&, const Call&, io::HttpReply& reply) { reply.body = R"({"status":"ok"})"; }

void readyz(Context& context, const Call&, io::HttpReply& reply) {
  if (!context.parts.engine->ready())
    return answer_problem(reply, 503, "not_ready", "the engine is still catching up with the log; reads are refused until it has");
  std::string waiting;
  for (const auto& view : context.parts.engine->view_status())
    if (!view.ready) waiting += fmt::format("{}{}@{}", waiting.empty() ? "" : ", ", view.name, view.version);
  if (!waiting.empty()) return answer_problem(reply, 503, "not_ready", "views that are still catching up: " + waiting);
  reply.body = R"({"status":"ready"})";
}

void metrics(Context& context, const Call&, io::HttpReply& reply) {
  gauge("millstream_ready").set(context.parts.engine->ready());
  gauge("millstream_process_cpu_milliseconds").set(static_cast<int64_t>(process_cpu_seconds() * 1e3));
  for (const auto& view : context.parts.engine->view_status()) {
    const std::string labels = fmt::format(R"(version="{}",view="{}")", view.version, view.name);
    gauge("millstream_view_entities", labels).set(static_cast<int64_t>(view.entities));
    gauge("millstream_view_resident_bytes", labels).set(static_cast<int64_t>(view.resident_bytes));
    gauge("millstream_view_ready", labels).set(view.ready);
  }
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = metrics_text() + log_metrics_text(*context.parts.log, context.parts.metrics_series_max);
}

void status(Context& context, const Call&, io::HttpReply& reply) {
  const ApiParts& parts = context.parts;
  const int64_t now = parts.clock->wall_us();
  Json json{{"version", parts.version},
            {"ready", parts.engine->ready()},
            {"now", format_time(now)},
            {"started_at", format_time(context.started_us)},
            {"uptime_s", (now - context.started_us) / kMicrosPerSecond},
            {"dir", parts.dir},
            {"kafka", parts.kafka}};
  json["topics"] = topics_json(*parts.log);
  json["sources"] = sources_json(context);
  json["views"] = views_json(context);
  json["services"] = Json::array();
  for (const auto& service : parts.catalog->snapshot()->services)
    json["services"].push_back({{"name", service->definition.name}, {"version", service->version}, {"features", service->columns.size()}});
  answer_json(reply, json);
}

void openapi(Context& context, const Call&, io::HttpReply& reply) { answer_json(reply, openapi_document(context.parts.version)); }

}  // namespace ms::api
