// An explanation as JSON (docs/explain.md describes the members). Integers beyond 2^53 and decimals are strings: a document of doubles
// would change them.
#pragma once

#include <string>
#include <vector>

#include "api/problem.h"
#include "engine/engine.h"
#include "online/online.h"
#include "replay/explain.h"

namespace ms::api {

// What stands in for a value that was never served: for an instant of the past nobody knows but the log.
struct ServedAnswer {
  const feature::FeatureRow* row = nullptr;  // null: nothing was served, the derived value is the answer
  const engine::KeyReads* reads = nullptr;   // null with it
};

struct ExplainedView {
  const replay::ExplainQuestion* question = nullptr;
  const replay::ViewExplanation* explanation = nullptr;
  ServedAnswer served;
  uint32_t shard = 0;
  uint64_t publish = 0;
};

// {"value", "status", "event_time"}
Json answer_json(const feature::FeatureValue& value, const Type& type);
// "not_checkable" (`lost`), "derived" (nothing was served), "equal" (to the last bit), "differs".
std::string_view proof_of(bool lost, const feature::FeatureColumn& column, const feature::FeatureValue* served,
                          const feature::FeatureValue& derived);

// {"name", "version", "topic", "shard", "publish", "known", "seen", "read": [...], "records", "undecodable", "lost"}
Json view_json(const ExplainedView& view);
// {"name", "view", "aggregate", "of", "where", "value", "status", "event_time", "age_ms", "window", "tiles", "raw_rows", "events",
//  "nulls", "first", "last", "left_out", "derived", "proof"}; `i` counts the question's features.
Json feature_json(const ExplainedView& view, size_t i, const std::string& name, Instant as_of);

}  // namespace ms::api
