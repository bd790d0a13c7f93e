// Quotas at work: what is set (kept with the log's metadata), and how fast everyone has been. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/quota_rate.h"
#include "kafka/quota_table.h"
#include "log/log.h"

namespace ms::kafka {

class Quotas {
 public:
  // What the log holds is in force; an entry that cannot be read is logged and left out.
  Quotas(log::Log& log, const Clock& clock);

  // Whether there is any: without, nothing else here needs to be called.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  std::shared_ptr<const QuotaTable> table() const;

  // Counts `amount` (bytes; hundredths of a second for request_percentage) and says for how long the client must be left alone; 0: not at all.
  int64_t record(std::string_view key, const std::string& user, const std::string& client_id, double amount);
  // The most that the quota lets through in its samples.
  double window_max(std::string_view key, const std::string& user, const std::string& client_id) const;
  // A new connection: 0 when it may come in, and then it is counted; else after how long to close it.
  int64_t connect(const std::string& ip);

  // Valid changes (see check_quota_*), all or none; durable on return, waits for the disk. Errors: kExhausted (too many entities), those of the log.
  Result<> change(const std::vector<QuotaChange>& changes);

 private:
  std::string counter_name(std::string_view key, const QuotaLimit& limit) const;
  QuotaRate& rate(const std::string& name, int64_t now_ms);
  void publish(QuotaTable table);

  log::Log& log_;
  const Clock& clock_;
  std::atomic<bool> any_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const QuotaTable> table_;
  std::unordered_map<std::string, QuotaRate> rates_;
  size_t sweep_at_;
  std::mutex changing_;  // one change at a time
};

}  // namespace ms::kafka
