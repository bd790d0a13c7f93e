// An explanation (docs/explain.md) for people on a terminal.
#pragma once

#include <string>
#include <vector>

#include "server/api_client.h"

namespace ms::server {

// `names`: the entities as they were typed, in the order of the explanations.
std::string explanation_text(const Json& explanation, const std::vector<std::string>& names);
bool has_difference(const Json& explanation);  // a served value that the log does not give

}  // namespace ms::server
