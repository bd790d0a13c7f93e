#include "api/api.h"

#include <fmt/format.h>

#include "api/explanation.h"
#include "api/features_request.h"
#include "api/problem.h"
#include "api/routes.h"
#include "base/metrics.h"
#include "io/endpoint.h"

namespace ms::api {
namespace {

constexpr size_t kWorkers = 4;
constexpr size_t kWorkQueueMax = 256;

// "/v1/services/NAME/features" -> NAME, still encoded; empty for any other path.
std::string_view service_of(std::string_view path) {
  constexpr std::string_view kBefore = "/v1/services/", kAfter = "/features";
  if (!path.starts_with(kBefore) || !path.ends_with(kAfter) || path.size() <= kBefore.size() + kAfter.size()) return {};
  const std::string_view name = path.substr(kBefore.size(), path.size() - kBefore.size() - kAfter.size());
  return name.find('/') == std::string_view::npos ? name : std::string_view();
}

// A page of a foreign site may make a browser send requests to a server on the loopback. It can neither name JSON as the
// content type nor use PATCH or DELETE without asking first, which is never granted; and its requests carry its host's name.
bool is_json(std::string_view content_type) {
  return io::http_equal(content_type.substr(0, content_type.find(';')), "application/json");
}

bool names_address(std::string_view host) {
  if (host.empty()) return true;  // HTTP/1.0
  const std::string_view name = host.starts_with('[') ? host : host.substr(0, host.rfind(':'));
  return name == "localhost" || name.starts_with('[') || name.find_first_not_of("0123456789.") == std::string_view::npos;
}

// A request that outlives its connection's buffer; of its headers those that are looked at.
struct StoredRequest {
  explicit StoredRequest(const io::HttpRequest& from)
      : method(from.method), path(from.path), query(from.query), body(from.body), peer(from.peer), content_type(from.head->header("content-type")), accept(from.head->header("accept")) {
    head.headers[0] = {"content-type", content_type};
    head.headers[1] = {"accept", accept};
    head.header_count = 2;
    request = {.method = method, .path = path, .query = query, .body = body, .peer = peer, .head = &head};
  }
  const std::string method, path, query, body, peer, content_type, accept;
  io::HttpHead head;
  io::HttpRequest request;
};

struct ReadScratch {
  FeaturesRequest request;
  online::Reply reply;
};

}  // namespace

Api::Api(ApiParts parts)
    : context_{.parts = std::move(parts), .jobs = JobTable(*parts.clock), .started_us = parts.clock->wall_us()}, sessions_(context_.parts.authority), workers_(kWorkers, kWorkQueueMax) {}

Api::~Api() { stop(); }

void Api::stop() {
  context_.jobs.stop();
  workers_.stop();
}

void Api::handle(const io::HttpRequest& request, io::HttpReply& reply) {
  if (!names_address(request.head->header("host")))
    return answer_problem(reply, 403, "foreign_host", "use the server's address or localhost as the host of the URL");
  if (!sessions_.guards()) return answer(request, sessions_.everybody(), On::kConnection, reply);
  auto credentials = parse_basic(request.head->header("authorization"));
  if (!credentials) return answer(request, sessions_.open(request.peer), On::kConnection, reply);
  if (auto session = sessions_.find(*credentials, request.peer)) return answer(request, session, On::kConnection, reply);
  log_in(std::move(*credentials), request, reply);
}

// A password that was not seen before takes milliseconds: a worker checks it and then answers the request itself.
void Api::log_in(Credentials credentials, const io::HttpRequest& request, io::HttpReply& reply) {
  defer([this, credentials = std::move(credentials), stored = std::make_shared<StoredRequest>(request)](io::HttpReply& out) {
    const auto session = sessions_.check(credentials, stored->request.peer);
    if (!session) return answer_unauthorized(out);
    answer(stored->request, session, On::kWorker, out);
  }, reply);
}

void Api::answer(const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply) {
  const std::string_view service = service_of(request.path);
  if (service.empty()) return route(request, session, on, reply);
  if (request.method != "POST") {
    reply.headers.emplace_back("Allow", "POST");
    return answer_problem(reply, 405, "method_not_allowed", "features are read with POST");
  }
  if (session->guarded() && session->is_anonymous()) return answer_unauthorized(reply);
  if (permit(*session, kReadFeatures, security::cluster_resource(), "POST /v1/services/{}/features", reply)) read_features(service, request, session, on, reply);
}

void Api::read_features(std::string_view service, const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply) {
  static Metric& reads = counter("millstream_online_requests_total");
  static Metric& rows = counter("millstream_online_rows_total");
  static Metric& failures = counter("millstream_online_errors_total");
  thread_local ReadScratch scratch;
  const auto answer = [&]() -> Result<> {
    const auto decoded = service.find('%') == std::string_view::npos ? std::nullopt : io::percent_decode(service);
    bool as_strings = false;
    if (!request.query.empty()) {
      const auto numbers = io::query_value(request.query, "numbers").value_or("number");
      as_strings = numbers == "string";
      if (!as_strings && numbers != "number") return invalid(fmt::format("?numbers={} must be string or number", numbers));
    }
    TRY(scratch.request.parse(request.body));
    if (scratch.request.explain()) return explain(decoded ? *decoded : std::string(service), request, session, on, reply), Result<>{};
    TRY_ASSIGN(auto plan, context_.parts.online->plan(decoded ? std::string_view(*decoded) : service));
    const auto entities = scratch.request.entities();
    TRY(context_.parts.online->read(std::move(plan), entities, scratch.request.request(), scratch.reply));
    online::append_json(scratch.reply, as_strings, reply.body);
    context_.parts.samples->offer(scratch.reply, entities);
    rows.add(static_cast<int64_t>(entities.size()));
    return {};
  };
  reads.add();
  if (request.head->header("accept") == "application/vnd.apache.arrow.stream")
    return answer_problem(reply, 406, "not_acceptable", "features are answered as application/json; Arrow is not available in this version");
  if (const auto done = answer(); !done) {
    failures.add();
    answer_error(reply, done.error());
  }
}

// Reads the log: not on a connection's thread.
void Api::explain(std::string service, const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply) {
  if (!is_json(request.head->header("content-type")))
    return answer_problem(reply, 415, "unsupported_media_type", "send Content-Type: application/json");
  run(explain_features, {.names = {std::move(service)}, .query = std::string(request.query), .body = std::string(request.body), .session = session}, on, reply);
}

void Api::route(const io::HttpRequest& request, const SessionPtr& session, On on, io::HttpReply& reply) {
  RouteMatch match = match_route(request.method, request.path);
  const bool open = match.route && match.route->needs.about == About::kNothing;
  if (!open && session->guarded() && session->is_anonymous()) return answer_unauthorized(reply);
  if (!match.route && !match.allowed.empty()) {
    reply.headers.emplace_back("Allow", match.allowed);
    return answer_problem(reply, 405, "method_not_allowed", fmt::format("{} takes {}", request.path, match.allowed));
  }
  if (!match.route) return answer_problem(reply, 404, "no_such_path", fmt::format("nothing is at {}; /openapi.json lists what there is", request.path));
  if (match.bad_escape) return answer_problem(reply, 400, "invalid_argument", "a %-escape in the path is broken");
  if ((request.method == "POST" || request.method == "PATCH") && !is_json(request.head->header("content-type")))
    return answer_problem(reply, 415, "unsupported_media_type", "send Content-Type: application/json");
  Call call{.names = std::move(match.names), .query = std::string(request.query), .body = std::string(request.body), .session = session};
  if (!permit(*session, *match.route, call, reply)) return;
  if (match.route->quick) match.route->handler(context_, call, reply);
  else run(match.route->handler, std::move(call), on, reply);
}

void Api::run(Handler handler, Call call, On on, io::HttpReply& reply) {
  if (on == On::kWorker) return handler(context_, call, reply);
  defer([this, handler, call = std::move(call)](io::HttpReply& out) { handler(context_, call, out); }, reply);
}

void Api::defer(std::move_only_function<void(io::HttpReply&)> work, io::HttpReply& reply) {
  auto pending = std::make_shared<io::HttpPending>(reply.defer());
  const bool taken = workers_.submit([work = std::move(work), pending]() mutable {
    io::HttpReply answer;
    work(answer);
    pending->complete(std::move(answer));
  });
  if (taken) return;
  io::HttpReply busy;
  answer_problem(busy, 503, "busy", "too many requests wait already; try again");
  pending->complete(std::move(busy));
}

}  // namespace ms::api
