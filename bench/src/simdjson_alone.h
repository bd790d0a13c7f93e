// The limit of B1 and B2b: simdjson on demand, one document per event, members asked for in their order, which is its best known
// form for this. Include it before any other header that includes simdjson.
#pragma once

#ifndef NDEBUG
#define NDEBUG
#endif
#include <simdjson.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "bench/src/events.h"

namespace ms::bench {

// fields(object, sum) reads what it wants of one event and gives the new sum. `lines`: the events one behind the other, with
// SIMDJSON_PADDING bytes behind them.
template <class Fields>
uint64_t simdjson_alone(const std::string& lines, uint64_t count, Fields&& fields) {
  namespace od = simdjson::ondemand;
  od::parser parser;
  uint64_t sum = 0;
  const char* at = lines.data();
  for (uint64_t i = 0; i < count; ++i, at += kEventBytes) {
    od::document document;
    od::object object;
    CHECK(!parser.iterate(at, kEventBytes, kEventBytes + simdjson::SIMDJSON_PADDING).get(document));
    CHECK(!document.get_object().get(object));
    sum = fields(object, sum);
  }
  return sum;
}

inline int64_t int64_of(simdjson::ondemand::object& object, std::string_view name) {
  int64_t value = 0;
  CHECK(!object.find_field(name).get_int64().get(value));
  return value;
}

inline std::string_view text_of(simdjson::ondemand::object& object, std::string_view name) {
  std::string_view value;
  CHECK(!object.find_field(name).get_string().get(value));
  return value;
}

}  // namespace ms::bench
