// The table of routes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/context.h"

namespace ms::api {

struct Route {
  std::string_view method;
  std::string_view path;     // "{}" stands for one segment
  Handler handler;
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
