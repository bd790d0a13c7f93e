#include "api/routes.h"

#include "api/definitions_handlers.h"
#include "api/explanation.h"
#include "api/status_handlers.h"
#include "api/topics_handlers.h"
#include "api/training_handlers.h"
#include "api/verification.h"

namespace ms::api {
namespace {

using security::Operation;

constexpr Needs kOpen, kSee{About::kCluster, Operation::kDescribe}, kChange{About::kCluster, Operation::kAlter}, kRead{About::kCluster, kReadFeatures};
constexpr Needs kTopics{About::kTopicList}, kNewTopic{About::kNewTopic}, kChangedTopic{About::kChangedTopic};
constexpr Needs topic(Operation operation) { return {About::kTopic, operation}; }

constexpr Route kRoutes[] = {
    {"GET", "/healthz", healthz, kOpen, "200 while the process serves", true},
    {"GET", "/readyz", readyz, kOpen, "200 once reads are answered, 503 before", true},
    {"GET", "/metrics", metrics, kSee, "Prometheus metrics"},
    {"GET", "/openapi.json", openapi, kOpen, "this document"},
    {"GET", "/v1/status", status, kSee, "topics, lag of the sources, views, readiness"},
    {"GET", "/v1/topics", list_topics, kTopics, "all topics"},
    {"POST", "/v1/topics", create_topic, kNewTopic, "create a topic"},
    {"GET", "/v1/topics/{}", describe_topic, topic(Operation::kDescribe), "partitions, offsets and configuration of a topic"},
    {"PATCH", "/v1/topics/{}", alter_topic, kChangedTopic, "add partitions, change the configuration"},
    {"DELETE", "/v1/topics/{}", delete_topic, topic(Operation::kDelete), "delete a topic that no source reads"},
    {"POST", "/v1/topics/{}/records", produce_records, topic(Operation::kWrite), "append text records"},
    {"GET", "/v1/topics/{}/records", consume_records, topic(Operation::kRead), "read records: ?partition=0&offset=0&limit=100"},
    {"GET", "/v1/sources", list_sources, kSee, "all sources"},
    {"GET", "/v1/sources/{}", describe_source, kSee, "one source"},
    {"GET", "/v1/entities", list_entities, kSee, "all entities"},
    {"GET", "/v1/entities/{}", describe_entity, kSee, "one entity"},
    {"GET", "/v1/views", list_views, kSee, "all views"},
    {"GET", "/v1/views/{}", describe_view, kSee, "one view"},
    {"GET", "/v1/services", list_services, kSee, "all services"},
    {"GET", "/v1/services/{}", describe_service, kSee, "one service"},
    {"POST", "/v1/plan", plan_definitions, kChange, "what applying definitions would change; 422 with the refusals"},
    {"POST", "/v1/apply", apply_definitions, kChange, "apply definitions; 422 with the refusals, and nothing has changed"},
    {"POST", "/v1/training-sets", start_training_set, kChange, "build a training set as a job"},
    {"POST", "/v1/verifications", start_verification, kRead, "derive served answers again and compare them, as a job"},
    {"POST", "/v1/explanations", start_explanation, kRead, "why features of entities have the values they have, as a job"},
    {"GET", "/v1/jobs", list_jobs, kRead, "jobs, newest first"},
    {"GET", "/v1/jobs/{}", describe_job, kRead, "state and progress of a job; ?wait_ms= waits for a change", true},
    {"DELETE", "/v1/jobs/{}", cancel_job, kRead, "cancel a job"},
};

// The next segment of a path that begins with '/'; the path moves behind it.
std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string_view>& names) {
  names.clear();
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = next_segment(pattern), segment = next_segment(path);
    if (wanted == "{}" && !segment.empty()) names.push_back(segment);
    else if (wanted != segment) return false;
  }
  return pattern.empty() && path.empty();
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch match_route(std::string_view method, std::string_view path) {
  RouteMatch match;
  std::vector<std::string_view> names;
  for (const Route& route : kRoutes) {
    if (!matches(route.path, path, names)) continue;
    if (route.method != method) {
      match.allowed.append(match.allowed.empty() ? "" : ", ").append(route.method);
      continue;
    }
    match.route = &route;
    for (const std::string_view name : names) {
      const auto decoded = io::percent_decode(name);
      if (!decoded) match.bad_escape = true;
      match.names.push_back(decoded.value_or(std::string()));
    }
    return match;
  }
  return match;
}

}  // namespace ms::api
