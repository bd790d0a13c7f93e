#include "api/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "api/explanation_derived.h"
#include "api/explanation_json.h"
#include "api/features_request.h"
#include "base/nearest.h"
#include "engine/row_split.h"
#include "online/derived.h"

namespace ms::api {
namespace {

// Labels look ahead of t: nothing that is read now has them.
bool is_label(const catalog::Catalog& catalog, const std::string& service, std::string_view name) {
  const auto entry = catalog.snapshot()->find_service(service);
  if (!entry) return false;
  for (const auto& labels : entry->labels)
    if (std::ranges::find(labels->definition.features, name, &feature::FeatureDefinition::name) != labels->definition.features.end()) return true;
  return false;
}

// What is explained: all, or what is named.
struct Chosen {
  std::vector<bool> asked;    // by column of the plan: looked at
  std::vector<bool> columns;  // the same: shown
  std::vector<bool> derived;  // by derived feature; what they use is looked at
};

Unexpected no_such_feature(const catalog::Catalog& catalog, const online::ReadPlan& plan, std::string_view name) {
  if (is_label(catalog, plan.service, name))
    return invalid(fmt::format("'{}' is a label of service '{}': it looks ahead of its instant, so only training sets have it", name, plan.service));
  std::vector<std::string> known;
  for (const auto& column : plan.columns) known.push_back(column.name);
  if (plan.program)
    for (const auto& derived : plan.program->results()) known.push_back(derived.name);
  return not_found(fmt::format("service '{}' has no feature '{}'{}", plan.service, name, did_you_mean(name, known)));
}

Result<Chosen> choose(const catalog::Catalog& catalog, const online::ReadPlan& plan, std::span<const std::string_view> names) {
  const std::span<const feature::FeatureColumn> derived = plan.program ? std::span(plan.program->results()) : std::span<const feature::FeatureColumn>();
  Chosen chosen{.columns = std::vector<bool>(plan.columns.size(), names.empty()), .derived = std::vector<bool>(derived.size(), names.empty())};
  for (const std::string_view name : names) {
    const auto at = std::ranges::find(plan.columns, name, &online::OutputColumn::name);
    const auto result = std::ranges::find(derived, name, &feature::FeatureColumn::name);
    if (at != plan.columns.end()) chosen.columns[static_cast<size_t>(at - plan.columns.begin())] = true;
    else if (result != derived.end()) chosen.derived[static_cast<size_t>(result - derived.begin())] = true;
    else return no_such_feature(catalog, plan, name);
  }
  chosen.asked = chosen.columns;
  for (size_t i = 0; i < derived.size(); ++i)
    if (chosen.derived[i])
      for (const uint32_t f : plan.program->inputs(i).features) chosen.asked[f] = true;
  return chosen;
}

// One request on its way: what is asked, at which instant, what counted then.
class Explaining {
 public:
  Explaining(const ApiParts& parts, const FeaturesRequest& request)
      : parts_(parts), entities_(request.entities()), names_(request.features()), fields_(request.request()), at_(request.at()) {}

  Result<> prepare(std::string_view service) {
    if (entities_.empty() || entities_.size() > kExplainEntitiesMax)
      return invalid(fmt::format("an explanation is about 1 to {} entities, not {}", kExplainEntitiesMax, entities_.size()));
    TRY_ASSIGN(plan_, parts_.online->plan(service));
    TRY_ASSIGN(chosen_, choose(*parts_.catalog, *plan_, names_));
    TRY(online::read_request_fields(plan_->program.get(), plan_->service, fields_, entities_.size(), reply_.request));
    TRY(find_views());
    TRY(make_questions());
    TRY(at_.empty() ? read_now() : look_back());
    std::vector<replay::ExplainQuestion> asked;
    for (const Part& part : parts_asked_) asked.push_back(part.question);
    TRY_ASSIGN(explainer_, replay::Explainer::make(std::move(asked), as_of_, *parts_.log));
    return {};
  }
  uint64_t records() const { return explainer_->records(); }

  Result<Json> run(const JobProgressSink& sink, std::stop_token stop) {
    const uint64_t total = records();
    const int64_t began = parts_.clock->steady_us();
    const auto progress = [&](uint64_t done) {
      const double seconds = static_cast<double>(parts_.clock->steady_us() - began) / 1e6,
                   rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
      if (sink) sink({"reading events", done, total, rate, rate > 0 ? static_cast<double>(total - done) / rate : 0});
    };
    TRY_ASSIGN(const auto explained, explainer_->run(progress, std::move(stop)));
    return to_json(explained);
  }

 private:
  // One view of one entity.
  struct Part {
    size_t entity = 0, view = 0;
    replay::ExplainQuestion question;
    std::vector<std::string> names;  // of the question's features, in the service
    uint32_t shard = 0;
    uint64_t publish = 0;
    const feature::FeatureRow* row = nullptr;
    const engine::KeyReads* reads = nullptr;
  };

  Result<> find_views() {
    const auto snapshot = parts_.catalog->snapshot();
    if (const auto service = snapshot->find_service(plan_->service); service && service->version == plan_->version)
      for (const auto& [name, expression] : service->definition.derived) expressions_.push_back(expression);
    if (plan_->program && expressions_.size() != plan_->program->results().size())
      return fail(ErrorKind::kUnavailable, fmt::format("service '{}' version {} has just been replaced; ask again", plan_->service, plan_->version));
    for (const online::ReadPlanView& view : plan_->views) {
      auto entry = snapshot->find_view(view.name, view.version);
      if (!entry)
        return fail(ErrorKind::kUnavailable,
                    fmt::format("view '{}' version {} has just been replaced; ask again", view.name, view.version));
      views_.push_back(std::move(entry));
    }
    return {};
  }

  Result<> make_questions() {
    for (size_t e = 0; e < entities_.size(); ++e)
      for (size_t v = 0; v < plan_->views.size(); ++v) {
        std::string key;
        TRY(online::append_key(plan_->views[v], entities_[e], key));
        keys_.push_back(std::move(key));
        Part part{.entity = e, .view = v, .question = {.view = views_[v], .key = keys_.back()}};
        std::vector<std::pair<uint32_t, std::string>> features;
        for (size_t c = 0; c < plan_->columns.size(); ++c)
          if (chosen_.asked[c] && plan_->columns[c].view == v) features.emplace_back(plan_->columns[c].feature, plan_->columns[c].name);
        std::ranges::sort(features);
        for (auto& [feature, name] : features) part.question.features.push_back(feature), part.names.push_back(std::move(name));
        if (!features.empty()) parts_asked_.push_back(std::move(part));
      }
    return {};
  }

  Result<> read_now() {
    std::vector<engine::ReadKey> keys;
    for (size_t i = 0; i < keys_.size(); ++i) keys.push_back({.view = plan_->views[i % views_.size()].slot, .key = keys_[i]});
    reply_.rows.resize(keys.size());
    TRY_ASSIGN(auto result, parts_.engine->read(keys, reply_.rows, reads_));
    as_of_ = result.as_of;
    reply_.plan = plan_, reply_.as_of = as_of_, reply_.cut = std::move(result.cut), reply_.entities = entities_.size();
    online::derive(reply_);
    for (Part& part : parts_asked_) {
      const size_t i = part.entity * views_.size() + part.view;
      part.row = &reply_.rows[i], part.reads = &reads_[i];
      part.shard = reads_[i].shard, part.publish = reads_[i].publish;
      part.question.applied = reads_[i].applied;
    }
    return {};
  }

  // What had been applied at an instant of the past, from the apply timeline alone.
  Result<> look_back() {
    TRY_ASSIGN(const int64_t us, parse_time(at_));
    as_of_ = Instant{us};
    if (us > parts_.clock->wall_us())
      return invalid(fmt::format("\"at\": {} lies in the future; nobody has been served then", format_time(us)));
    TRY(parts_.engine->sync_timeline());
    TRY_ASSIGN(const auto timeline, engine::TimelineReader::open(*parts_.fs, parts_.dir + "/timeline"));
    for (const auto& view : views_) TRY(check_joined(*view, *timeline));
    for (const engine::TimelineGap& gap : timeline->gaps())
      if (as_of_ >= gap.begin && as_of_ < gap.end)
        return not_found(
            fmt::format("GAP: what had been applied at {} is not known: the server ended without a word between {} and {}; ask about an "
                        "instant before or after",
                        format_time(us), format_time(gap.begin.us), format_time(gap.end.us)));
    auto shards = timeline->shards_at(as_of_);
    if (!shards) return not_found(shards.error().message + ": no server of this directory was there yet, or its timeline is gone");
    for (Part& part : parts_asked_) {
      part.shard = engine::shard_of(feature::shard_hash(part.question.key), *shards);
      TRY_ASSIGN(const auto cut, timeline->cut_at(part.shard, as_of_));
      if (!cut)
        return fail(ErrorKind::kUnavailable, fmt::format("the apply timeline reaches to {} only; ask again about {}",
                                                         format_time(timeline->synced_until().us), format_time(us)));
      part.publish = cut->publish, part.question.applied = cut->applied;
    }
    return {};
  }

  Result<> check_joined(const catalog::ViewEntry& view, const engine::TimelineReader& timeline) const {
    const auto joined = timeline.joined_at(view.definition.name, view.version);
    const std::string name = fmt::format("view {}@{}", view.definition.name, view.version);
    if (!joined) return fail(ErrorKind::kUnavailable, name + " has not served yet");
    if (as_of_ < *joined)
      return not_found(
          fmt::format("{} serves only since {}; nobody was served by it at {}", name, format_time(joined->us), format_time(as_of_.us)));
    return {};
  }

  Json to_json(const std::vector<replay::ViewExplanation>& explained) const {
    Json json = base_json();
    Json explanations = Json::array();
    for (size_t e = 0; e < entities_.size(); ++e)
      explanations.push_back({{"entity", entity_json(entities_[e])}, {"views", Json::array()}, {"features", Json::array()}});
    std::vector<std::vector<Json>> by_column(entities_.size(), std::vector<Json>(plan_->columns.size()));
    bool gap = false;
    for (size_t i = 0; i < parts_asked_.size(); ++i) {
      const Part& part = parts_asked_[i];
      const ExplainedView view{&part.question, &explained[i], {part.row, part.reads}, part.shard, part.publish};
      explanations[part.entity]["views"].push_back(view_json(view));
      for (size_t f = 0; f < part.names.size(); ++f) {
        const auto column = static_cast<size_t>(std::ranges::find(plan_->columns, part.names[f], &online::OutputColumn::name) - plan_->columns.begin());
        if (!chosen_.columns[column]) continue;
        gap |= part.row == nullptr && explained[i].features[f].lost;
        by_column[part.entity][column] = feature_json(view, f, part.names[f], as_of_);
      }
    }
    for (size_t e = 0; e < entities_.size(); ++e) {
      for (Json& feature : by_column[e])
        if (!feature.is_null()) explanations[e]["features"].push_back(std::move(feature));
      if (!plan_->program) continue;
      for (Json& feature : derived_json(inputs_of(e, explained), expressions_, chosen_.derived, gap)) explanations[e]["features"].push_back(std::move(feature));
    }
    if (gap) json["service_statuses"].push_back("GAP");
    json["explanations"] = std::move(explanations);
    return json;
  }

  // What the derived features of one entity were computed from.
  ExplainedInputs inputs_of(size_t entity, const std::vector<replay::ViewExplanation>& explained) const {
    const size_t columns = plan_->columns.size(), results = plan_->program->results().size();
    ExplainedInputs inputs{.plan = plan_.get(),
                           .served = std::vector<const feature::FeatureValue*>(columns),
                           .from_log = std::vector<const feature::FeatureValue*>(columns),
                           .request = reply_.request.of(entity),
                           .answers = {}};
    if (at_.empty()) inputs.answers = std::span(reply_.derived).subspan(entity * results, results);
    for (size_t i = 0; i < parts_asked_.size(); ++i) {
      const Part& part = parts_asked_[i];
      if (part.entity != entity) continue;
      for (size_t c = 0; c < columns; ++c) {
        const online::OutputColumn& column = plan_->columns[c];
        const auto asked = std::ranges::find(part.question.features, column.feature);
        if (column.view != part.view || asked == part.question.features.end()) continue;
        const bool lost = explained[i].features[static_cast<size_t>(asked - part.question.features.begin())].lost;
        if (!lost) inputs.from_log[c] = &explained[i].derived.values[column.feature];
        if (part.row != nullptr) inputs.served[c] = &part.row->values[column.feature];
      }
    }
    return inputs;
  }

  // The reply that was served, or its head when none was.
  Json base_json() const {
    if (at_.empty()) {
      std::string text;
      online::append_json(reply_, true, text);
      Json json = Json::parse(text);
      json["mode"] = "live";
      return json;
    }
    Json features = Json::array();
    for (const auto& column : plan_->columns) features.push_back(column.name);
    if (plan_->program)
      for (const auto& derived : plan_->program->results()) features.push_back(derived.name);
    return {{"service", plan_->service},       {"version", plan_->version},         {"as_of", format_time(as_of_.us)},
            {"features", std::move(features)}, {"service_statuses", Json::array()}, {"mode", "as_served"}};
  }

  static Json entity_json(const online::EntityRow& entity) {
    Json json = Json::object();
    for (const auto& [name, value] : entity.fields) {
      Json& to = json[std::string(name)];
      if (const auto* text = std::get_if<std::string_view>(&value)) to = *text;
      else if (const auto* number = std::get_if<int64_t>(&value)) to = *number;
      else if (const auto* flag = std::get_if<bool>(&value)) to = *flag;
    }
    return json;
  }

  const ApiParts& parts_;
  const std::span<const online::EntityRow> entities_;
  const std::span<const std::string_view> names_;
  const std::string_view fields_, at_;
  std::shared_ptr<const online::ReadPlan> plan_;
  Chosen chosen_;
  std::vector<std::string> expressions_;                          // of the derived features
  std::vector<std::shared_ptr<const catalog::ViewEntry>> views_;  // as in the plan
  std::vector<std::string> keys_;                                 // by entity, then view
  std::vector<Part> parts_asked_;
  Instant as_of_;
  online::Reply reply_;
  std::vector<engine::KeyReads> reads_;
  std::unique_ptr<replay::Explainer> explainer_;
};

Result<std::string> start(Context& context, const Call& call) {
  // What is wrong with the request is said at once, not by the job.
  auto text = std::make_shared<const std::string>(call.body);
  auto request = std::make_shared<FeaturesRequest>();
  TRY(request->parse_explanation(*text));
  auto explaining = std::make_shared<Explaining>(context.parts, *request);
  TRY(explaining->prepare(request->service()));
  return context.jobs.start("explanation", [text, request, explaining](const JobProgressSink& sink, std::stop_token stop) {
    return explaining->run(sink, std::move(stop));
  });
}

}  // namespace

void explain_features(Context& context, const Call& call, io::HttpReply& reply) {
  FeaturesRequest request;
  std::optional<Explaining> explaining;
  const auto prepared = [&]() -> Result<> {
    TRY(request.parse(call.body));
    explaining.emplace(context.parts, request);
    return explaining->prepare(call.names[0]);
  }();
  if (!prepared) return answer_error(reply, prepared.error());
  if (explaining->records() > context.parts.explain_records_max)
    return answer_problem(
        reply, 422, "explanation_too_long",
        fmt::format("{} records of the log would have to be read, more than the {} of one request: name features of shorter windows "
                    "(\"features\": [...]), or let it run as a job (POST /v1/explanations, which `millstream get --explain` does)",
                    explaining->records(), context.parts.explain_records_max));
  const auto explained = explaining->run({}, {});
  if (explained) answer_json(reply, *explained);
  else answer_error(reply, explained.error());
}

void start_explanation(Context& context, const Call& call, io::HttpReply& reply) {
  answer_started(context.jobs, start(context, call), reply);
}

}  // namespace ms::api
