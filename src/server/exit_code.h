// Exit statuses of every command (docs/cli.md).
#pragma once

#include "base/error.h"

namespace ms::server {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kRefused = 2;      // bad usage, a definition that does not pass plan
inline constexpr int kUnavailable = 3;  // no server
inline constexpr int kDifferent = 4;    // verify found a difference
inline constexpr int kInterrupted = 128;  // plus the signal: 130 after Ctrl-C

inline int exit_code(const Error& error) {
  if (error.kind == ErrorKind::kInvalidArgument) return kRefused;
  return error.kind == ErrorKind::kUnavailable ? kUnavailable : kFailed;
}

}  // namespace ms::server
