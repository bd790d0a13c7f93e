// Any bytes as JSON events, by three ways with equal outcome to the bit and nothing read outside: from a copy (simdjson's second
// stage), in place by the walk, and in place as a record like the one before. The input is two records around a NUL byte, or one that
// comes twice; the second is then decoded again and again with one byte changed.
#include <bit>
#include <cstdlib>

#include "codec/json_columns.h"
#include "codec/packed_value.h"

namespace {

using namespace ms;

std::unique_ptr<JsonDecoder> make() {
  return JsonDecoder::make({{.path = "i", .type = TypeKind::kInt64},
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
}

struct Decoded {
  ColumnBatch batch;
  std::string padded;
  std::optional<std::string> reason;
};

void decode(JsonDecoder& decoder, std::string_view text, bool in_place, Decoded& out) {
  out.batch.clear();
  out.padded.assign(text).append(64, '"');
  decoder.start(out.batch, 1);
  out.reason = decoder.decode(std::string_view(out.padded).substr(0, text.size()), in_place ? 64 : 0, out.batch, 0);
}

void check_equal(const Decoded& a, const Decoded& b) {
  if (a.reason != b.reason) std::abort();
  for (size_t c = 0; c < a.batch.columns.size(); ++c) {
    const Column &n = a.batch.columns[c], &f = b.batch.columns[c];
    if (n.valid(0) != f.valid(0) || n.ints != f.ints || n.bools != f.bools || n.strings != f.strings || n.decimals != f.decimals)
      std::abort();
    if (n.valid(0) && !is_scalar(n.type) && !valid_packed(n.type, n.strings[0])) std::abort();
    if (!n.floats.empty() && std::bit_cast<uint64_t>(n.floats[0]) != std::bit_cast<uint64_t>(f.floats[0])) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = text.find('\0');
  const std::string_view first = text.substr(0, cut);
  std::string second(cut == std::string_view::npos ? text : text.substr(cut + 1));
  static const auto kCareful = make(), kWalk = make();
  const auto guess = make();
  Decoded careful, walked, guessed;
  decode(*kCareful, first, false, careful), decode(*guess, first, true, guessed);
  check_equal(careful, guessed);
  constexpr std::string_view kChanges = "\"\\,:{}[]0 en-.\n\x80";
  for (size_t i = 0; i <= kChanges.size(); ++i) {
    if (i > 0 && !second.empty()) second[(size * 31 + i * 17) % second.size()] = kChanges[i - 1];
    decode(*kCareful, second, false, careful), decode(*kWalk, second, true, walked), decode(*guess, second, true, guessed);
    check_equal(careful, walked), check_equal(careful, guessed);
  }
  return 0;
}
