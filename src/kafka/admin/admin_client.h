// A blocking Kafka client for commands and tests: one request at a time over one connection, in the messages of the server.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "io/blocking_socket.h"
#include "io/endpoint.h"
#include "kafka/wire.h"

namespace ms::kafka {

struct AdminOptions {
  io::Endpoint server;
  int64_t timeout_ms = 30'000;  // of each call, from the question to the whole answer
  std::string client_id = "millstream";
  std::string user, password;  // to log in with SCRAM-SHA-256; an empty user: not at all
  std::shared_ptr<const io::ClientTls> tls;  // null: in the clear
};

// One thread at a time.
class AdminClient {
 public:
  // Connects and asks which versions the server speaks. Errors: kUnavailable and kTimeout, naming the address and what to do;
  // kCorruption: what listens there does not speak Kafka; kInvalidArgument: the login is refused.
  static Result<AdminClient> connect(AdminOptions options);

  // Asks in the newest version that both sides have, at most `version_max`. The answer's own error codes are the caller's
  // (admin_error.h). Errors: kUnsupported (no common version), kUnavailable, kTimeout, kCorruption. After one of the last three
  // the connection is closed, and the next call opens another; nothing is sent twice.
  template <class Response, class Request>
  Result<Response> call(Request& request, int16_t version_max = INT16_MAX) {
    TRY_ASSIGN(const int16_t version, version_of(Request::kApi, version_max));
    return ask<Response>(request, version);
  }
  bool speaks(int16_t api_key) const { return versions_.contains(api_key); }
  const io::Endpoint& server() const { return options_.server; }

 private:
  struct Versions {
    int16_t min = 0, max = 0;
  };
  explicit AdminClient(AdminOptions options) : options_(std::move(options)) {}

  template <class Response, class Request>
  Result<Response> ask(Request& request, int16_t version) {
    const ApiSpec& api = Request::kApi;
    Encoder body(version, api.is_flexible(version));
    request.code(body);
    if (!body.ok()) return fail(ErrorKind::kExhausted, "the request is too large: ask for fewer things at once");
    TRY_ASSIGN(const Slice answer, exchange(api, version, body.take_bytes()));
    Decoder in(answer, version, api.is_flexible(version));
    Response response;
    response.code(in);
    if (!in.ok() || !in.at_end()) return not_understood(api);
    return response;
  }

  Result<> open(int64_t deadline_us);
  Result<> negotiate();
  Result<> log_in();
  Result<int16_t> version_of(const ApiSpec& api, int16_t version_max) const;
  // The body of the answer.
  Result<Slice> exchange(const ApiSpec& api, int16_t version, const std::string& body);
  Result<std::string> round_trip(const std::string& frame, int64_t deadline_us);
  Result<Slice> body_of(const ApiSpec& api, int16_t version, const std::string& frame);
  std::string_view advice_without_answer(const ApiSpec& api) const;
  Unexpected not_understood(const ApiSpec& api);
  Error advised(const Error& error, std::string_view what, std::string_view advice) const;  // the advice of a server that is not there

  AdminOptions options_;
  io::BlockingSocket socket_;
  std::map<int16_t, Versions> versions_;  // by API key
  int32_t correlation_ = 0;
};

}  // namespace ms::kafka
