// Records that cannot be applied go to a topic of their own, `<topic>.dead-letter`: the original key, value and time, and
// headers with reason, source, partition and offset. None is lost or written twice, also across restarts: the four tell it
// apart. Keys and values beyond 256 KiB are cut; headers cut_from_bytes and key_cut_from_bytes then tell their size.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "engine/topic_reader.h"
#include "log/log.h"

namespace ms::engine {

// `<topic>.dead-letter`; where that is longer than a topic's name may be (249), the end of the topic's name gives way to 16 hex
// digits of its SHA-256.
std::string dead_letter_topic(const std::string& topic);

// The queue of one topic. One thread at a time, except counted() and end().
class DeadLetterQueue {
 public:
  DeadLetterQueue(log::Log& log, const std::string& topic);

  // Reads what the queue's topic holds from `from` on, so that these letters are not written again.
  Result<> recover(Offset from);

  // Appends what is new and waits until it is durable. Errors: those of the log; the caller tries again later.
  Result<> write(const std::vector<DeadLetter>& letters);

  // The end of the queue's topic, 0 while it does not exist; while a write is not complete, also after a failed one, the end
  // before it: from there on recover() finds every letter that will be asked for again.
  Offset end() const;
  uint64_t counted() const { return counted_.load(std::memory_order_relaxed); }

 private:
  Result<log::TopicInfo> topic();
  struct Letters {
    Offset last;                    // letters of offsets below are written
    std::set<std::string> reasons;  // and those of `last` itself: views bury a record each for its own reason
  };
  bool is_new(const DeadLetter& letter) const;
  void remember(const std::string& source, PartitionId partition, Offset offset, std::string reason);
  Offset topic_end() const;
  Result<> write_batch(std::span<const DeadLetter* const> letters);

  log::Log& log_;
  const std::string topic_name_;
  std::map<std::pair<std::string, PartitionId>, Letters> written_;  // per source and partition
  std::atomic<int64_t> incomplete_from_{-1};                        // -1: no write is incomplete
  std::atomic<uint64_t> counted_{0};
};

}  // namespace ms::engine
