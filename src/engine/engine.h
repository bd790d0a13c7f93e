// The live engine: reads the sources' topics, keeps the state of every view on its shards, publishes, checkpoints.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "engine/timeline.h"
#include "engine/view_activity.h"
#include "feature/explain.h"
#include "feature/value.h"
#include "log/log.h"

namespace ms::catalog {
class Catalog;
}

namespace ms::engine {

struct EngineOptions {
  std::string dir;  // checkpoints in dir/state, the timeline in dir/timeline
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  uint32_t shards = 2;  // a power of two, at most 256
  int64_t checkpoint_interval_ms = 10'000;
  int64_t stop_checkpoint_ms = 2'000;  // what checkpoints may take when stopping: the rest of the log can be applied again
  size_t unwritten_bytes_max = 64u << 20;  // publishes that wait for the timeline's disk; beyond it nothing is applied
};

// One key of one view version.
struct ReadKey {
  uint32_t view = 0;     // slot, from Engine::find_view
  std::string_view key;  // canonical bytes
};

struct ReadCut {
  uint32_t shard = 0;
  uint64_t publish = 0;
};

struct ViewStatus {
  std::string name;
  uint32_t version = 0;
  bool ready = false;
  size_t entities = 0;
  size_t resident_bytes = 0;
  uint64_t applied_rows = 0, beyond_horizon = 0, filtered = 0, null_keys = 0;
  bool retracts = false;  // its source takes events back
  uint64_t retracted = 0, retracted_unknown = 0;
};
// What a read looked at for one of its keys, taken with the answer.
struct KeyReads {
  uint32_t shard = 0;
  uint64_t publish = 0;
  bool known = false;    // the shard's state of the view holds the key
  OffsetVector applied;  // what the shard had applied of the view's topic
  std::vector<feature::WindowReads> features;
};

// One view version, closely.
struct ViewDetails {
  ViewStatus status;
  Instant now;
  ActivityReport activity;  // since the start of the process
  TopicId topic;
  uint64_t dead_letters = 0;  // of the topic, whichever view they are about
  // The newest event times of some entities, taken at even distances from each shard's table: all of them when there are few.
  std::vector<int64_t> newest_event_times_us;  // kNoEventTime: no window reaches an event of that entity any more
};
struct TopicStatus {
  TopicId id;
  std::string topic;
  uint64_t records = 0, dead_letters = 0;
  OffsetVector applied;
};

class Engine {
 public:
  // Loads the newest checkpoint and starts to catch up from it.
  static Result<std::unique_ptr<Engine>> start(EngineOptions options, log::Log& log, catalog::Catalog& catalog);
  virtual ~Engine() = default;  // stops

  // Joins every thread and writes a last checkpoint if the time allows. Idempotent.
  virtual Result<> stop() = 0;

  // True once the clock has passed the durable ceiling of the process before and every view has caught up with the
  // offsets the log had at the start; not while reads are refused for want of an instant.
  virtual bool ready() const = 0;

  // Takes up what catalog.apply() has added: builds new view versions aside, from the log, then joins them to the
  // timeline. Blocks until they are ready or `timeout_ms` has passed (kTimeout: they go on catching up).
  virtual Result<> refresh(int64_t timeout_ms) = 0;

  // The slot of a view version for reads. kNotFound, or kUnavailable while it is still catching up (NOT_READY).
  virtual Result<uint32_t> find_view(const std::string& name, uint32_t version) const = 0;

  struct ReadResult {
    Instant as_of;
    std::vector<ReadCut> cut;  // of the shards the read touched, ascending
  };
  // Evaluates all `keys` at one instant under the shared locks of the shards they touch. out.size() == keys.size().
  // kUnavailable: there is no instant, because the disk does not take their ceiling; the first to find out waits a second.
  virtual Result<ReadResult> read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out) = 0;

  // The same, and what it looked at for each key.
  virtual Result<ReadResult> read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out, std::vector<KeyReads>& reads) = 0;

  virtual std::vector<ViewStatus> view_status() const = 0;
  // Looks at no more than kEntitiesSampled entities, a few at a time under a shard's lock. Errors: kNotFound.
  static constexpr size_t kEntitiesSampled = 8'192;
  virtual Result<ViewDetails> view_details(const std::string& name, uint32_t version, size_t hottest_most) const = 0;
  virtual std::vector<TopicStatus> topic_status() const = 0;
  // What every topic's views have applied: the default pin of `as_known` training sets.
  virtual OffsetVector applied() const = 0;
  // Makes all publishes so far durable, so that as_served answers reach up to the present.
  virtual Result<> sync_timeline() = 0;
  virtual Result<> checkpoint() = 0;
};

}  // namespace ms::engine
