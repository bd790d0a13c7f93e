// Lists, vectors and maps as JSON: one form in replies and in texts for people.
#pragma once

#include <string>
#include <string_view>

#include "codec/column_batch.h"
#include "codec/json_out.h"

namespace ms {

// Room that append_nested() needs for packed bytes of this size.
constexpr size_t nested_text_max(size_t packed_bytes) { return 16 + 8 * packed_bytes; }
// `packed` (packed_value.h) as an array or an object; elements as the scalars of replies are. With `numbers_as_strings` decimals and
// integers beyond 2^53 are strings. Room must have been taken.
void append_nested(JsonOut& out, const Type& type, std::string_view packed, bool numbers_as_strings);
void append_int64(JsonOut& out, int64_t value, bool numbers_as_strings);
void append_decimal(JsonOut& out, int128 units, uint8_t scale, bool numbers_as_strings);

// The same as a text of its own, with plain numbers: [1.5,null], ["a"], {"name":1}.
std::string nested_text(const Type& type, std::string_view packed);

}  // namespace ms
