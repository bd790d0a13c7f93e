// Error codes of answers as errors for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms::kafka {

// "NON_EMPTY_GROUP"; "error code 12345" for what this program does not know.
std::string error_name(int16_t code);

// What a code other than 0 means for `what` ("group 'a'"): "group 'a': NON_EMPTY_GROUP: it has members; stop them first".
// The server's own words, if it sent some, take the place of ours. The kind is the one whose exit status fits.
Error to_error(int16_t code, std::string_view what, const std::optional<std::string>& message = {});
// Nothing for 0.
Result<> check(int16_t code, std::string_view what, const std::optional<std::string>& message = {});

}  // namespace ms::kafka
