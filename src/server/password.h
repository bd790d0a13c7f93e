// Where commands get a password from: never from the command line, which everybody on the machine can read.
#pragma once

#include <string>

#include "base/error.h"

namespace ms::server {

// Looked at in this order.
struct PasswordSource {
  std::string file;                              // its first line; "-": that of stdin; empty: not a file
  const char* option = "--password-file";        // that names the file
  const char* variable = "MILLSTREAM_PASSWORD";  // of the environment
  const char* prompt = "Password";               // what is asked on the terminal, without an echo
  bool twice = false;                            // asked for two times
};

// Errors: InvalidArgument saying how to give one.
Result<std::string> read_password(const PasswordSource& source);

}  // namespace ms::server
