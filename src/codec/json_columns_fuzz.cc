// Any bytes as a JSON event: decoded from a copy (by simdjson's second stage) and in place (by the quick walk, mostly) with
// equal outcome to the bit, nothing read outside.
#include <bit>
#include <cstdlib>

#include "codec/json_columns.h"
#include "codec/packed_value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  static const auto kDecoder = JsonDecoder::make({{.path = "i", .type = TypeKind::kInt64},
                                                  {.path = "f", .type = TypeKind::kFloat64},
                                                  {.path = "s", .type = TypeKind::kString},
                                                  {.path = "b", .type = TypeKind::kBool},
                                                  {.path = "n.deep.x", .type = TypeKind::kInt64},
                                                  {.path = "n.y", .type = TypeKind::kString},
                                                  {.path = "r", .type = TypeKind::kTimestamp, .time = JsonTime::kRfc3339},
                                                  {.path = "d", .type = Type::decimal(12, 2)},
                                                  {.path = "l", .type = Type::list(TypeKind::kString)},
                                                  {.path = "ld", .type = Type::list(Type::decimal(38, 4))},
                                                  {.path = "v", .type = Type::vector(2)},
                                                  {.path = "m", .type = Type::map(TypeKind::kFloat64)},
                                                  {.path = "m.i", .type = TypeKind::kInt64},
                                                  {.path = "t", .type = TypeKind::kTimestamp, .required = true}});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ColumnBatch near, far;
  kDecoder->start(near, 1), kDecoder->start(far, 1);
  std::string padded(text);
  padded.append(64, '"');
  const auto a = kDecoder->decode(text, 0, near, 0);
  const auto b = kDecoder->decode(std::string_view(padded).substr(0, size), 64, far, 0);
  if (a != b) std::abort();
  for (size_t c = 0; c < near.columns.size(); ++c) {
    const Column &n = near.columns[c], &f = far.columns[c];
    if (n.valid(0) != f.valid(0) || n.ints != f.ints || n.bools != f.bools || n.strings != f.strings || n.decimals != f.decimals)
      std::abort();
    if (n.valid(0) && !is_scalar(n.type) && !valid_packed(n.type, n.strings[0])) std::abort();
    if (!n.floats.empty() && std::bit_cast<uint64_t>(n.floats[0]) != std::bit_cast<uint64_t>(f.floats[0])) std::abort();
  }
  return 0;
}
