#include "api/openapi.h"

#include <algorithm>

#include "api/routes.h"

namespace ms::api {
namespace {

// "/v1/topics/{}/records" -> "/v1/topics/{name}/records"
std::string with_names(std::string_view path) {
  std::string out(path);
  if (const size_t at = out.find("{}"); at != std::string::npos) out.replace(at, 2, path.starts_with("/v1/jobs") ? "{id}" : "{name}");
  return out;
}

Json response(std::string_view description, std::string_view type, Json schema) {
  Json json{{"description", description}};
  json["content"][std::string(type)]["schema"] = std::move(schema);
  return json;
}

Json problem() { return response("what went wrong", "application/problem+json", {{"$ref", "#/components/schemas/Problem"}}); }

Json parameter(std::string_view name, std::string_view where, bool required) {
  return {{"name", name}, {"in", where}, {"required", required}, {"schema", {{"type", "string"}}}};
}

Json operation(std::string_view summary, std::string_view path) {
  Json json{{"summary", summary}};
  if (const size_t open = path.find('{'); open != std::string_view::npos) {
    const std::string_view name = path.substr(open + 1, path.find('}') - open - 1);
    json["parameters"] = Json::array({parameter(name, "path", true)});
  }
  const std::string_view type = path == "/metrics" ? "text/plain" : "application/json";
  json["responses"] = {{"2XX", response("done", type, {{"type", path == "/metrics" ? "string" : "object"}})}, {"default", problem()}};
  return json;
}

Json features_operation() {
  Json json = operation("the features of entities, all at one instant", "/v1/services/{service}/features");
  json["parameters"].push_back({{"name", "numbers"},
                                {"in", "query"},
                                {"required", false},
                                {"description", "string: integers beyond 2^53 travel as strings"},
                                {"schema", {{"type", "string"}, {"enum", {"string", "number"}}}}});
  json["requestBody"]["required"] = true;
  json["requestBody"]["content"]["application/json"]["schema"] = {{"$ref", "#/components/schemas/FeaturesRequest"}};
  json["responses"]["2XX"] = response("values with statuses, event times and ages", "application/json", {{"$ref", "#/components/schemas/FeaturesReply"}});
  return json;
}

Json schemas() {
  const Json text{{"type", "string"}}, integer{{"type", "integer"}};
  const auto list = [](const Json& items) { return Json{{"type", "array"}, {"items", items}}; };
  Json all;
  all["Problem"] = {{"type", "object"},
                    {"required", {"title", "status", "code", "detail"}},
                    {"properties", {{"type", text}, {"title", text}, {"status", integer}, {"code", text}, {"detail", text}}}};
  all["FeaturesRequest"] = {{"type", "object"},
                            {"required", {"entities"}},
                            {"properties",
                             {{"entities", list({{"type", "object"}})},
                              {"request",
                               {{"description", "the service's request fields: one object for all entities, or a list with one per entity"},
                                {"oneOf", Json::array({Json{{"type", "object"}}, list({{"type", "object"}})})}}},
                              {"explain", {{"type", "boolean"}}},
                              {"at", {{"type", "string"}, {"description", "with explain: an instant of the past"}}},
                              {"features", list(text)}}}};
  const Json row{{"type", "object"},
                 {"properties",
                  {{"found", {{"type", "boolean"}}},
                   {"values", list(Json::object())},
                   {"statuses", list(text)},
                   {"event_times", list({{"type", "string"}, {"nullable", true}})},
                   {"ages_ms", list({{"type", "integer"}, {"nullable", true}})}}}};
  const Json cut{{"type", "object"}, {"properties", {{"shard", integer}, {"publish", integer}}}};
  all["FeaturesReply"] = {{"type", "object"},
                          {"properties",
                           {{"service", text},
                            {"version", integer},
                            {"as_of", text},
                            {"features", list(text)},
                            {"rows", list(row)},
                            {"service_statuses", list(text)},
                            {"cut", list(cut)},
                            {"mode", text},
                            {"explanations", list({{"type", "object"}})}}}};
  return all;
}

}  // namespace

Json openapi_document(const std::string& version) {
  Json document{{"openapi", "3.0.3"}, {"info", {{"title", "Millstream"}, {"version", version}}}};
  for (const Route& route : routes()) {
    std::string method(route.method);
    std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    const std::string path = with_names(route.path);
    document["paths"][path][method] = operation(route.summary, path);
  }
  document["paths"]["/v1/services/{service}/features"]["post"] = features_operation();
  document["components"]["schemas"] = schemas();
  return document;
}

}  // namespace ms::api
