#include "feature/value_words.h"

#include <cstring>

#include "codec/packed_value.h"

namespace ms::feature {

void own_bytes(uint64_t* words, std::string_view text) {
  char* copy = nullptr;
  if (!text.empty()) {
    copy = new char[text.size()];
    std::memcpy(copy, text.data(), text.size());
  }
  delete[] std::bit_cast<char*>(words[0]);
  words[0] = std::bit_cast<uint64_t>(copy), words[1] = text.size();
}

void copy_value(const Type& type, uint64_t* to, const uint64_t* from) {
  if (is_bytes(type)) return own_bytes(to, bytes_at(from));
  std::copy_n(from, argument_words(type), to);
}

void free_value(const Type& type, const uint64_t* words) {
  if (is_bytes(type)) delete[] std::bit_cast<char*>(words[0]);
}

int compare_values(const Type& type, const uint64_t* a, const uint64_t* b) {
  const auto order = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  switch (type) {
    case TypeKind::kFloat64: return order(ordered_bits(*a), ordered_bits(*b));
    case TypeKind::kDecimal: return order(decimal_at(a), decimal_at(b));
    case TypeKind::kBool:
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: return order(static_cast<int64_t>(*a), static_cast<int64_t>(*b));
    default: return bytes_at(a).compare(bytes_at(b));
  }
}

void save_value(const Type& type, const uint64_t* words, ByteWriter& out) {
  if (is_bytes(type)) return out.sized(bytes_at(words));
  for (uint32_t i = 0; i < argument_words(type); ++i) out.u64(words[i]);
}

bool load_value(const Type& type, uint64_t* words, ByteReader& in) {
  if (is_bytes(type)) {
    const std::string_view text = in.sized();
    words[0] = std::bit_cast<uint64_t>(text.data()), words[1] = text.size();
    return in.ok() && (type == TypeKind::kString || valid_packed(type, text));
  }
  for (uint32_t i = 0; i < argument_words(type); ++i) words[i] = in.u64();
  return in.ok() && (type != TypeKind::kBool || *words <= 1);
}

}  // namespace ms::feature
