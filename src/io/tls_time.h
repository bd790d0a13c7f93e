// Times in certificates.
#pragma once

#include <openssl/asn1.h>

#include <cstdint>
#include <ctime>

#include "base/types.h"

namespace ms::io {

// Microseconds since 1970; 0 (long over) for a time that is none.
inline int64_t to_wall_us(const ASN1_TIME* time) {
  std::tm parts{};
  if (!time || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<int64_t>(::timegm(&parts)) * kMicrosPerSecond;
}

}  // namespace ms::io
