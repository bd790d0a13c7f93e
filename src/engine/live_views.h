// The view versions that the engine keeps state for: what the catalog has, as the engine needs it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feature/definition.h"
#include "feature/view_program.h"
#include "log/log.h"

namespace ms::catalog {
class Catalog;
}

namespace ms::engine {

struct LiveView {
  std::string name;
  uint32_t version = 0;
  std::string identity;  // the feature hashes, joined
  log::TopicInfo topic;
  feature::SourceDefinition source;
  std::shared_ptr<const feature::ViewProgram> program;
};

// All versions in the catalog's snapshot whose topic exists, in its order.
std::vector<LiveView> live_views(const catalog::Catalog& catalog, const log::Log& log);

}  // namespace ms::engine
