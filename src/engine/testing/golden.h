// For tests only: golden files (tests/golden/README.md), run in the modes of states and served answers. golden_parse.h reads them;
// history/golden_training_test.cc runs them as training sets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "feature/feature_spec.h"

namespace ms::engine::testing {

struct GoldenEvent {
  int64_t at = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  std::string json;
  auto position() const { return std::pair(partition, offset); }
};

struct GoldenAnswer {
  size_t line = 0;
  std::string feature;
  std::string value;                  // as the runner prints it
  std::string status;
  std::optional<int64_t> event_time;  // kNoEventTime: none
};

struct GoldenQuestion {
  size_t line = 0;
  std::string key;  // parts with commas between them
  int64_t t = 0;
  bool after_event = false;
  bool as_served = false;
  std::map<int32_t, int64_t> pin;     // partition -> first offset that is not known; others are known whole
  std::set<std::pair<int32_t, int64_t>> without;
  std::optional<std::pair<int32_t, int64_t>> self;  // exclude_self: the spine's own row, with et = t; after_event too
  std::string request;  // the fields of the request, as JSON; for cases with a service that takes some
  std::optional<bool> found;
  std::vector<GoldenAnswer> answers;
};

struct GoldenDeadLetter {
  size_t line = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  std::string reason;  // how it begins
};

struct GoldenCase {
  std::string name;
  size_t line = 0;
  std::string definitions;
  std::vector<GoldenEvent> events;  // in the order of their append times
  std::vector<GoldenDeadLetter> dead;
  std::vector<GoldenQuestion> questions;
};

enum class GoldenMode : uint8_t { kWhole, kRestart, kTwoShards, kEightShards, kShuffle, kBatches, kReplay };
inline constexpr GoldenMode kGoldenModes[] = {GoldenMode::kWhole,   GoldenMode::kRestart, GoldenMode::kTwoShards, GoldenMode::kEightShards,
                                              GoldenMode::kShuffle, GoldenMode::kBatches, GoldenMode::kReplay};
std::string_view to_string(GoldenMode mode);

// Features of a case's view and what each computes; no labels.
struct GoldenFeature {
  std::string name;
  feature::FeatureSpec spec;
};
Result<std::vector<GoldenFeature>> golden_features(const GoldenCase& golden);
// The labels of its services.
Result<std::vector<GoldenFeature>> golden_labels(const GoldenCase& golden);

struct GoldenFile {
  std::string name;
  std::vector<GoldenCase> cases;
};

// What differs from the file, and, in the other modes, from mode whole. Empty: nothing. Labels are not looked at: no state has them.
std::vector<std::string> run_golden(const GoldenCase& golden, GoldenMode mode);

}  // namespace ms::engine::testing
