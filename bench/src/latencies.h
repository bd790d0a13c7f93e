// Many times in microseconds, and their percentiles.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace ms::bench {

class Latencies {
 public:
  void add(int64_t us) { all_.push_back(us); }
  size_t count() const { return all_.size(); }
  void append(const Latencies& other) { all_.insert(all_.end(), other.all_.begin(), other.all_.end()); }
  std::string json() {
    std::ranges::sort(all_);
    return fmt::format("{{\"n\": {}, \"p50\": {}, \"p99\": {}}}", all_.size(), at(0.5), at(0.99));
  }

 private:
  int64_t at(double share) const {  // nearest rank
    if (all_.empty()) return 0;
    return all_[static_cast<size_t>(std::max(0.0, std::ceil(share * static_cast<double>(all_.size())) - 1))];
  }
  std::vector<int64_t> all_;
};

}  // namespace ms::bench
