// CHECK is for our own bugs and is always on. It is never for input: input gets an Error.
#pragma once

namespace ms {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::ms::check_failed(#condition, __FILE__, __LINE__))
