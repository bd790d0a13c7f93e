// How the fields of a source are written in its JSON events.
#pragma once

#include "codec/json_columns.h"
#include "feature/definition.h"

namespace ms::feature {

// Timestamps are written in the unit of the source's event time.
JsonField decoder_field(const SourceDefinition& source, const Field& field);
// The event time itself, which every event must have.
JsonField decoder_time(const SourceDefinition& source);

}  // namespace ms::feature
