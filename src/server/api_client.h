// What the commands use to talk to a server: JSON in and out, problems as errors.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/http_client.h"
#include "kafka/admin/admin_client.h"

namespace ms::server {

using Json = nlohmann::ordered_json;

// Which server a command talks to, and as whom.
struct Target {
  std::string url;
  std::string user;           // empty: nobody
  std::string password_file;  // empty: see read_password()
  bool tls = false;           // to the Kafka port; also when one of `tls_files` is named
  io::ClientTlsFiles tls_files;
};

// A Kafka client of the same user. Errors: those of connecting and of logging in, InvalidArgument (no password).
Result<kafka::AdminClient> connect_kafka(const Target& target, io::Endpoint server, int64_t timeout_ms = 30'000);

class ApiClient {
 public:
  // Errors: InvalidArgument (URL, no password for the user).
  static Result<ApiClient> to(const Target& target);

  // The body of a 2xx answer. Errors: that of the problem document, kUnavailable when there is no server.
  Result<Json> get(const std::string& target);
  Result<Json> send(std::string_view method, const std::string& target, const Json& body, int64_t timeout_ms = 60'000);
  // The same with a body that is JSON text already, whose numbers may have more digits than a float64.
  Result<Json> send_written(std::string_view method, const std::string& target, std::string body, int64_t timeout_ms = 60'000);
  // Also takes an answer of status `also` as good (a plan with refusals is 422 and a report all the same).
  Result<Json> send_also(std::string_view method, const std::string& target, const Json& body, int also, int& status, int64_t timeout_ms = 60'000);
  Result<std::string> get_text(const std::string& target);
  // The body as it came: its numbers may have more digits than a float64.
  Result<std::string> send_text(std::string_view method, const std::string& target, std::string body, int64_t timeout_ms = 60'000);

 private:
  explicit ApiClient(io::HttpClient http, std::string url) : http_(std::move(http)), url_(std::move(url)) {}
  Result<Json> send_any(std::string_view method, const std::string& target, std::string body, int also, int& status, int64_t timeout_ms);
  Result<io::HttpAnswer> exchange(const io::HttpCall& call);
  io::HttpClient http_;
  std::string url_;
  std::string authorization_;
};

// "not_found" -> kNotFound; kInternal for codes this program does not know.
ErrorKind error_kind(const std::string& code);
// A path segment of a URL.
std::string segment(std::string_view name);
// JSON text of a body; bytes that are not UTF-8 become U+FFFD.
std::string dump(const Json& json, bool pretty = false);

}  // namespace ms::server
