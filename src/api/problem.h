// Errors on the wire: RFC 9457 problem documents with a stable `code`, and small JSON helpers for cold paths.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/http_server.h"

namespace ms::api {

using Json = nlohmann::ordered_json;

// Bytes that are not UTF-8 print as U+FFFD.
std::string to_text(const Json& json);

// The HTTP status of an error kind, and its code: "not_found", "invalid_argument", ...
int status_of(ErrorKind kind);
std::string_view code_of(ErrorKind kind);

void answer_json(io::HttpReply& reply, const Json& json, int status = 200);
void answer_problem(io::HttpReply& reply, int status, std::string_view code, std::string_view detail);
void answer_error(io::HttpReply& reply, const Error& error);

// A JSON object, or InvalidArgument saying where it breaks.
Result<Json> parse_object(std::string_view text);

// Typed members of a JSON object. Missing gives `otherwise`; another type is InvalidArgument naming the member.
Result<std::string> string_member(const Json& object, std::string_view name, std::string otherwise = {});
Result<int64_t> int_member(const Json& object, std::string_view name, int64_t otherwise);
Result<bool> bool_member(const Json& object, std::string_view name, bool otherwise);
// InvalidArgument, with the nearest name, when the object has a member that is not in `known`.
Result<> only_members(const Json& object, std::initializer_list<std::string_view> known);

}  // namespace ms::api
