// Derived features of a service in an explanation: what they were computed from, and the same computed again from the log.
#pragma once

#include <optional>
#include <vector>

#include "api/problem.h"
#include "online/online.h"

namespace ms::api {

struct ExplainedInputs {
  const online::ReadPlan* plan = nullptr;
  // By column of the plan, whatever some derived feature that is asked for uses.
  std::vector<const feature::FeatureValue*> served;    // null: nothing was served
  std::vector<const feature::FeatureValue*> from_log;  // null: it is not known, or nobody asked
  std::span<const feature::FeatureValue> request;      // by field
  std::span<const feature::FeatureValue> answers;      // that were served, by derived feature; empty: none were
};

// {"name", "expression", "value", "status", "event_time", "age_ms", "inputs": [{"name", "value", "status"}], "reason", "derived", "proof"}
// of each derived feature that is `chosen`. `gap` is set when one of an instant of the past is not known.
std::vector<Json> derived_json(const ExplainedInputs& inputs, const std::vector<std::string>& expressions, const std::vector<bool>& chosen,
                               bool& gap);

}  // namespace ms::api
