// A view as it stands: its definition and what its newest version is doing now.
#pragma once

#include <span>
#include <string>

#include "api/context.h"
#include "api/problem.h"

namespace ms::api {

// The catalog's document of the view with "live" in it (docs/http.md); "live" is null while the engine does not keep it yet.
// Errors: NotFound, with the nearest name.
Result<Json> view_description(Context& context, const std::string& name);

// {"entities", "of", "without_events", "min", "p50", "p90", "p99", "max"}: ages in ms of those that still have an event, null when none
// has. `of`: how many entities there are; the times are those of some or of all of them.
Json ages_json(std::span<const int64_t> newest_event_times_us, size_t of, int64_t now_us);

}  // namespace ms::api
