// What a decoder looks for: the wanted fields as a tree of member names, and what stood where in the record before.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json_columns.h"

namespace ms {

// One thread at a time.
class JsonShape {
 public:
  static constexpr int32_t kNobody = -1;     // a member that no field needs
  static constexpr size_t kReadable = 32;    // bytes behind a key's first that must be readable

  // A member name that some field's path goes through; the root has none.
  struct Member {
    std::string name;
    std::vector<uint32_t> fields;    // whose path ends here
    std::vector<uint32_t> children;  // members of the object that it holds
    // What stood at which place in the last record: the raw key with its closing quote, and the child it meant.
    struct Seen {
      uint32_t size = 0;
      int32_t child = kNobody;
      char raw[kReadable] = {};
    };
    std::vector<Seen> seen;
  };

  explicit JsonShape(std::vector<JsonField> fields);

  const std::vector<JsonField>& fields() const { return fields_; }
  const Member& member(uint32_t id) const { return members_[id]; }  // 0 is the root

  // Records of a stream mostly have their keys in one order: what stood at this place in the record before is tried first,
  // byte for byte with the closing quote. nullptr: something else stands at `raw`, which is behind the opening quote.
  const int32_t* seen(uint32_t member, size_t position, const char* raw) const {
    const Member& m = members_[member];
    if (position >= m.seen.size()) return nullptr;
    const Member::Seen& seen = m.seen[position];
    return seen.size != 0 && equal_prefix(raw, seen.raw, seen.size) ? &seen.child : nullptr;
  }
  int32_t child_named(uint32_t member, std::string_view name) const;  // or kNobody
  // The same; `raw`, where the name stands, is remembered for seen() unless it has escapes.
  int32_t find(uint32_t member, size_t position, const char* raw, std::string_view name);

 private:
  // Whether the first `size` <= kReadable bytes are equal. Reads kReadable bytes of both.
  static bool equal_prefix(const char* a, const char* b, size_t size) {
    const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
    const __m256i right = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
    const auto same = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(left, right)));
    const uint32_t wanted = size >= kReadable ? ~0u : (1u << size) - 1;
    return (same & wanted) == wanted;
  }
  void add_path(uint32_t field);
  uint32_t child(uint32_t of, std::string_view name);
  void remember(Member& m, size_t position, const char* raw, std::string_view name, int32_t child);

  std::vector<JsonField> fields_;
  std::vector<Member> members_;
};

}  // namespace ms
