// A size as people read it.
#pragma once

#include <cstdint>
#include <string>

namespace ms {

std::string human_bytes(int64_t bytes);  // "88 B", "1.2 MiB"

}  // namespace ms
