#include "server/api_client.h"

#include <fmt/format.h>

#include <optional>

#include "io/http_message.h"
#include "security/crypto.h"
#include "server/password.h"

namespace ms::server {
namespace {

// The error kind of a problem's code.
std::optional<ErrorKind> find_kind(const std::string& code) {
  for (int k = 0; k <= static_cast<int>(ErrorKind::kInternal); ++k) {
    const auto kind = static_cast<ErrorKind>(k);
    std::string name;  // "NotFound" -> "not_found"
    for (const char c : to_string(kind)) {
      if (c >= 'A' && c <= 'Z') name += name.empty() ? "" : "_", name += static_cast<char>(c + 32);
      else name += c;
    }
    if (name == code) return kind;
  }
  return std::nullopt;
}

ErrorKind kind_of(const std::string& code, int status) {
  if (status == 503) return ErrorKind::kUnavailable;
  if (const auto kind = find_kind(code)) return *kind;
  if (status == 404) return ErrorKind::kNotFound;
  return status >= 400 && status < 500 ? ErrorKind::kInvalidArgument : ErrorKind::kInternal;
}

Error to_error(const io::HttpAnswer& answer) {
  const Json json = Json::parse(answer.body, nullptr, false);
  if (!json.is_object() || !json.contains("detail") || !json["detail"].is_string())
    return {kind_of("", answer.status), fmt::format("the server answered {} {}", answer.status, io::http_reason(answer.status))};
  const std::string code = json.contains("code") && json["code"].is_string() ? json["code"].get<std::string>() : "";
  return {kind_of(code, answer.status), json["detail"].get<std::string>()};
}

}  // namespace

ErrorKind error_kind(const std::string& code) { return find_kind(code).value_or(ErrorKind::kInternal); }

std::string segment(std::string_view name) { return io::percent_encode(name); }

std::string dump(const Json& json, bool pretty) { return json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace); }

Result<kafka::AdminClient> connect_kafka(const Target& target, io::Endpoint server, int64_t timeout_ms) {
  kafka::AdminOptions options{.server = std::move(server), .timeout_ms = timeout_ms};
  options.user = target.user;
  if (!target.user.empty()) {
    TRY_ASSIGN(options.password, read_password({.file = target.password_file}));
  }
  const io::ClientTlsFiles& files = target.tls_files;
  if (target.tls || !files.ca.empty() || !files.certificate.empty() || !files.key.empty()) {
    TRY_ASSIGN(options.tls, io::ClientTls::load(files));
  }
  return kafka::AdminClient::connect(std::move(options));
}

Result<ApiClient> ApiClient::to(const Target& target) {
  TRY_ASSIGN(io::HttpClient http, io::HttpClient::to(target.url));
  ApiClient client(std::move(http), target.url);
  if (target.user.empty()) return client;
  TRY_ASSIGN(const std::string password, read_password({.file = target.password_file}));
  client.authorization_ = "Basic " + security::base64(target.user + ":" + password);
  return client;
}

Result<io::HttpAnswer> ApiClient::exchange(const io::HttpCall& call) {
  io::HttpCall authorized = call;
  authorized.authorization = authorization_;
  auto answer = http_.send(authorized);
  if (answer) return answer;
  const Error& error = answer.error();
  if (error.kind == ErrorKind::kUnavailable)
    return fail(error.kind, fmt::format("there is no server at {} ({}). Start one with 'millstream serve', or name it with --server or MILLSTREAM_SERVER", url_, error.message));
  return Unexpected(error.within(url_));
}

Result<std::string> ApiClient::get_text(const std::string& target) {
  TRY_ASSIGN(io::HttpAnswer answer, exchange({.method = "GET", .target = target}));
  if (answer.status / 100 != 2) return Unexpected(to_error(answer));
  return std::move(answer.body);
}

Result<Json> ApiClient::get(const std::string& target) {
  TRY_ASSIGN(const std::string text, get_text(target));
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return corruption(fmt::format("{} answered something that is not JSON", url_));
  return json;
}

Result<Json> ApiClient::send(std::string_view method, const std::string& target, const Json& body, int64_t timeout_ms) {
  int status = 0;
  return send_also(method, target, body, 200, status, timeout_ms);
}

Result<Json> ApiClient::send_written(std::string_view method, const std::string& target, std::string body, int64_t timeout_ms) {
  int status = 0;
  return send_any(method, target, std::move(body), 200, status, timeout_ms);
}

Result<std::string> ApiClient::send_text(std::string_view method, const std::string& target, std::string body, int64_t timeout_ms) {
  TRY_ASSIGN(io::HttpAnswer answer, exchange({.method = method, .target = target, .body = std::move(body), .timeout_ms = timeout_ms}));
  if (answer.status / 100 != 2) return Unexpected(to_error(answer));
  return std::move(answer.body);
}

Result<Json> ApiClient::send_also(std::string_view method, const std::string& target, const Json& body, int also, int& status, int64_t timeout_ms) {
  return send_any(method, target, body.is_null() ? std::string() : dump(body), also, status, timeout_ms);
}

Result<Json> ApiClient::send_any(std::string_view method, const std::string& target, std::string body, int also, int& status, int64_t timeout_ms) {
  TRY_ASSIGN(const io::HttpAnswer answer, exchange({.method = method, .target = target, .body = std::move(body), .timeout_ms = timeout_ms}));
  status = answer.status;
  if (answer.status / 100 != 2 && answer.status != also) return Unexpected(to_error(answer));
  Json json = Json::parse(answer.body, nullptr, false);
  if (json.is_discarded()) return corruption(fmt::format("{} answered something that is not JSON", url_));
  return json;
}

}  // namespace ms::server
