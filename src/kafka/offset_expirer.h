// The check for expired offsets: every group is looked at, some in each turn of the coordinator's event loop, and what has expired is
// forgotten by the log, unless it was committed anew meanwhile.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "io/runtime.h"
#include "kafka/alive_count.h"
#include "kafka/coordinator.h"
#include "kafka/kafka_server.h"
#include "kafka/offset_expiry.h"

namespace ms::kafka {

// start(), stop() and check() are thread-safe.
class OffsetExpirer {
 public:
  OffsetExpirer(const KafkaServerOptions& options, log::Log& log, Coordinator& coordinator, io::IoThread& thread, std::shared_ptr<AliveCount> alive);
  void start();                // a check each offsets_retention_check_interval_ms from now on
  void check(io::Job done);    // one now, or after that which runs; then `done`, on the event loop
  void stop();                 // none begins any more, and one that runs ends early; what it waits for holds the alive count

 private:
  struct Expiry {  // of one group
    std::string group;
    size_t commands = 0;  // without an answer
    uint64_t expired = 0;
  };
  void wait_for_next();
  void begin();
  void turn();
  void end();
  void look(const std::string& group);
  void expire(const std::string& group, CommittedOffsets expired);
  void on_expired(const std::shared_ptr<Expiry>& expiry, const Result<uint64_t>& expired);

  log::Log& log_;
  Coordinator& coordinator_;
  io::IoThread& thread_;
  const Clock& clock_;
  const int64_t interval_ms_, retention_ms_;
  const std::shared_ptr<AliveCount> alive_;
  Metric& expired_;

  // The event loop's own.
  std::unique_ptr<io::Timer> timer_;
  bool stopped_ = false;
  AliveHold running_;                       // while a check runs
  std::vector<io::Job> asked_, asked_next_;  // who waits for the check that runs, and for the next one
  std::set<std::string, std::less<>> groups_;  // with offsets, when the check began
  std::vector<std::string> left_;              // of them, to be looked at
  int64_t now_ms_ = 0;
  size_t commands_ = 0;  // without an answer
  std::string error_;
};

}  // namespace ms::kafka
