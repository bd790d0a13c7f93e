// ULIDs: 26 characters that sort by the millisecond they were made in. Names of jobs.
#pragma once

#include <cstdint>
#include <string>

namespace ms {

// 48 bits of time, 80 random bits from the operating system, in Crockford's base 32.
std::string make_ulid(int64_t wall_us);

}  // namespace ms
