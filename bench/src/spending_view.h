// The view of B2a and B2b: aggregates of `amount` over some windows, per user.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <span>

#include "base/check.h"
#include "feature/view_program.h"

namespace ms::bench {

struct WindowOf {
  const char* name;
  int64_t length_us;
};

// Features in the order window by window; each window has the hop that its length gets by default.
inline std::shared_ptr<const feature::ViewProgram> spending_view(feature::SourceDefinition& source, std::span<const WindowOf> windows,
                                                                 std::span<const feature::AggregateKind> aggregates) {
  using namespace feature;
  source = {.name = "events", .topic = "events", .fields = {{"user", TypeKind::kInt64}, {"amount", TypeKind::kInt64}}, .time_field = "ts"};
  ViewDefinition view{.name = "spending", .entity = "user", .source = "events"};
  for (const WindowOf& w : windows) {
    const Window window{WindowKind::kSliding, w.length_us, ladder_hop(w.length_us)};
    for (const AggregateKind a : aggregates)
      view.features.push_back({.name = fmt::format("{}_{}", to_string(a), w.name), .aggregate = a, .of = a == AggregateKind::kCount ? "" : "amount", .window = window});
  }
  auto program = ViewProgram::compile(source, {.name = "user", .key = {"user"}}, view);
  CHECK(program);
  return *program;
}

}  // namespace ms::bench
