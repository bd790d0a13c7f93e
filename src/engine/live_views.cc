#include "engine/live_views.h"

#include "base/logging.h"
#include "catalog/catalog.h"

namespace ms::engine {

std::vector<LiveView> live_views(const catalog::Catalog& catalog, const log::Log& log) {
  std::vector<LiveView> out;
  const auto snapshot = catalog.snapshot();
  for (const auto& view : snapshot->views) {
    const auto topic = log.find_topic(view->source.topic);
    if (!topic) {
      log_warn("view_without_topic", {{"view", view->definition.name}, {"version", view->version}, {"topic", view->source.definition.topic}});
      continue;
    }
    LiveView live{.name = view->definition.name, .version = view->version, .identity = {}, .topic = *topic,
                  .source = view->source.definition, .program = view->program};
    for (const std::string& hash : view->feature_hashes) live.identity += hash;
    out.push_back(std::move(live));
  }
  return out;
}

}  // namespace ms::engine
