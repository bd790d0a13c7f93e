#include "catalog/derived_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/sha256.h"
#include "feature/expr.h"

namespace ms::catalog {
namespace {

using namespace feature;

// SHA-256 over a canonical JSON text: the computation, and what the features are that it reads (docs/formats/catalog.md).
std::string derived_hash(const ServiceEntry& service, size_t i) {
  std::map<std::string, std::string> hashes;
  for (const uint32_t f : service.program->inputs(i).features) {
    const ServiceColumn& column = service.columns[f];
    hashes[column.name] = service.views[column.view]->feature_hashes[column.feature];
  }
  std::string inputs;
  for (const auto& [name, hash] : hashes) inputs += fmt::format("{}{}:\"{}\"", inputs.empty() ? "" : ",", canonical_string(name), hash);
  return sha256_hex(fmt::format(R"({{"derived":{},"features":{{{}}},"language":{}}})", service.program->canonical(i), inputs, kLanguageVersion));
}

}  // namespace

Result<> compile_derived(ServiceEntry& service, DefinitionPlace* place) {
  const ServiceDefinition& d = service.definition;
  if (d.request.empty() && d.derived.empty()) return {};
  std::vector<FeatureColumn> columns;
  for (const ServiceColumn& c : service.columns) columns.push_back({c.name, service.views[c.view]->program->features()[c.feature].type});
  TRY_ASSIGN(service.program, ServiceProgram::compile(columns, d.request, d.derived, place));
  for (size_t i = 0; i < d.derived.size(); ++i) service.derived_hashes.push_back(derived_hash(service, i));
  return {};
}

std::vector<std::string> unused_request_fields(const ServiceEntry& service) {
  std::vector<std::string> out;
  if (!service.program) return out;
  const auto& used = service.program->request_used();
  for (uint32_t i = 0; i < service.definition.request.size(); ++i)
    if (!std::ranges::binary_search(used, i)) out.push_back(service.definition.request[i].name);
  return out;
}

}  // namespace ms::catalog
