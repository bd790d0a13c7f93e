// Where commands get a password from: never from the command line, which everybody on the machine can read.
#pragma once

#include <string>

#include "base/error.h"

namespace ms::server {

// The content of `file` up to the end of its first line, when a file is named; else of the variable MILLSTREAM_PASSWORD; else what
// the user types on the terminal without an echo (with `twice`, two times). Errors: InvalidArgument saying how to give one.
Result<std::string> read_password(const std::string& file, bool twice);

}  // namespace ms::server
