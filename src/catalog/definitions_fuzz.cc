// Any bytes as a definition file: read, planned, and what is accepted survives its document.
#include <cstdlib>

#include "catalog/catalog_document.h"
#include "catalog/definitions.h"
#include "catalog/planner.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  using namespace ms::catalog;
  if (size > 64 * 1024) return 0;
  const DefinitionFile file{"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)};
  const CatalogSnapshot empty;
  const TopicLookup topics = [](std::string_view) { return std::optional(TopicId{}); };
  const Planned planned = plan_definitions(empty, parse_definitions({&file, 1}), topics);
  if (planned.report.text().empty() || planned.report.json().empty()) std::abort();
  if (!planned.report.ok()) return 0;
  const std::string document = write_document(*planned.next);
  const auto again = read_document(document);
  if (!again || write_document(**again) != document) std::abort();
  return 0;
}
