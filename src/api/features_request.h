// The body of POST /v1/services/{service}/features, parsed without the heap in steady state.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/column_batch.h"
#include "online/online.h"

namespace ms::api {

inline constexpr size_t kEntitiesMax = 10'000;
inline constexpr size_t kKeyFieldsMax = 64;

// Reused by its thread from request to request.
class FeaturesRequest {
 public:
  // {"entities": [{"airport": "ORD"}, ...]}; also {"request": {}, "explain": false}. Views into `body` and into this
  // object. Errors: InvalidArgument saying where and what.
  Result<> parse(std::string_view body);
  std::span<const online::EntityRow> entities() const { return {rows_.data(), count_}; }

 private:
  std::vector<online::EntityRow> rows_;  // only the first count_ are of this request
  size_t count_ = 0;
  StringArena arena_;
};

}  // namespace ms::api
