// `describe view` for people: the definition in short and what the view is doing.
#pragma once

#include <string>

#include "server/api_client.h"

namespace ms::server {

std::string view_text(const Json& view);

// A value of JSON as a cell: "-" for null, strings without quotes.
std::string value_text(const Json& value);
// The member's text; nothing when it is null.
std::string text_of(const Json& json, const char* member);

}  // namespace ms::server
