// What was refused, in the server's log: for each principal or address so many lines a minute, and how many were left out.
// Whoever asks without end for what it may not have fills no disk with it; the audit file has each one.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/logging.h"

namespace ms::security {

// `who` is known to us, an address or a principal: names that strangers make up would have an allowance each. Thread-safe.
void warn_access_denied(std::string_view who, std::initializer_list<LogField> fields);
void warn_login_refused(std::string_view who, std::initializer_list<LogField> fields);

}  // namespace ms::security
