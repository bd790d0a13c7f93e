#include "feature/distinct_set.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace ms::feature {
namespace {

// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein), under the fixed key below.
constexpr uint64_t kKey0 = 0x6d696c6c73746f6eull, kKey1 = 0x64697374696e6374ull;

struct Sip {
  uint64_t a, b, c, d;
  void round() {
    a += b, b = std::rotl(b, 13), b ^= a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16), d ^= c;
    a += d, d = std::rotl(d, 21), d ^= a;
    c += b, b = std::rotl(b, 17), b ^= c, c = std::rotl(c, 32);
  }
  void word(uint64_t m) { d ^= m, round(), round(), a ^= m; }
  uint64_t finish() {
    for (int i = 0; i < 4; ++i) round();
    return a ^ b ^ c ^ d;
  }
};

DistinctCode siphash128(std::string_view text, uint64_t k0, uint64_t k1) {
  Sip s{k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull ^ 0xEE, k0 ^ 0x6c7967656e657261ull, k1 ^ 0x7465646279746573ull};
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) s.word(load_le<uint64_t>(text.data() + i));
  uint64_t last = static_cast<uint64_t>(text.size()) << 56;
  for (size_t j = 0; i + j < text.size(); ++j) last |= static_cast<uint64_t>(static_cast<uint8_t>(text[i + j])) << (8 * j);
  s.word(last);
  s.c ^= 0xEE;
  const uint64_t low = s.finish();
  s.b ^= 0xDD;
  return {low, s.finish()};
}

constexpr uint64_t kLowBytes = (uint64_t{1} << 56) - 1;

}  // namespace

DistinctCode distinct_code(std::string_view value) {
  if (value.size() > 15) {
    DistinctCode hash = siphash128(value, kKey0, kKey1);
    hash.high = (hash.high & kLowBytes) | uint64_t{255} << 56;
    return hash;
  }
  char bytes[16] = {};
  value.copy(bytes, value.size());
  bytes[15] = static_cast<char>(value.size());
  return {load_le<uint64_t>(bytes), load_le<uint64_t>(bytes + 8)};
}

uint64_t distinct_hash(const DistinctCode& code) {
  const uint64_t words[] = {code.low, code.high};
  return siphash128({reinterpret_cast<const char*>(words), sizeof words}, kKey0, kKey1).low;
}

DistinctCode distinct_code(TypeKind type, uint64_t bits) {
  if (type == TypeKind::kFloat64 && bits == uint64_t{1} << 63) bits = 0;
  return {bits, uint64_t{8} << 56};
}

void DistinctSet::set_over() {
  over_ = true;
  codes_ = {};
}

void DistinctSet::add(DistinctCode code, int64_t cap) {
  if (over_) return;
  const auto at = std::lower_bound(codes_.begin(), codes_.end(), code);
  if (at != codes_.end() && *at == code) return;
  codes_.insert(at, code);
  if (static_cast<int64_t>(codes_.size()) > cap) set_over();
}

void DistinctSet::add(const DistinctSet& o, int64_t cap) {
  if (over_) return;
  if (o.over_) return set_over();
  if (o.codes_.empty()) return;
  std::vector<DistinctCode> all;
  all.reserve(codes_.size() + o.codes_.size());
  std::set_union(codes_.begin(), codes_.end(), o.codes_.begin(), o.codes_.end(), std::back_inserter(all));
  codes_ = std::move(all);
  if (static_cast<int64_t>(codes_.size()) > cap) set_over();
}

void DistinctSet::save(ByteWriter& out) const {
  out.u8(over_ ? 1 : 0);
  if (over_) return;
  out.varint(codes_.size());
  for (const DistinctCode& c : codes_) out.u64(c.low), out.u64(c.high);
}

bool DistinctSet::load(ByteReader& in, int64_t cap) {
  codes_.clear();
  const uint8_t over = in.u8();
  if (over > 1) return false;
  over_ = over == 1;
  if (over_) return in.ok();
  const uint64_t count = in.varint();
  if (!in.ok() || count > in.remaining() / 16 || static_cast<int64_t>(count) > cap) return false;
  codes_.resize(count);
  for (DistinctCode& c : codes_) c.low = in.u64(), c.high = in.u64();
  return in.ok() && std::adjacent_find(codes_.begin(), codes_.end(), std::greater_equal<>()) == codes_.end();
}

}  // namespace ms::feature
