// A map with a byte budget that forgets what was used longest ago. Thread-safe.
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>

namespace ms::log {

template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  std::optional<Value> get(const Key& key) {
    const std::scoped_lock lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    items_.splice(items_.begin(), items_, found->second);
    return found->second->value;
  }

  void put(const Key& key, Value value, size_t bytes) {
    const std::scoped_lock lock(mutex_);
    if (by_key_.contains(key)) return;  // another thread was faster
    items_.push_front({key, std::move(value), bytes});
    by_key_[key] = items_.begin();
    bytes_ += bytes;
    while (bytes_ > bytes_max_ && items_.size() > 1) {
      bytes_ -= items_.back().bytes;
      by_key_.erase(items_.back().key);
      items_.pop_back();
    }
  }

 private:
  struct Item {
    Key key;
    Value value;
    size_t bytes;
  };
  std::mutex mutex_;
  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Item> items_;
  std::map<Key, typename std::list<Item>::iterator> by_key_;
};

}  // namespace ms::log
