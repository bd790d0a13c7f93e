// Fills a message with values that stress the codec, for tests and fuzz seeds: a third kind of C for code(C&).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kafka/wire.h"

namespace ms::kafka {

class Sampler {
 public:
  Sampler(uint64_t seed, int16_t version) : rng_(seed), version_(version) {}
  int16_t version() const { return version_; }
  void value(bool& v) { v = rng_.below(2) == 1; }
  template <class T>
    requires std::is_integral_v<T>
  void value(T& v) {
    v = static_cast<T>(rng_.below(4) == 0 ? std::numeric_limits<T>::min() : rng_.next());
  }
  void value(double& v) { v = static_cast<double>(rng_.next()) / 1024; }
  void value(TopicId& v) {
    for (uint8_t& b : v.uuid.bytes) b = static_cast<uint8_t>(rng_.next());
  }
  void value(std::string& v) { v.assign(rng_.below(8) == 0 ? 300 : rng_.below(20), static_cast<char>('a' + rng_.below(26))); }
  void value(Slice& v) { v = Slice::copy(std::string(rng_.below(8) == 0 ? 5000 : rng_.below(200), 'b')); }
  void value(Records& v) {
    v.null = rng_.below(5) == 0;
    v.parts.clear();
    for (uint64_t i = v.null ? 0 : rng_.below(3); i > 0; --i) v.parts.push_back(Slice::copy(std::string(1 + rng_.below(3000), 'r')));
  }
  void nullable(std::optional<std::string>& v, bool may_be_null) {
    v.reset();
    if (!may_be_null || rng_.below(3) != 0) value(v.emplace());
  }
  template <class T>
  void value(std::vector<T>& v) {
    v.clear();
    v.resize(rng_.below(4));
    for (T& element : v) value(element);
  }
  template <class T>
    requires requires(T& v, Sampler& sampler) { v.code(sampler); }
  void value(T& v) {
    v.code(*this);
  }
  template <class T>
    requires requires(T& v, Sampler& sampler) { v.code(sampler); }
  void nullable(std::optional<T>& v, bool may_be_null) {
    v.reset();
    if (!may_be_null || rng_.below(3) != 0) value(v.emplace());
  }
  template <class T>
  void nullable(std::optional<std::vector<T>>& v, bool may_be_null) {
    v.reset();
    if (!may_be_null || rng_.below(3) != 0) value(v.emplace());
  }
  template <class... T>
  void end_struct(Tagged<T>... tagged) {
    (value(tagged.value), ...);
  }

 private:
  Rng rng_;
  int16_t version_;
};

}  // namespace ms::kafka
