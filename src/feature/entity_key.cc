// The canonical bytes of an entity key (docs/formats/entity-key.md) and their hashes.
#include <bit>

#include "base/hash.h"
#include "feature/view_program.h"

namespace ms::feature {
namespace {

constexpr char kBoolTag = 1, kIntTag = 2, kStringTag = 3;

}  // namespace

void append_key_part(std::string& key, int64_t value) {
  const uint64_t bits = __builtin_bswap64(static_cast<uint64_t>(value) ^ (uint64_t{1} << 63));
  char bytes[9] = {kIntTag};
  std::memcpy(bytes + 1, &bits, 8);
  key.append(bytes, 9);
}

void append_key_part(std::string& key, std::string_view value) {
  key.push_back(kStringTag);
  for (size_t zero; (zero = value.find('\0')) != std::string_view::npos; value.remove_prefix(zero + 1)) {
    key.append(value.substr(0, zero + 1));
    key.push_back('\xFF');
  }
  key.append(value);
  key.append(2, '\0');
}

void append_key_part(std::string& key, bool value) {
  key.push_back(kBoolTag);
  key.push_back(value ? 1 : 0);
}

Result<std::vector<ScalarValue>> parse_key(std::string_view key) {
  std::vector<ScalarValue> out;
  while (!key.empty()) {
    const char tag = key[0];
    key.remove_prefix(1);
    if (tag == kBoolTag && !key.empty() && (key[0] == 0 || key[0] == 1)) {
      out.emplace_back(key[0] == 1);
      key.remove_prefix(1);
    } else if (tag == kIntTag && key.size() >= 8) {
      uint64_t bits;
      std::memcpy(&bits, key.data(), 8);
      out.emplace_back(static_cast<int64_t>(__builtin_bswap64(bits) ^ (uint64_t{1} << 63)));
      key.remove_prefix(8);
    } else if (tag == kStringTag) {
      std::string text;
      while (true) {
        const size_t zero = key.find('\0');
        if (zero == std::string_view::npos || zero + 1 >= key.size()) return corruption("an entity key ends inside a string");
        text.append(key.substr(0, zero));
        const char after = key[zero + 1];
        key.remove_prefix(zero + 2);
        if (after == '\0') break;
        if (after != '\xFF') return corruption("an entity key has a zero byte that is neither escaped nor an end");
        text.push_back('\0');
      }
      out.emplace_back(std::move(text));
    } else {
      return corruption("an entity key has an unknown tag or ends early");
    }
  }
  return out;
}

uint64_t shard_hash(std::string_view key) { return xxh3(key, kShardSeed); }
uint64_t table_hash(std::string_view key) { return xxh3(key, kTableSeed); }

}  // namespace ms::feature
