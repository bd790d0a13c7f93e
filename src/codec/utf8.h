// Is a text UTF-8? For texts that are kept and written again, where a wrong byte would come back much later.
#pragma once

#include <optional>
#include <string_view>

namespace ms {

// Where the first byte sequence stands that RFC 3629 does not allow (overlong, surrogate, beyond U+10FFFF, cut short).
std::optional<size_t> first_not_utf8(std::string_view text);

}  // namespace ms
