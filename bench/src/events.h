// The events of the benchmarks: JSON objects of exactly 155 bytes with 8 fields, the same ones on every machine.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace ms::bench {

inline constexpr size_t kEventBytes = 155;

// A full-period counter hash: the n-th number of stream `seed`, without state in between.
inline uint64_t scramble(uint64_t seed, uint64_t n) {
  uint64_t x = (n + 1) * 0xD1B54A32D192ED03ull + seed * 0x9E3779B97F4A7C15ull;
  x = (x ^ x >> 32) * 0xE9846AF9B1A615Dull;
  x = (x ^ x >> 32) * 0xE9846AF9B1A615Dull;
  return x ^ x >> 28;
}
inline uint64_t below(uint64_t random, uint64_t bound) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(random) * bound >> 64);
}
inline double unit(uint64_t random) { return static_cast<double>(random >> 11) * 0x1.0p-53; }

// Ranks 0.. with probability proportional to 1 / (rank + 1). Only additions and divisions, so the same everywhere.
class Zipf {
 public:
  explicit Zipf(uint64_t ranks) : up_to_(ranks) {
    double sum = 0;
    for (uint64_t r = 0; r < ranks; ++r) up_to_[r] = sum += 1.0 / static_cast<double>(r + 1);
  }
  uint64_t rank(uint64_t random) const {
    const double wanted = unit(random) * up_to_.back();
    return static_cast<uint64_t>(std::upper_bound(up_to_.begin(), up_to_.end(), wanted) - up_to_.begin());
  }

 private:
  std::vector<double> up_to_;
};

struct Event {
  uint64_t number = 0;
  int64_t user = 0;
  int64_t ts_ms = 0;
  int64_t amount = 0;  // cents
};

struct EventOptions {
  uint64_t users = 1'000'000;
  int64_t start_ms = 1'767'225'600'000;  // 2026-01-01T00:00:00Z
  int64_t span_ms = 0;                   // from the first event to the last
  uint64_t events = 0;
  uint64_t late_percent = 5;             // arrive up to 5 s late
  bool uniform = false;                  // users in turn, so that every one is there; else Zipf(1.0)
  uint64_t seed = 1;
};

class EventSource {
 public:
  explicit EventSource(EventOptions options) : options_(options), zipf_(options.uniform ? 1 : options.users) {}

  Event event(uint64_t i) const {
    const EventOptions& o = options_;
    const uint64_t a = scramble(o.seed, 3 * i), b = scramble(o.seed, 3 * i + 1), c = scramble(o.seed, 3 * i + 2);
    const uint64_t rank = o.uniform ? i % o.users : zipf_.rank(a);
    const auto due = static_cast<int64_t>(static_cast<unsigned __int128>(o.span_ms) * i / std::max<uint64_t>(1, o.events));
    const int64_t late = b % 100 < o.late_percent ? static_cast<int64_t>(below(b * 0x2545F4914F6CDD1Dull, 5000)) : 0;
    const double u = unit(c);
    // Ranks are spread over the users by a multiplication that is a bijection modulo powers of ten.
    return {i, static_cast<int64_t>((rank * 387'420'489ull + 4711) % o.users), o.start_ms + due - late, 1 + static_cast<int64_t>(u * u * u * 200'000)};
  }

  // Appends exactly kEventBytes.
  static void write(const Event& e, std::string& out) {
    static constexpr std::string_view kCountries = "USDEFRGBINBRJPCAESNLSEPL";
    static constexpr std::string_view kChannels[] = {"web", "mobile", "pos", "api"};
    static constexpr std::string_view kWords = "blue cart ships fast under a quiet morning sky with two extra boxes";
    const size_t from = out.size();
    const uint64_t mix = scramble(99, e.number);
    out += "{\"id\":\"";
    for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[e.number >> shift & 15];
    out += "\",\"user\":", number(out, e.user);
    out += ",\"ts\":", number(out, e.ts_ms);
    out += ",\"amount\":", number(out, e.amount);
    out += ",\"merchant\":\"m", number(out, static_cast<int64_t>(10'000 + mix % 20'000));
    out += "\",\"country\":\"", out += kCountries.substr(mix / 32'768 % 12 * 2, 2);
    out += "\",\"channel\":\"", out += kChannels[mix >> 40 & 3];
    out += "\",\"note\":\"";
    const size_t room = from + kEventBytes - 2 - out.size();
    CHECK(room <= kWords.size());
    out += kWords.substr(0, room);
    out += "\"}";
  }

 private:
  static void number(std::string& out, int64_t v) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
  }

  EventOptions options_;
  Zipf zipf_;
};

}  // namespace ms::bench
