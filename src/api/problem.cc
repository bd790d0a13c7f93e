#include "api/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/nearest.h"

namespace ms::api {

std::string to_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return 400;
    case ErrorKind::kNotFound: return 404;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
    case ErrorKind::kFenced:
    case ErrorKind::kCancelled: return 409;
    case ErrorKind::kUnavailable: return 503;
    case ErrorKind::kTimeout: return 504;
    case ErrorKind::kExhausted: return 507;
    case ErrorKind::kUnsupported: return 501;
    case ErrorKind::kCorruption:
    case ErrorKind::kInternal: return 500;
  }
  return 500;
}

std::string_view code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return "invalid_argument";
    case ErrorKind::kNotFound: return "not_found";
    case ErrorKind::kAlreadyExists: return "already_exists";
    case ErrorKind::kConflict: return "conflict";
    case ErrorKind::kFenced: return "fenced";
    case ErrorKind::kUnavailable: return "unavailable";
    case ErrorKind::kTimeout: return "timeout";
    case ErrorKind::kExhausted: return "exhausted";
    case ErrorKind::kCorruption: return "corruption";
    case ErrorKind::kUnsupported: return "unsupported";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kInternal: return "internal";
  }
  return "internal";
}

void answer_json(io::HttpReply& reply, const Json& json, int status) {
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = to_text(json);
}

void answer_problem(io::HttpReply& reply, int status, std::string_view code, std::string_view detail) {
  reply.status = status;
  reply.content_type = "application/problem+json";
  reply.body = to_text({{"type", "about:blank"}, {"title", io::http_reason(status)}, {"status", status}, {"code", code}, {"detail", detail}});
}

void answer_error(io::HttpReply& reply, const Error& error) {
  answer_problem(reply, status_of(error.kind), code_of(error.kind), error.message);
}

Result<Json> parse_object(std::string_view text) {
  try {
    Json json = Json::parse(text);
    if (!json.is_object()) return invalid("the request body must be a JSON object");
    return json;
  } catch (const Json::parse_error& e) {
    return invalid(fmt::format("the request body is not JSON: it breaks at byte {}", e.byte));
  }
}

Result<std::string> string_member(const Json& object, std::string_view name, std::string otherwise) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) return otherwise;
  if (!at->is_string()) return invalid(fmt::format("\"{}\" must be a string", name));
  return at->get<std::string>();
}

Result<int64_t> int_member(const Json& object, std::string_view name, int64_t otherwise) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) return otherwise;
  if (!at->is_number_integer()) return invalid(fmt::format("\"{}\" must be an integer", name));
  return at->get<int64_t>();
}

Result<bool> bool_member(const Json& object, std::string_view name, bool otherwise) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) return otherwise;
  if (!at->is_boolean()) return invalid(fmt::format("\"{}\" must be true or false", name));
  return at->get<bool>();
}

Result<> only_members(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(known, std::string_view(name)) != known.end()) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    return invalid(fmt::format("unknown member \"{}\"{}", name, did_you_mean(name, names)));
  }
  return {};
}

}  // namespace ms::api
