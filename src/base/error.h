// Errors. A kind says what the caller can do; the message says what, where, which value, and what to do about it.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace ms {

enum class ErrorKind : unsigned char {
  kInvalidArgument,  // the request is wrong; sending it again is pointless
  kNotFound,
  kAlreadyExists,
  kConflict,     // the state of the thing forbids it now (also: another server holds the directory)
  kFenced,       // a newer owner or epoch exists
  kUnavailable,  // try again later
  kTimeout,
  kExhausted,    // a budget, a quota or the disk is full
  kCorruption,   // stored bytes are not what was written
  kUnsupported,  // a newer format or version
  kCancelled,
  kInternal,     // our bug or the operating system's refusal
};

std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;

  // The same error with `context` in front: "context: message".
  Error within(std::string_view context) const;
};

template <class T = void>
using Result = std::expected<T, Error>;

using Unexpected = std::unexpected<Error>;

inline Unexpected fail(ErrorKind kind, std::string message) { return Unexpected(Error{kind, std::move(message)}); }
inline Unexpected invalid(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }
inline Unexpected not_found(std::string message) { return fail(ErrorKind::kNotFound, std::move(message)); }
inline Unexpected corruption(std::string message) { return fail(ErrorKind::kCorruption, std::move(message)); }
inline Unexpected internal(std::string message) { return fail(ErrorKind::kInternal, std::move(message)); }

// An error from errno: "what: strerror". ENOSPC and EDQUOT become kExhausted, ENOENT kNotFound, EEXIST kAlreadyExists.
Unexpected fail_errno(std::string_view what, int error_number);

}  // namespace ms

// Returns the error of a Result expression, or goes on. TRY_ASSIGN also declares and binds the value.
#define MS_CONCAT_(a, b) a##b
#define MS_CONCAT(a, b) MS_CONCAT_(a, b)
#define TRY(expression)                                                         \
  do {                                                                          \
    if (auto ms_result_ = (expression); !ms_result_) [[unlikely]]               \
      return ::ms::Unexpected(std::move(ms_result_).error());                   \
  } while (false)
#define TRY_ASSIGN(declaration, expression)                                     \
  auto MS_CONCAT(ms_result_, __LINE__) = (expression);                          \
  if (!MS_CONCAT(ms_result_, __LINE__)) [[unlikely]]                            \
    return ::ms::Unexpected(std::move(MS_CONCAT(ms_result_, __LINE__)).error()); \
  declaration = std::move(*MS_CONCAT(ms_result_, __LINE__))
