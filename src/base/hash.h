// xxHash. XXH3-64 is the one hash of formats and tables; its seeds are part of the formats that use it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ms {

uint64_t xxh3(std::string_view bytes, uint64_t seed);
// XXH64 with seed 0: the hash that expressions offer, since other systems have it too.
uint64_t xxh64(std::string_view bytes);

}  // namespace ms
