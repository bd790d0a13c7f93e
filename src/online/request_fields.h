// The fields of a request as a service takes them: JSON in, values of the service's types out.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "feature/service_program.h"
#include "feature/value.h"

namespace ms::online {

// Reused by its thread: keeps its buffers.
struct RequestFields {
  std::vector<feature::FeatureValue> values;  // by entity, then field: a value, or null; texts in the arena or in the JSON
  size_t fields = 0;
  bool one_for_all = false;  // then `values` has those of one entity
  StringArena arena;

  std::span<const feature::FeatureValue> of(size_t entity) const { return std::span(values).subspan(one_for_all ? 0 : entity * fields, fields); }
};

// `json`: an object {"amount": 12.5, "currency": null}, which is for every entity, or a list with one per entity; empty: none was sent.
// Every field must be there. Numbers of decimals may be texts, so may the float64 "NaN", "Infinity" and "-Infinity"; timestamps are
// RFC 3339. `program` null: the service takes no fields. Errors: InvalidArgument says which field of which entity, and what to send.
Result<> read_request_fields(const feature::ServiceProgram* program, std::string_view service, std::string_view json, size_t entities,
                             RequestFields& out);

}  // namespace ms::online
