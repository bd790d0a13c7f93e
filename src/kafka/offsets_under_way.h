// Offsets of groups on their way into transactions: their members were checked, and the log has not staged them yet. Whoever is given
// such a partition meanwhile must not be told the offset from before, or records are processed twice. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "log/log.h"

namespace ms::kafka {

class OffsetsUnderWay {
 public:
  // Until `end` of what it returns.
  uint64_t begin(std::string group, std::set<log::OffsetKey> keys) {
    const std::lock_guard lock(mutex_);
    all_.emplace(next_, std::pair{std::move(group), std::move(keys)});
    return next_++;
  }
  void end(uint64_t id) {
    const std::lock_guard lock(mutex_);
    all_.erase(id);
  }
  std::set<log::OffsetKey> of(const std::string& group) const {
    const std::lock_guard lock(mutex_);
    std::set<log::OffsetKey> out;
    for (const auto& [id, under_way] : all_)
      if (under_way.first == group) out.insert(under_way.second.begin(), under_way.second.end());
    return out;
  }

 private:
  mutable std::mutex mutex_;
  uint64_t next_ = 0;
  std::map<uint64_t, std::pair<std::string, std::set<log::OffsetKey>>> all_;  // as many as requests are in flight
};

}  // namespace ms::kafka
