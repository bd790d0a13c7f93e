// 128-bit integers by name.
#pragma once

namespace ms {

using int128 = __int128;
using uint128 = unsigned __int128;

}  // namespace ms
