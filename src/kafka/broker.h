// What the handlers work with: the log, the coordinator of the groups, fetch sessions, fetches that wait.
#pragma once

#include <atomic>
#include <memory>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "base/clock.h"
#include "io/memory_budget.h"
#include "io/runtime.h"
#include "kafka/alive_count.h"
#include "kafka/coordinator.h"
#include "kafka/fetch_sessions.h"
#include "kafka/fetch_waiters.h"
#include "kafka/kafka_server.h"
#include "kafka/offset_expirer.h"
#include "kafka/offsets_under_way.h"
#include "kafka/quotas.h"
#include "kafka/request_log.h"
#include "kafka/topic_traffic.h"
#include "kafka/worker.h"

namespace ms::kafka {

inline constexpr int32_t kLeaderEpoch = 0;           // constant: this node is the leader of everything for ever
inline constexpr size_t kWorkerQueueMax = 4096;
inline constexpr size_t kFetchSessionsMax = 1000;

// The connections there are, to be told when users change. Thread-safe.
class ConnectionList {
 public:
  void add(const void* key, std::function<void()> look_again) {
    const std::lock_guard lock(mutex_);
    all_[key] = std::move(look_again);
  }
  void remove(const void* key) {
    const std::lock_guard lock(mutex_);
    all_.erase(key);
  }
  void tell_all() {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, look_again] : all_) look_again();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<const void*, std::function<void()>> all_;
};

struct Broker {
  Broker(KafkaServerOptions o, log::Log& l, io::IoRuntime& runtime)
      : options(std::move(o)), log(l), sessions(kFetchSessionsMax), worker(kWorkerQueueMax), logins(kWorkerQueueMax), coordinator(options, log, runtime.thread(0), alive),
        expirer(options, log, coordinator, runtime.thread(0), alive), requests(options.slow_request_ms * kMicrosPerMilli, log), traffic(options.topic_metrics_max, log) {}

  const KafkaServerOptions options;
  log::Log& log;
  int64_t wall_ms() const { return options.clock->wall_us() / kMicrosPerMilli; }
  Quotas quotas{log, system_clock()};
  FetchSessions sessions;
  FetchWaiters waiters;
  Worker worker;
  Worker logins;  // passwords and tokens: they take milliseconds, and must not hold up what waits for the disk
  ConnectionList connections;
  const std::shared_ptr<AliveCount> alive = std::make_shared<AliveCount>();
  Coordinator coordinator;
  OffsetsUnderWay offsets_under_way;
  OffsetExpirer expirer;
  RequestLog requests;
  TopicTraffic traffic;
  // Held by fetched batches until they have been sent. When it is short, a connection gets the next answer only after it
  // has taken the last one.
  const std::shared_ptr<io::MemoryBudget> responses = std::make_shared<io::MemoryBudget>(options.response_memory_bytes_max);
  bool responses_short() const { return responses->held() > options.response_memory_bytes_max / 2; }
};

}  // namespace ms::kafka
