// XXH3-64, the one hash of formats and tables. Seeds are part of the formats that use it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ms {

uint64_t xxh3(std::string_view bytes, uint64_t seed);

}  // namespace ms
