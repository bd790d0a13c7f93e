#pragma once

namespace ms::server {
inline constexpr const char* kVersion = "0.1.0";  // as in CMakeLists.txt
}
