// Little-endian files, field by field: a writer that appends and a reader that never runs past its end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms {

static_assert(std::endian::native == std::endian::little, "formats are little-endian and so are the machines we run on");

template <class T>
T load_le(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store_le(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

class ByteWriter {
 public:
  void u8(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u16(uint16_t v) { raw(v); }
  void u32(uint32_t v) { raw(v); }
  void u64(uint64_t v) { raw(v); }
  void i32(int32_t v) { raw(v); }
  void i64(int64_t v) { raw(v); }
  void f64(double v) { raw(std::bit_cast<uint64_t>(v)); }
  void varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) u8(static_cast<uint8_t>(v | 0x80));
    u8(static_cast<uint8_t>(v));
  }
  void zigzag(int64_t v) { varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63)); }
  void bytes(std::span<const uint8_t> b) { out_.append(reinterpret_cast<const char*>(b.data()), b.size()); }
  void bytes(std::string_view b) { out_.append(b); }
  // varint length, then the bytes
  void sized(std::string_view b) { varint(b.size()), bytes(b); }

  size_t size() const { return out_.size(); }
  const std::string& str() const { return out_; }
  std::string take() { return std::move(out_); }
  void clear() { out_.clear(); }  // keeps the capacity
  char* at(size_t position) { return out_.data() + position; }  // to patch a length or a CRC

 private:
  template <class T>
  void raw(T v) {
    out_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  std::string out_;
};

// Reads what ByteWriter wrote. After a read past the end (or a varint over 64 bits) every read gives 0 and ok() is
// false; check ok() before using what was read, and check counts against remaining() before reserving memory.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> in) : at_(in.data()), end_(in.data() + in.size()) {}
  explicit ByteReader(std::string_view in) : ByteReader(std::span(reinterpret_cast<const uint8_t*>(in.data()), in.size())) {}

  uint8_t u8() { return raw<uint8_t>(); }
  uint16_t u16() { return raw<uint16_t>(); }
  uint32_t u32() { return raw<uint32_t>(); }
  uint64_t u64() { return raw<uint64_t>(); }
  int32_t i32() { return raw<int32_t>(); }
  int64_t i64() { return raw<int64_t>(); }
  double f64() { return std::bit_cast<double>(raw<uint64_t>()); }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t b = u8();
      if (shift == 63 && b > 1) break;
      value |= static_cast<uint64_t>(b & 0x7F) << shift;
      if (b < 0x80) return ok_ ? value : 0;
    }
    ok_ = false;
    return 0;
  }
  int64_t zigzag() {
    const uint64_t v = varint();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  std::span<const uint8_t> bytes(size_t count) {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return {};
    }
    const std::span<const uint8_t> out(at_, count);
    at_ += count;
    return out;
  }
  std::string_view sized() {
    const uint64_t count = varint();
    const auto b = bytes(count);
    return {reinterpret_cast<const char*>(b.data()), b.size()};
  }

  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

 private:
  template <class T>
  T raw() {
    if (!ok_ || remaining() < sizeof(T)) {
      ok_ = false;
      return T{};
    }
    const T value = load_le<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

}  // namespace ms
