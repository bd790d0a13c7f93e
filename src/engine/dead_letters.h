// Records that cannot be applied go to a topic of their own, `<topic>.dead-letter`: the original key, value and time, and
// headers with reason, source, partition and offset. None is written twice, also across restarts.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "engine/topic_reader.h"
#include "log/log.h"

namespace ms::engine {

// The queue of one topic. One thread at a time, except counted() and end().
class DeadLetterQueue {
 public:
  DeadLetterQueue(log::Log& log, const std::string& topic);

  // Reads what the queue's topic holds from `from` on, so that these letters are not written again.
  Result<> recover(Offset from);

  // Appends what is new and waits until it is durable. Errors: those of the log; the caller tries again later.
  Result<> write(const std::vector<DeadLetter>& letters);

  // The end of the queue's topic; 0 while it does not exist.
  Offset end() const;
  uint64_t counted() const { return counted_.load(std::memory_order_relaxed); }

 private:
  Result<log::TopicInfo> topic();
  bool is_new(const DeadLetter& letter) const;

  log::Log& log_;
  const std::string topic_name_;
  std::map<std::pair<std::string, PartitionId>, Offset> written_;  // per source and partition: letters below are written
  std::atomic<uint64_t> counted_{0};
};

}  // namespace ms::engine
