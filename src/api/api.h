// The HTTP API: routes, the hot read path, everything else on a few workers. docs/http.md is its page.
#pragma once

#include <memory>

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
  void read_features(std::string_view service, const io::HttpRequest& request, io::HttpReply& reply);
  void explain(std::string service, const io::HttpRequest& request, io::HttpReply& reply);
  void route(const io::HttpRequest& request, io::HttpReply& reply);
  void defer(Handler handler, Call call, io::HttpReply& reply);

  Context context_;
  WorkerPool workers_;
};

}  // namespace ms::api
