// Which JSON fields a source's decoder must produce.
#pragma once

#include <span>
#include <vector>

#include "codec/json_columns.h"
#include "feature/definition.h"

namespace ms::feature {

// The decoder's fields for `inputs` (a view's input_fields(), or the union of several), then the event time as the last one.
// Timestamps among the inputs are written in the unit of the source's event time.
std::vector<JsonField> decoder_fields(const SourceDefinition& source, std::span<const Field> inputs);

}  // namespace ms::feature
