// The value that a feature shows instead of null, as its definition writes it and as answers have it.
#pragma once

#include <string>

#include "base/error.h"
#include "feature/definition.h"

namespace ms::feature {

// `written` and `json` (FeatureDefinition's default_value and default_json) as a value of type `wanted`: decimals are the 16 bytes of
// their units, lists, vectors and maps are packed (codec/packed_value.h), both as strings; a timestamp is its microseconds.
// InvalidArgument: it is no such value; the message goes on after "its default is ".
Result<ScalarValue> default_of(const Type& wanted, const ScalarValue& written, const std::string& json);

// What stands for it in a feature's identity.
std::string canonical_default(const Type& type, const ScalarValue& value);

}  // namespace ms::feature
