#include "base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace ms {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return "InvalidArgument";
    case ErrorKind::kNotFound: return "NotFound";
    case ErrorKind::kAlreadyExists: return "AlreadyExists";
    case ErrorKind::kConflict: return "Conflict";
    case ErrorKind::kFenced: return "Fenced";
    case ErrorKind::kUnavailable: return "Unavailable";
    case ErrorKind::kTimeout: return "Timeout";
    case ErrorKind::kExhausted: return "Exhausted";
    case ErrorKind::kCorruption: return "Corruption";
    case ErrorKind::kUnsupported: return "Unsupported";
    case ErrorKind::kCancelled: return "Cancelled";
    case ErrorKind::kInternal: return "Internal";
  }
  return "Internal";
}

Error Error::within(std::string_view context) const { return {kind, fmt::format("{}: {}", context, message)}; }

Unexpected fail_errno(std::string_view what, int error_number) {
  ErrorKind kind = ErrorKind::kInternal;
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EMFILE || error_number == ENFILE) kind = ErrorKind::kExhausted;
  if (error_number == ENOENT) kind = ErrorKind::kNotFound;
  if (error_number == EEXIST) kind = ErrorKind::kAlreadyExists;
  return fail(kind, fmt::format("{}: {}", what, std::strerror(error_number)));
}

}  // namespace ms
