#include "api/training_handlers.h"

#include <fmt/format.h>

#include <charconv>

#include "api/training_request.h"
#include "base/nearest.h"
#include "engine/timeline.h"

namespace ms::api {
namespace {

Result<std::shared_ptr<const catalog::ServiceEntry>> find_service(const catalog::Catalog& catalog, const std::string& name) {
  const auto snapshot = catalog.snapshot();
  if (auto service = snapshot->find_service(name)) return service;
  std::vector<std::string> names;
  for (const auto& service : snapshot->services) names.push_back(service->definition.name);
  return not_found(fmt::format("there is no service '{}'{}", name, did_you_mean(name, names)));
}

Result<Json> run(const ApiParts& parts, const history::TrainService& service, history::TrainRequest request,
                 const JobProgressSink& progress, std::stop_token stop) {
  std::unique_ptr<engine::TimelineReader> timeline;
  if (request.mode == history::TrainMode::kAsServed) {
    TRY(parts.engine->sync_timeline());
    TRY_ASSIGN(timeline, engine::TimelineReader::open(*parts.fs, parts.dir + "/timeline"));
  }
  const history::TrainInputs inputs{.fs = parts.fs, .clock = parts.clock, .log = parts.log, .timeline = timeline.get(), .data_dir = parts.dir};
  const auto sink = [&](const history::TrainProgress& p) {
    progress({std::string(p.phase), p.done, p.total, p.rows_per_second, p.seconds_left});
  };
  TRY_ASSIGN(const history::TrainReport report, history::train(service, request, inputs, sink, stop));
  return training_report(report);
}

Result<std::string> start(Context& context, const Call& call) {
  TRY_ASSIGN(const Json body, parse_object(call.body));
  std::string name;
  TRY_ASSIGN(history::TrainRequest request, training_request(body, name));
  TRY_ASSIGN(const auto entry, find_service(*context.parts.catalog, name));
  history::TrainService service = history::training_service(*entry);
  return context.jobs.start("training-set", [&parts = context.parts, service = std::move(service), request = std::move(request)](
                                                const JobProgressSink& progress, std::stop_token stop) {
    return run(parts, service, request, progress, stop);
  });
}

}  // namespace

void start_training_set(Context& context, const Call& call, io::HttpReply& reply) {
  answer_started(context.jobs, start(context, call), reply);
}

void list_jobs(Context& context, const Call&, io::HttpReply& reply) { answer_json(reply, context.jobs.list()); }

void describe_job(Context& context, const Call& call, io::HttpReply& reply) {
  int64_t wait_ms = 0;
  if (const auto text = io::query_value(call.query, "wait_ms")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), wait_ms);
    if (error != std::errc{} || end != text->data() + text->size()) return answer_error(reply, {ErrorKind::kInvalidArgument, "?wait_ms= must be an integer"});
  }
  const auto answer = [](const Result<Json>& job, io::HttpReply& into) { job ? answer_json(into, *job) : answer_error(into, job.error()); };
  if (wait_ms <= 0) return answer(context.jobs.describe(call.names[0]), reply);
  context.jobs.watch(call.names[0], wait_ms, [answer, pending = reply.defer()](Result<Json> job) mutable {
    io::HttpReply later;
    answer(job, later);
    pending.complete(std::move(later));
  });
}

void cancel_job(Context& context, const Call& call, io::HttpReply& reply) {
  if (const auto cancelled = context.jobs.cancel(call.names[0]); !cancelled) return answer_error(reply, cancelled.error());
  const auto job = context.jobs.describe(call.names[0]);
  if (job) answer_json(reply, *job, 202);
  else answer_error(reply, job.error());
}

}  // namespace ms::api
