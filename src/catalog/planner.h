// The decision behind plan and apply, without I/O: what is defined now + what files say -> what would be defined.
#pragma once

#include <memory>

#include "catalog/catalog.h"
#include "catalog/definitions.h"

namespace ms::catalog {

struct Planned {
  PlanReport report;
  std::shared_ptr<const CatalogSnapshot> next;  // as far as report.ok(); its revision is one higher iff something changes
};

// A source whose topic `topics` does not know is refused.
Planned plan_definitions(const CatalogSnapshot& now, const ParsedDefinitions& parsed, const TopicLookup& topics);

// The identity of feature `i`: SHA-256 over its canonical computation and its topic (docs/formats/catalog.md).
std::string feature_hash(const feature::ViewProgram& program, size_t i, TopicId topic);

// The columns of a service over `views` (newest versions). Errors: InvalidArgument; `line` receives the wrong line.
Result<> expand_service(ServiceEntry& service, const CatalogSnapshot& views, size_t& line);

}  // namespace ms::catalog
