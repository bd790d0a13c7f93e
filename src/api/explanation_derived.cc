#include "api/explanation_derived.h"

#include "api/explanation_json.h"
#include "feature/service_rows.h"

namespace ms::api {
namespace {

using feature::FeatureValue;

Json value_of(const FeatureValue* value, const Type& type) {
  if (value == nullptr) return {{"value", nullptr}, {"status", "GAP"}};
  Json json = answer_json(*value, type);
  json.erase("event_time");
  return json;
}

Json inputs_json(const ExplainedInputs& in, size_t i) {
  const feature::ServiceProgram& program = *in.plan->program;
  Json list = Json::array();
  const auto add = [&](const std::string& name, const FeatureValue* value, const Type& type) {
    Json json{{"name", name}};
    json.update(value_of(value, type));
    list.push_back(std::move(json));
  };
  for (const uint32_t f : program.inputs(i).features)
    add(program.features()[f].name, in.served[f] != nullptr ? in.served[f] : in.from_log[f], program.features()[f].type);
  for (const uint32_t f : program.inputs(i).request) add("request." + program.request()[f].name, &in.request[f], program.request()[f].type);
  return list;
}

}  // namespace

std::vector<Json> derived_json(const ExplainedInputs& in, const std::vector<std::string>& expressions, const std::vector<bool>& chosen,
                               bool& gap) {
  const feature::ServiceProgram& program = *in.plan->program;
  feature::ServiceRows rows;
  StringArena arena;
  rows.begin(program, 1);
  for (const uint32_t f : program.features_used()) in.from_log[f] == nullptr ? rows.set_unknown(f, 0) : rows.set_feature(f, 0, *in.from_log[f]);
  for (const uint32_t f : program.request_used()) rows.set_request(f, 0, in.request[f]);
  rows.derive(arena);
  std::vector<Json> out;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (!chosen[i]) continue;
    const feature::FeatureColumn& column = program.results()[i];
    const bool known = rows.known(i, 0);
    const FeatureValue again = rows.value(i, 0, arena);
    const FeatureValue* served = in.answers.empty() ? nullptr : &in.answers[i];
    Json json{{"name", column.name}, {"expression", expressions[i]}};
    json.update(value_of(served != nullptr ? served : known ? &again : nullptr, column.type));
    json["event_time"] = nullptr, json["age_ms"] = nullptr;
    json["inputs"] = inputs_json(in, i);
    const std::string reason = known ? rows.error_reason(i, 0) : std::string();
    json["reason"] = reason.empty() ? Json() : Json(reason);
    json["derived"] = known ? answer_json(again, column.type) : Json();
    json["proof"] = proof_of(!known, column, served, again);
    gap |= served == nullptr && !known;
    out.push_back(std::move(json));
  }
  return out;
}

}  // namespace ms::api
