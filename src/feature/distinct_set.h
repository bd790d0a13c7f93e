// The distinct values of count_distinct: whole up to 15 bytes, longer ones as 15 bytes of SipHash-2-4-128.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/column_batch.h"

namespace ms::feature {

// 16 bytes: the value and its length in the last byte, or a hash and 255 there. Equal values have equal codes.
struct DistinctCode {
  uint64_t low = 0, high = 0;
  auto operator<=>(const DistinctCode&) const = default;
};
DistinctCode distinct_code(std::string_view value);
// `bits` as in a packed row. -0 and 0 are one value, and so are all NaN.
DistinctCode distinct_code(TypeKind type, uint64_t bits);
// 64 well-mixed bits of a code (SipHash-2-4).
uint64_t distinct_hash(const DistinctCode& code);

// Sorted; forgets its values once there are more than `cap` of them and only knows that.
class DistinctSet {
 public:
  void add(DistinctCode code, int64_t cap);
  void add(const DistinctSet& o, int64_t cap);
  bool over() const { return over_; }
  size_t size() const { return codes_.size(); }
  const std::vector<DistinctCode>& codes() const { return codes_; }
  size_t heap_bytes() const { return sizeof *this + codes_.capacity() * sizeof(DistinctCode); }

  void save(ByteWriter& out) const;
  bool load(ByteReader& in, int64_t cap);  // false: not a sorted set of at most cap codes

 private:
  void set_over();
  std::vector<DistinctCode> codes_;
  bool over_ = false;
};

}  // namespace ms::feature
