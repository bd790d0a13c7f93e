// How much state features keep for an entity: what `plan` shows, and what it refuses.
#pragma once

#include <cstdint>
#include <span>

#include "feature/feature_spec.h"

namespace ms::catalog {

struct StateEstimate {
  uint64_t busy_bytes = 0;  // of an entity with an event a minute
  uint64_t kept_rows_bytes = 0;  // of both: rows for exact edges, or to be taken back
  uint64_t most_bytes = 0;  // with caps, lists and sketches full in every tile, and a session after every gap
};
// Of the features of one view, which share tiles and accumulators. `retracts`: its source takes events back.
StateEstimate estimate_state(std::span<const feature::FeatureSpec> specs, bool retracts = false);

// A feature that may need more for one entity is refused: it would take a shard's memory with a few entities.
inline constexpr uint64_t kStateBytesMax = 64u << 20;

}  // namespace ms::catalog
