#include "base/ulid.h"

#include <string_view>

#include "base/rng.h"

namespace ms {

std::string make_ulid(int64_t wall_us) {
  constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const auto random = random_uuid().bytes;  // bytes 6 and 8 hold the version and variant: not used
  std::string out(26, '0');
  auto ms = static_cast<uint64_t>(wall_us / kMicrosPerMilli);
  for (size_t i = 10; i-- > 0; ms >>= 5) out[i] = kDigits[ms & 31];
  uint64_t bits = 0;
  unsigned count = 0;
  size_t at = 10;
  for (const size_t i : {0, 1, 2, 3, 4, 5, 7, 9, 10, 11}) {
    bits = bits << 8 | random[i];
    for (count += 8; count >= 5; count -= 5) out[at++] = kDigits[bits >> (count - 5) & 31];
  }
  return out;
}

}  // namespace ms
