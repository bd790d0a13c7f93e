// A service of the catalog as a training set asks it.
#include <algorithm>

#include "catalog/catalog.h"
#include "history/train.h"

namespace ms::history {

size_t TrainService::features() const {
  return static_cast<size_t>(std::ranges::count_if(columns, [&](const TrainColumn& c) { return views[c.view].ahead_us == 0; }));
}

TrainService training_service(const catalog::ServiceEntry& service) {
  TrainService out{.name = service.definition.name, .version = service.version, .views = {}, .columns = {}, .program = service.program,
                   .derived = service.definition.derived, .derived_hashes = service.derived_hashes};
  for (const auto& view : service.views)
    out.views.push_back({.name = view->definition.name, .version = view->version, .source = view->source.definition,
                         .topic = view->source.topic, .program = view->program, .feature_hashes = view->feature_hashes});
  for (const auto& column : service.columns) out.columns.push_back({.name = column.name, .view = column.view, .feature = column.feature});
  for (const auto& labels : service.labels) {
    for (uint32_t f = 0; f < labels->definition.features.size(); ++f) {
      const int64_t ahead = labels->definition.features[f].ahead_us;
      auto at = std::ranges::find_if(out.views, [&](const TrainView& v) { return v.ahead_us == ahead && v.program == labels->program; });
      if (at == out.views.end())
        at = out.views.insert(at, {.name = labels->definition.name,
                                   .version = labels->version,
                                   .source = labels->source.definition,
                                   .topic = labels->source.topic,
                                   .program = labels->program,
                                   .feature_hashes = labels->feature_hashes,
                                   .ahead_us = ahead});
      out.columns.push_back(
          {.name = labels->definition.features[f].name, .view = static_cast<uint32_t>(at - out.views.begin()), .feature = f});
    }
  }
  return out;
}

}  // namespace ms::history
