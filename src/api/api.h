// The HTTP API: routes, the hot read path, everything else on a few workers. docs/http.md is its page.
#pragma once

#include <memory>
#include <string>

#include "api/context.h"
#include "io/http_server.h"

namespace ms::api {

class Api final : public io::HttpHandler {
 public:
  explicit Api(ApiParts parts);
  ~Api() override;  // stops
  void handle(const io::HttpRequest& request, io::HttpReply& reply) override;
  // Cancels the jobs, ends the workers. After the HTTP server has stopped, before the parts go. Idempotent.
  void stop();

 private:
  using SessionPtr = std::shared_ptr<security::Session>;
  // Where the request is being answered: on its connection's thread, where long work is handed over, or on a worker.
  enum class On : uint8_t { kConnection, kWorker };
  void answer(const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply);
  void log_in(Credentials credentials, const io::HttpRequest& request, io::HttpReply& reply);
  void read_features(std::string_view service, const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply);
  void explain(std::string service, const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply);
  void route(const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply);
  void run(Handler handler, Call call, On on, io::HttpReply& reply);
  void defer(std::move_only_function<void(io::HttpReply&)> work, io::HttpReply& reply);

  Context context_;
  HttpSessions sessions_;
  WorkerPool workers_;
};

}  // namespace ms::api
