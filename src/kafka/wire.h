// Kafka's wire format: big-endian primitives, strings and arrays in both generations (fixed-width lengths; "flexible"
// varint lengths and tagged fields). A message's code(C&) walks its fields once for encoding and decoding alike.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/types.h"

namespace ms::kafka {

struct ApiSpec {
  int16_t key;
  int16_t min_version;
  int16_t max_version;
  int16_t flexible_from;  // -1: never
  std::string_view name;
  bool is_flexible(int16_t version) const { return flexible_from >= 0 && version >= flexible_from; }
};

// The `records` type: record batches one after the other. Decoded: null or one slice of the frame.
struct Records {
  bool null = false;
  std::vector<Slice> parts;
  size_t bytes() const {
    size_t sum = 0;
    for (const Slice& p : parts) sum += p.size();
    return sum;
  }
};

// What one request may make us reserve in decoded structs, whatever it claims.
inline constexpr size_t kDecodedBytesMax = 32u << 20;

// What one answer may hold in memory: a small request can name one large thing many times. Handlers whose answer is larger than
// what was asked take their room before they build; once it is gone they stop, and the reply closes the connection.
inline constexpr size_t kAnswerBytesMax = 64u << 20;
class AnswerRoom {
 public:
  bool take(size_t bytes) {
    over_ = over_ || bytes > left_;
    if (!over_) left_ -= bytes;
    return !over_;
  }
  bool over() const { return over_; }

 private:
  size_t left_ = kAnswerBytesMax;
  bool over_ = false;
};

// The beginning of `text`, at most `bytes_max` of it and no half of a UTF-8 character at its end.
std::string_view cut_text(std::string_view text, size_t bytes_max);

// A tagged field of a struct: `value` is sent unless it is `fallback`.
template <class T>
struct Tagged {
  template <class F>
  Tagged(uint32_t t, T& v, F f) : tag(t), value(v), fallback(std::move(f)) {}
  bool is_default() const {
    if constexpr (requires { value.empty(); }) return value.empty();
    else return value == fallback;
  }
  uint32_t tag;
  T& value;
  T fallback;
};
template <class T, class F>
Tagged(uint32_t, T&, F) -> Tagged<T>;

// Reads one message. After the first malformed byte every read gives nothing and ok() is false. Lengths and counts are
// checked against what is left, and arrays against kDecodedBytesMax, before memory is reserved.
class Decoder {
 public:
  Decoder(Slice bytes, int16_t version, bool flexible) : bytes_(std::move(bytes)), version_(version), flexible_(flexible) {}

  int16_t version() const { return version_; }
  bool ok() const { return ok_; }
  bool at_end() const { return position_ == bytes_.size(); }
  size_t remaining() const { return bytes_.size() - position_; }

  void value(bool& v) { v = number<uint8_t>() != 0; }
  void value(int8_t& v) { v = static_cast<int8_t>(number<uint8_t>()); }
  void value(int16_t& v) { v = static_cast<int16_t>(number<uint16_t>()); }
  void value(int32_t& v) { v = static_cast<int32_t>(number<uint32_t>()); }
  void value(int64_t& v) { v = static_cast<int64_t>(number<uint64_t>()); }
  void value(double& v) { v = std::bit_cast<double>(number<uint64_t>()); }
  void value(TopicId& v);
  void value(std::string& v);
  void value(Slice& v);
  void value(Records& v);
  void nullable(std::optional<std::string>& v, bool may_be_null);
  template <class T>
  void value(std::vector<T>& v) {
    const int64_t count = array_count();
    if (count < 0) return fail();
    elements(v, static_cast<size_t>(count));
  }
  template <class T>
    requires requires(T& v, Decoder& in) { v.code(in); }
  void value(T& v) {
    v.code(*this);
  }
  template <class T>
    requires requires(T& v, Decoder& in) { v.code(in); }
  void nullable(std::optional<T>& v, bool may_be_null) {
    const auto there = static_cast<int8_t>(number<uint8_t>());
    v.reset();
    if (there >= 0) return v.emplace().code(*this);
    if (!may_be_null) fail();
  }
  template <class T>
  void nullable(std::optional<std::vector<T>>& v, bool may_be_null) {
    const int64_t count = array_count();
    if (count < 0) {
      v.reset();
      if (!may_be_null) fail();
      return;
    }
    elements(v.emplace(), static_cast<size_t>(count));
  }
  template <class... T>
  void end_struct(Tagged<T>... known) {
    if (!flexible_) return;
    for (uint32_t left = tag_count(); left > 0 && ok_; --left) {
      const auto [tag, end] = begin_tag();
      if (!ok_ || !(read_tag(known, tag) || ...)) position_ = end;
      if (position_ != end) return fail();
    }
  }
  void skip_tags() { end_struct(); }
  // What was decoded: whether some of it refers to the bytes, and how much it takes without them.
  bool refers() const { return refers_; }
  size_t copied_bytes() const { return reserved_ + text_bytes_; }
  void fail() {
    ok_ = false;
    position_ = bytes_.size();
  }

 private:
  uint32_t tag_count();
  std::pair<uint32_t, size_t> begin_tag();  // which, and where it ends
  template <class T>
  bool read_tag(Tagged<T>& known, uint32_t tag) {
    if (known.tag != tag) return false;
    value(known.value);
    return true;
  }
  template <class U>
  U number() {
    if (remaining() < sizeof(U)) return fail(), U{};
    U v;
    std::memcpy(&v, bytes_.data() + position_, sizeof v);
    position_ += sizeof v;
    if constexpr (sizeof(U) == 1) return v;
    if constexpr (sizeof(U) == 2) return __builtin_bswap16(v);
    if constexpr (sizeof(U) == 4) return __builtin_bswap32(v);
    if constexpr (sizeof(U) == 8) return __builtin_bswap64(v);
  }
  template <class T>
  void elements(std::vector<T>& v, size_t count) {
    // Every element takes at least one byte on the wire.
    if (!ok_ || count > remaining() || count * sizeof(T) > kDecodedBytesMax - reserved_) return fail();
    reserved_ += count * sizeof(T);
    v.resize(count);
    for (T& element : v) {
      if (!ok_) return;
      value(element);
    }
  }
  uint32_t varint();
  int64_t string_length();  // -1: null
  int64_t bytes_length();   // -1: null
  int64_t array_count() { return bytes_length(); }
  std::optional<Slice> take(int64_t length);

  Slice bytes_;
  size_t position_ = 0;
  size_t reserved_ = 0;  // by arrays
  size_t text_bytes_ = 0;
  bool refers_ = false;
  int16_t version_;
  bool flexible_;
  bool ok_ = true;
};

// Writes one message as parts ready for a gathering write: small things are copied, large slices are referred to. A message
// beyond what the format can say (2 GiB) makes ok() false, and there is nothing to take.
class Encoder {
 public:
  Encoder(int16_t version, bool flexible) : version_(version), flexible_(flexible) {}

  int16_t version() const { return version_; }
  void value(bool v) { out_.push_back(v ? 1 : 0); }
  void value(int8_t v) { out_.push_back(static_cast<char>(v)); }
  void value(int16_t v) { number(__builtin_bswap16(static_cast<uint16_t>(v))); }
  void value(int32_t v) { number(__builtin_bswap32(static_cast<uint32_t>(v))); }
  void value(int64_t v) { number(__builtin_bswap64(static_cast<uint64_t>(v))); }
  void value(double v) { number(__builtin_bswap64(std::bit_cast<uint64_t>(v))); }
  void value(const TopicId& v) { out_.append(reinterpret_cast<const char*>(v.uuid.bytes.data()), v.uuid.bytes.size()); }
  // Texts carry what clients have sent (names within messages): longer than the format can say, they are cut.
  void value(const std::string& v) {
    const std::string_view text = cut_text(v, INT16_MAX);
    string_length(static_cast<int64_t>(text.size()));
    out_.append(text);
  }
  void value(const Slice& v) {
    bytes_length(static_cast<int64_t>(v.size()));
    append(v);
  }
  void value(const Records& v);
  void nullable(const std::optional<std::string>& v, bool may_be_null) {
    if (v) return value(*v);
    string_length(may_be_null ? -1 : 0);
  }
  template <class T>
  void value(std::vector<T>& v) {
    bytes_length(static_cast<int64_t>(v.size()));
    for (auto&& element : v) value(element);
  }
  template <class T>
    requires requires(T& v, Encoder& out) { v.code(out); }
  void value(T& v) {
    v.code(*this);
  }
  template <class T>
    requires requires(T& v, Encoder& out) { v.code(out); }
  void nullable(std::optional<T>& v, bool may_be_null) {
    value(static_cast<int8_t>(v || !may_be_null ? 1 : -1));
    if (v) v->code(*this);
    else if (!may_be_null) T().code(*this);
  }
  template <class T>
  void nullable(std::optional<std::vector<T>>& v, bool may_be_null) {
    if (v) return value(*v);
    bytes_length(may_be_null ? -1 : 0);
  }
  template <class... T>
  void end_struct(Tagged<T>... tagged) {
    if (!flexible_) return;
    varint((uint32_t{0} + ... + (tagged.is_default() ? 0u : 1u)));
    (put_tag(tagged), ...);
  }
  void no_tags() { out_.push_back(0); }

  bool ok() const { return ok_; }
  // All that was written, with its total size as a big-endian int32 in front; nothing when it is not ok().
  std::vector<Slice> take_frame();
  // The same as one piece and without the size.
  std::string take_bytes();

 private:
  template <class U>
  void number(U big_endian) {
    out_.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
  }
  template <class T>
  void put_tag(Tagged<T>& tagged) {
    if (tagged.is_default()) return;
    Encoder inner(version_, true);
    inner.value(tagged.value);
    const std::string bytes = inner.take_bytes();
    varint(tagged.tag), varint(static_cast<uint32_t>(bytes.size()));
    out_.append(bytes);
  }
  void varint(uint32_t v);
  void string_length(int64_t length);
  void bytes_length(int64_t length);
  void append(const Slice& bytes);
  void seal();

  std::string out_;
  std::vector<Slice> parts_;
  int16_t version_;
  bool flexible_;
  bool ok_ = true;
};

}  // namespace ms::kafka
