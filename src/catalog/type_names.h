// Types of fields as people write them.
#pragma once

#include <optional>
#include <string>

#include "codec/column_batch.h"

namespace ms::catalog {

// As parse_type(), and "double" for float64.
std::optional<Type> field_type(std::string text);
// Why field_type() takes nothing: "there is no type 'lst<string>'; did you mean 'list<string>'?"
std::string no_such_type(const std::string& text);

}  // namespace ms::catalog
