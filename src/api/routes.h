// The table of routes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/context.h"

namespace ms::api {

// What a request needs. kTopic: the operation on the topic of the first {}; kNewTopic: CREATE on the cluster or on the topic that
// the body names; kChangedTopic: by what the body changes; kTopicList: the handler leaves out what may not be described.
enum class About : uint8_t { kNothing, kCluster, kTopic, kNewTopic, kChangedTopic, kTopicList };
struct Needs {
  About about = About::kNothing;
  security::Operation operation = security::Operation::kAny;
};
// On the cluster: values of features and why they are so. No Kafka request asks for it.
inline constexpr security::Operation kReadFeatures = security::Operation::kClusterAction;

struct Route {
  std::string_view method;
  std::string_view path;     // "{}" stands for one segment
  Handler handler;
  Needs needs;
  std::string_view summary;  // for the OpenAPI document
  bool quick = false;        // answered on the I/O thread
};
std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;     // null: none
  std::vector<std::string> names;   // decoded {} segments
  std::string allowed;              // methods of the path when only the method is wrong: "GET, POST"
  bool bad_escape = false;          // a %-escape in the path is broken
};
RouteMatch match_route(std::string_view method, std::string_view path);

}  // namespace ms::api
