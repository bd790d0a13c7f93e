// The body of POST /v1/services/{service}/features, parsed without the heap in steady state.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/column_batch.h"
#include "codec/json_reader.h"
#include "online/online.h"

namespace ms::api {

inline constexpr size_t kEntitiesMax = 10'000;
inline constexpr size_t kKeyFieldsMax = 64;
inline constexpr size_t kExplainedFeaturesMax = 1'000;

// Reused by its thread from request to request.
class FeaturesRequest {
 public:
  // {"entities": [{"airport": "ORD"}, ...]}; also {"request": {"amount": 1.5}, "explain": true, "at": "2026-01-01",
  // "features": ["name", ...]}, the last two only with "explain". Views into `body` and into this object. Errors: InvalidArgument
  // saying where and what.
  Result<> parse(std::string_view body);
  // The same as the body of an explanation, which has a "service" and explains without a word.
  Result<> parse_explanation(std::string_view body);
  std::span<const online::EntityRow> entities() const { return {rows_.data(), count_}; }
  std::string_view request() const { return request_; }  // JSON: an object or a list; empty: none. What is in it the service says
  std::string_view service() const { return service_; }  // of an explanation
  bool explain() const { return explain_; }
  std::string_view at() const { return at_; }                               // empty: now
  std::span<const std::string_view> features() const { return features_; }  // empty: all

 private:
  enum class Body : uint8_t { kRead, kExplanation };
  Result<> parse(std::string_view body, Body kind);
  Result<> read_members(JsonReader& in, Body kind);
  bool read_explain_member(JsonReader& in, std::string_view name);
  std::vector<online::EntityRow> rows_;  // only the first count_ are of this request
  size_t count_ = 0;
  bool explain_ = false;
  std::string_view request_, service_, at_;
  std::vector<std::string_view> features_;
  StringArena arena_;
};

}  // namespace ms::api
