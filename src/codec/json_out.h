// Writes JSON into a string whose room is taken ahead, so that a value costs its characters.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/float_text.h"
#include "base/types.h"
#include "codec/decimal_text.h"

namespace ms {

// Appends to `out`, whose size is right after finish(). room() comes before whatever writes: the bytes asked for are there.
class JsonOut {
 public:
  static constexpr size_t kTimeChars = 29;  // "2026-01-02T03:04:05.000006Z" with its quotes
  static constexpr size_t kScalarMax = 48;  // of any value but a string, list, vector or map
  static constexpr size_t string_max(size_t size) { return 6 * size + 2; }

  explicit JsonOut(std::string& out) : out_(out), at_(out.size()) {}

  void room(size_t bytes) {
    if (out_.size() - at_ < bytes) out_.resize(at_ + bytes + out_.size() / 2);
  }
  void finish() {
    CHECK(at_ <= out_.size());
    out_.resize(at_);
  }

  void raw(std::string_view text) { std::memcpy(to(), text.data(), text.size()), at_ += text.size(); }
  void put(char c) { out_[at_++] = c; }
  void integer(int64_t v) { at_ += static_cast<size_t>(std::to_chars(to(), to() + 24, v).ptr - to()); }

  // NaN and infinities as strings.
  void number(double v) {
    char text[kFloatTextMax];
    const size_t size = write_float(v, text);
    const bool quoted = !std::isfinite(v);
    if (quoted) put('"');
    raw({text, size});
    if (quoted) put('"');
  }

  void decimal(int128 units, uint8_t scale) { at_ += write_decimal(units, scale, to()); }

  void string(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    put('"');
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        put('\\'), put(c);
      } else if (byte < 0x20) {
        raw("\\u00"), put(kHex[byte >> 4]), put(kHex[byte & 15]);
      } else {
        put(c);
      }
    }
    put('"');
  }

  // RFC 3339 with microseconds. The last time and its day are kept: times of one reply mostly share them.
  void time(int64_t us) {
    if (us != time_ || !has_time_) {
      format(us);
      time_ = us, has_time_ = true;
    }
    if (plain_) return raw({time_text_, kTimeChars});
    string(format_time(us));
  }

 private:
  static void two(char* to, int64_t v) {
    to[0] = static_cast<char>('0' + v / 10);
    to[1] = static_cast<char>('0' + v % 10);
  }
  char* to() { return out_.data() + at_; }

  // Years of four digits only; others take the long way.
  void format(int64_t us) {
    plain_ = us >= kYear0 && us < kYear10000;
    if (!plain_) return;
    int64_t day = us / kMicrosPerDay;
    if (us % kMicrosPerDay < 0) --day;
    if (day != day_) {
      day_ = day;
      format_time(day * kMicrosPerDay).copy(time_text_ + 1, 11);
    }
    const int64_t rest = us - day * kMicrosPerDay, micros = rest % kMicrosPerSecond;
    two(time_text_ + 12, rest / kMicrosPerHour), two(time_text_ + 15, rest / kMicrosPerMinute % 60);
    two(time_text_ + 18, rest / kMicrosPerSecond % 60);
    two(time_text_ + 21, micros / 10'000), two(time_text_ + 23, micros / 100 % 100), two(time_text_ + 25, micros % 100);
  }

  static constexpr int64_t kYear0 = -62'167'219'200 * kMicrosPerSecond, kYear10000 = 253'402'300'800 * kMicrosPerSecond;
  std::string& out_;
  size_t at_;
  int64_t time_ = 0, day_ = INT64_MIN;
  bool has_time_ = false, plain_ = false;
  char time_text_[kTimeChars + 1] = "\"0000-00-00T00:00:00.000000Z\"";
};

}  // namespace ms
