// The exact sum of any float64 values, or of their squares: the same bits for every order, also after subtraction.
// Canonical form: lowest limb, count, trimmed two's complement limbs, and counts of NaN and infinities beside them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "feature/rounding.h"

namespace ms::feature {

// Up to four limbs (256 bits) lie in the object, more of them and the special counts on the heap. It may be moved with
// memcpy: nothing points into it. A sum of values has unit 2^-1074, a sum of squares 2^-2148, and so on: the caller knows which.
class ExactSum {
 public:
  static constexpr int kUnit = -1074;
  static constexpr size_t kLimbsMax = 140;  // 2^64 fourth powers of float64 or of decimals

  ExactSum() = default;
  ~ExactSum() { delete large(); }
  ExactSum(const ExactSum& o) { *this = o; }
  ExactSum& operator=(const ExactSum& o);
  ExactSum(ExactSum&& o) noexcept;
  ExactSum& operator=(ExactSum&& o) noexcept;

  void add(double x) { change(x, false); }
  void subtract(double x) { change(x, true); }
  void add_square(double x) { change_square(x, false); }
  void subtract_square(double x) { change_square(x, true); }
  // Adds magnitude * 2^bit units; limbs little-endian, at most kLimbsMax - 2 of them.
  void add_scaled(std::span<const uint64_t> magnitude, bool negative, size_t bit);
  void add_special(double x) { change_special(x, false); }  // NaN or an infinity
  void add_specials(const ExactSum& o);                     // those of another sum
  bool is_finite() const { return (nans() | plus_infinities() | minus_infinities()) == 0; }
  void add(const ExactSum& o) { change(o, false); }
  void subtract(const ExactSum& o) { change(o, true); }

  bool is_zero() const { return count_ == 0 && !is_large_; }
  uint64_t nans() const { return is_large_ ? large()->nans : 0; }
  uint64_t plus_infinities() const { return is_large_ ? large()->plus_infinities : 0; }
  uint64_t minus_infinities() const { return is_large_ ? large()->minus_infinities : 0; }
  size_t heap_bytes() const { return is_large_ ? sizeof(Large) : 0; }

  void save(ByteWriter& out) const;
  bool load(ByteReader& in);  // false: not a canonical form

  // The lowest limb that is not zero; 0 for zero.
  size_t low() const { return low_; }
  // |the finite part| from limb `from` on (from <= low(), or the sum is zero), so in units of 2^(64 from) of the sum's unit.
  struct Magnitude {
    std::array<uint64_t, kLimbsMax> limbs;
    size_t count = 0;
    bool negative = false;
    std::span<const uint64_t> span() const { return {limbs.data(), count}; }
  };
  Magnitude magnitude(size_t from = 0) const;

 private:
  struct Large {
    uint64_t nans = 0, plus_infinities = 0, minus_infinities = 0;
    std::array<uint64_t, kLimbsMax> limbs;
  };

  const uint64_t* limbs() const { return is_large_ ? large()->limbs.data() : inline_; }
  Large* large() const { return is_large_ ? std::bit_cast<Large*>(inline_[0]) : nullptr; }
  Large& make_large();
  void shrink();
  void change(double x, bool subtract);
  void change_square(double x, bool subtract);
  void change(const ExactSum& o, bool subtract);
  void change_special(double x, bool subtract);
  void change_specials(const ExactSum& o, bool subtract);
  // Adds or takes away the two's complement number `words` (its last bit is the sign) at limb `low`.
  void change_words(size_t low, std::span<const uint64_t> words, bool subtract);
  bool change_few(size_t low, std::span<const uint64_t> words, bool subtract);
  void store(size_t low, const uint64_t* words, size_t count);

  uint16_t low_ = 0;
  uint16_t count_ = 0;
  bool is_large_ = false;
  uint64_t inline_[4] = {0, 0, 0, 0};
};
static_assert(sizeof(ExactSum) == 40);

// Finalised results; `overflow` says that the finite exact result is beyond float64. NaN or both infinities give NaN,
// one kind of infinity gives it. An exact zero is +0.
struct Rounded {
  double value = 0;
  bool overflow = false;
};
Rounded sum_of(const ExactSum& sum);
Rounded average_of(const ExactSum& sum, uint64_t n);
Rounded stddev_of(uint64_t n, const ExactSum& sum, const ExactSum& squares);  // n >= 2

inline constexpr uint64_t kQuietNan = 0x7FF8000000000000ull;  // every NaN we give out

}  // namespace ms::feature
