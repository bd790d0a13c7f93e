#include "api/definitions_handlers.h"

#include <charconv>

#include "api/view_description.h"
#include "base/logging.h"
#include "log/topic_config.h"

namespace ms::api {
namespace {

constexpr size_t kFilesMax = 1'000;

void answer_text(io::HttpReply& reply, Result<std::string> json) {
  if (json) reply.body = std::move(*json);
  else answer_error(reply, json.error());
}

void list(Context& context, std::string_view kind, io::HttpReply& reply) { answer_text(reply, context.parts.catalog->list_json(kind)); }
void describe(Context& context, std::string_view kind, const Call& call, io::HttpReply& reply) {
  answer_text(reply, context.parts.catalog->describe_json(kind, call.names[0]));
}

Result<std::vector<catalog::DefinitionFile>> files_of(const Call& call) {
  TRY_ASSIGN(const Json body, parse_object(call.body));
  TRY(only_members(body, {"files"}));
  const auto list = body.find("files");
  if (list == body.end() || !list->is_array() || list->empty() || list->size() > kFilesMax)
    return invalid(R"("files" must be a list such as [{"name": "features.yaml", "text": "..."}])");
  std::vector<catalog::DefinitionFile> files;
  for (const Json& file : *list) {
    if (!file.is_object()) return invalid("each of \"files\" must be an object with \"name\" and \"text\"");
    TRY(only_members(file, {"name", "text"}));
    catalog::DefinitionFile& out = files.emplace_back();
    TRY_ASSIGN(out.name, string_member(file, "name", "definitions.yaml"));
    TRY_ASSIGN(out.text, string_member(file, "text"));
  }
  return files;
}

catalog::TopicLookup topics_of(const Context& context) {
  return [log = context.parts.log](std::string_view name) -> std::optional<catalog::KnownTopic> {
    const auto topic = log->find_topic(name);
    if (!topic) return std::nullopt;
    return catalog::KnownTopic(topic->id, log::topic_settings(topic->config).compacts);
  };
}

// What the topic keeps now, with Kafka's defaults where nothing was set.
void compare_with_retention(const Context& context, catalog::PlanReport& report) {
  catalog::warn_of_retention(report, [log = context.parts.log](std::string_view name) -> std::optional<catalog::TopicKeeps> {
    const auto topic = log->find_topic(name);
    if (!topic) return std::nullopt;
    const log::TopicConfig config = log->effective_config(*topic);
    const auto number = [&](const std::string& key) {
      int64_t value = -1;
      if (const auto at = config.find(key); at != config.end()) std::from_chars(at->second.data(), at->second.data() + at->second.size(), value);
      return value;
    };
    return catalog::TopicKeeps{number("retention.ms"), number("retention.bytes")};
  });
}

void answer_report(io::HttpReply& reply, const catalog::PlanReport& report) {
  reply.status = report.ok() ? 200 : 422;
  reply.body = report.json();
}

}  // namespace

void list_views(Context& context, const Call&, io::HttpReply& reply) { list(context, "views", reply); }
void list_services(Context& context, const Call&, io::HttpReply& reply) { list(context, "services", reply); }
void list_sources(Context& context, const Call&, io::HttpReply& reply) { list(context, "sources", reply); }
void list_entities(Context& context, const Call&, io::HttpReply& reply) { list(context, "entities", reply); }
void describe_view(Context& context, const Call& call, io::HttpReply& reply) {
  const auto described = view_description(context, call.names[0]);
  if (described) answer_json(reply, *described);
  else answer_error(reply, described.error());
}
void describe_service(Context& context, const Call& call, io::HttpReply& reply) { describe(context, "services", call, reply); }
void describe_source(Context& context, const Call& call, io::HttpReply& reply) { describe(context, "sources", call, reply); }
void describe_entity(Context& context, const Call& call, io::HttpReply& reply) { describe(context, "entities", call, reply); }

void plan_definitions(Context& context, const Call& call, io::HttpReply& reply) {
  const auto files = files_of(call);
  if (!files) return answer_error(reply, files.error());
  catalog::PlanReport report = context.parts.catalog->plan(*files, topics_of(context));
  compare_with_retention(context, report);
  answer_report(reply, report);
}

void apply_definitions(Context& context, const Call& call, io::HttpReply& reply) {
  const auto files = files_of(call);
  if (!files) return answer_error(reply, files.error());
  auto report = context.parts.catalog->apply(*files, topics_of(context));
  if (!report) return answer_error(reply, report.error());
  if (report->ok() && report->changes()) {
    log_info("definitions_applied", {{"items", report->items.size()}});
    // The definitions stand whatever happens here: views that are not ready yet go on catching up, and /readyz says so.
    if (const auto taken_up = context.parts.engine->refresh(context.parts.apply_wait_ms); !taken_up)
      log_warn("views_catching_up", {{"error", taken_up.error().message}});
  }
  compare_with_retention(context, *report);
  answer_report(reply, *report);
}

}  // namespace ms::api
