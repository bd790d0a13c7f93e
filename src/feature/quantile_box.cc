#include "feature/quantile_box.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "feature/exact_sum.h"
#include "feature/moments.h"
#include "feature/value_words.h"

namespace ms::feature {
namespace {

constexpr uint64_t kExponent = uint64_t{0x7FF} << 52;

double number_of(const Type& type, const uint64_t* value) {
  if (type == TypeKind::kFloat64) return std::bit_cast<double>(*value);
  if (type == TypeKind::kInt64) return static_cast<double>(static_cast<int64_t>(*value));
  ExactSum exact;
  add_product(exact, type, value, 1, type, value, 0);
  return mean_of(exact, 1, type.scale).value;
}

// The power of two and the first `bits` bits behind it; negative numbers below, mirrored. Numbers below 2^-1022 are zero, and so is -0.
int64_t bucket_of(double x, int64_t bits) {
  auto magnitude = std::bit_cast<uint64_t>(x) & ~(uint64_t{1} << 63);
  if ((magnitude & kExponent) == 0) return 0;
  const auto index = static_cast<int64_t>(magnitude >> (52 - bits));
  return std::signbit(x) && !std::isnan(x) ? -index : index;
}

double middle_of(int64_t bucket, int64_t bits) {
  if (bucket == 0) return 0;
  const uint64_t low = static_cast<uint64_t>(std::abs(bucket)) << (52 - bits);
  if ((low & kExponent) == kExponent) return low == kExponent ? std::copysign(HUGE_VAL, static_cast<double>(bucket)) : std::bit_cast<double>(kQuietNan);
  return std::copysign(std::bit_cast<double>(low | uint64_t{1} << (51 - bits)), static_cast<double>(bucket));
}

}  // namespace

void QuantileBox::add(int64_t bucket, uint64_t count) {
  const auto at = std::ranges::lower_bound(buckets_, bucket, {}, [](const auto& b) { return b.first; });
  if (at != buckets_.end() && at->first == bucket) at->second += count;
  else buckets_.insert(at, {bucket, count});
}

void QuantileBox::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  bits_ = slot.extra->n;
  add(bucket_of(number_of(slot.type, layout.value(row, slot.argument)), slot.extra->n), 1);
}

void QuantileBox::merge(const Slot& slot, const Box& other) {
  bits_ = slot.extra->n;
  for (const auto& [bucket, count] : static_cast<const QuantileBox&>(other).buckets_) add(bucket, count);
}

void QuantileBox::save(const Slot&, ByteWriter& out) const {
  out.varint(buckets_.size());
  for (const auto& [bucket, count] : buckets_) out.zigzag(bucket), out.varint(count);
}

bool QuantileBox::load(const Slot& slot, const RowLayout&, ByteReader& in) {
  bits_ = slot.extra->n;
  const uint64_t count = in.varint();
  const auto most = static_cast<int64_t>((kExponent | uint64_t{1} << 51) >> (52 - slot.extra->n));
  if (count == 0 || count > in.remaining()) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t bucket = in.zigzag();
    const uint64_t values = in.varint();
    if (!in.ok() || values == 0 || bucket > most || bucket < -most || (i > 0 && bucket <= buckets_.back().first)) return false;
    buckets_.emplace_back(bucket, values);
  }
  return true;
}

double QuantileBox::quantile(double q) const {
  uint64_t n = 0;
  for (const auto& [bucket, count] : buckets_) n += count;
  // floor(q * (n - 1)) of the exact product
  int exponent = 0;
  const auto mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(q, &exponent), 53));
  const uint128 product = static_cast<uint128>(mantissa) * (n - 1);
  const int down = 53 - exponent;
  uint64_t rank = down >= 128 ? 0 : static_cast<uint64_t>(product >> down);
  for (const auto& [bucket, count] : buckets_) {
    if (rank < count) return middle_of(bucket, bits_);
    rank -= count;
  }
  return middle_of(buckets_.back().first, bits_);
}

}  // namespace ms::feature
