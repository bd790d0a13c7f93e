#include "online/derived.h"

#include <algorithm>

#include "feature/service_rows.h"

namespace ms::online {

void derive(Reply& reply) {
  const ReadPlan& plan = *reply.plan;
  if (!plan.program) return;
  const feature::ServiceProgram& program = *plan.program;
  thread_local feature::ServiceRows rows;
  const size_t results = program.results().size();
  reply.derived.clear(), reply.derived_arena.clear();
  for (size_t first = 0; first < reply.entities; first += kBatchRowsMax) {
    const size_t count = std::min(kBatchRowsMax, reply.entities - first);
    rows.begin(program, count);
    for (const uint32_t f : program.features_used()) {
      const OutputColumn& column = plan.columns[f];
      for (size_t i = 0; i < count; ++i)
        rows.set_feature(f, i, reply.rows[(first + i) * plan.views.size() + column.view].values[column.feature]);
    }
    for (const uint32_t f : program.request_used())
      for (size_t i = 0; i < count; ++i) rows.set_request(f, i, reply.request.of(first + i)[f]);
    rows.derive(reply.derived_arena);
    for (size_t i = 0; i < count; ++i)
      for (size_t d = 0; d < results; ++d) reply.derived.push_back(rows.value(d, i, reply.derived_arena));
  }
}

}  // namespace ms::online
