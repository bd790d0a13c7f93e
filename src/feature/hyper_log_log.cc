#include "feature/hyper_log_log.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "feature/totals.h"

namespace ms::feature {
namespace {

size_t few_max(int64_t precision) { return (size_t{1} << precision) / 8; }

double sigma(double x) {
  double y = 1, z = x, before = 0;
  do {
    x *= x, before = z, z += x * y, y += y;
  } while (z != before);
  return z;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x, before = 0;
  do {
    x = std::sqrt(x), before = z, y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

}  // namespace

template <class Visit>
void HyperLogLog::each(Visit&& visit) const {
  for (const uint32_t entry : few_) visit(entry >> 6, static_cast<uint8_t>(entry & 63));
  for (size_t i = 0; i < all_.size(); ++i) {
    if (all_[i] != 0) visit(static_cast<uint32_t>(i), all_[i]);
  }
}

void HyperLogLog::raise(int64_t precision, uint32_t index, uint8_t rank) {
  if (!all_.empty()) {
    all_[index] = std::max(all_[index], rank);
    return;
  }
  const auto at = std::lower_bound(few_.begin(), few_.end(), index << 6);
  if (at != few_.end() && *at >> 6 == index) {
    *at = std::max(*at, index << 6 | rank);
    return;
  }
  few_.insert(at, index << 6 | rank);
  if (few_.size() <= few_max(precision)) return;
  std::vector<uint8_t> all(size_t{1} << precision);
  for (const uint32_t entry : few_) all[entry >> 6] = static_cast<uint8_t>(entry & 63);
  all_ = std::move(all);
  few_ = {};
}

void HyperLogLog::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  const int64_t precision = slot.extra->n;
  const uint64_t hash = distinct_hash(distinct_code_at(slot.type, layout.value(row, slot.argument)));
  const auto rank = static_cast<uint8_t>(std::countl_zero(hash << precision | uint64_t{1} << (precision - 1)) + 1);
  raise(precision, static_cast<uint32_t>(hash >> (64 - precision)), rank);
}

void HyperLogLog::merge(const Slot& slot, const Box& other) {
  static_cast<const HyperLogLog&>(other).each([&](uint32_t index, uint8_t rank) { raise(slot.extra->n, index, rank); });
}

void HyperLogLog::save(const Slot&, ByteWriter& out) const {
  uint64_t count = 0, last = 0;
  each([&](uint32_t, uint8_t) { ++count; });
  out.varint(count);
  each([&](uint32_t index, uint8_t rank) {
    out.varint(index - last), out.u8(rank);
    last = index;
  });
}

bool HyperLogLog::load(const Slot& slot, const RowLayout&, ByteReader& in) {
  const int64_t precision = slot.extra->n;
  const uint64_t count = in.varint(), registers = uint64_t{1} << precision;
  if (count == 0 || count > registers) return false;
  uint64_t index = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t step = in.varint();
    if (step >= registers || (i > 0 && step == 0)) return false;
    index += step;
    const uint8_t rank = in.u8();
    if (!in.ok() || index >= registers || rank == 0 || rank > 65 - precision) return false;
    raise(precision, static_cast<uint32_t>(index), rank);
  }
  return true;
}

int64_t HyperLogLog::estimate(int64_t precision) const {
  const auto m = static_cast<double>(uint64_t{1} << precision);
  const auto q = static_cast<size_t>(64 - precision);
  std::array<double, 66> counts{};
  double zero = m;
  each([&](uint32_t, uint8_t rank) { counts[rank] += 1, zero -= 1; });
  if (zero == m) return 0;
  double z = m * tau(1 - counts[q + 1] / m);
  for (size_t k = q; k >= 1; --k) z = 0.5 * (z + counts[k]);
  if (zero > 0) z += m * sigma(zero / m);
  constexpr double kAlpha = 0.72134752044448170368;  // 1 / (2 ln 2)
  return std::llround(kAlpha * m * m / z);
}

}  // namespace ms::feature
