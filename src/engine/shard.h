// One shard: the states of all views for the keys whose hash falls here, the offsets they have applied, and the publishes
// that the timeline has not written yet.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/fair_shared_mutex.h"
#include "engine/instants.h"
#include "engine/timeline_format.h"
#include "feature/view_state.h"

namespace ms::engine {

// The rows of one chunk that belong to one shard, for one view.
struct ShardRows {
  uint32_t slot = 0;
  const feature::PreparedRows* rows = nullptr;
  std::span<const uint32_t> which;
};

class Shard {
 public:
  Shard(uint32_t number, InstantSource& instants, uint64_t publish_base)
      : number_(number), instants_(instants), publishes_(publish_base) {}

  uint32_t number() const { return number_; }

  // Applies rows of `input` below `end` and publishes, all under the exclusive lock. Rows the shard has seen (offset below
  // what it applied) are left out. Without rows it only moves the offset. Adds what became
  // of the rows to `applied`, per entry.
  void apply(uint32_t input, Offset end, std::span<const ShardRows> rows, std::span<feature::AppliedRows> applied);

  // Puts a finished state in `slot` and publishes its joining. The caller has stopped the source: the state has applied
  // exactly `applied` of it, the shard's other views that much or (a source's first view) nothing. Returns the instant.
  Instant join(uint32_t slot, std::unique_ptr<feature::ViewState> state, std::span<const InputOffset> applied);
  // Puts back the state of a checkpoint, before begin().
  void restore(uint32_t slot, std::unique_ptr<feature::ViewState> state);

  // What a restored checkpoint had applied; then publishes once, so that the timeline knows where this life begins.
  void begin(const std::vector<std::optional<Offset>>& applied);

  // The publishes since the last call, with the vector before them.
  ShardPublishes take_publishes();
  // The memory of these publishes. Needs no lock.
  size_t unwritten_bytes() const { return unwritten_bytes_.load(std::memory_order_relaxed); }

  // ---- reading: hold shared() over all of these, and over what evaluate() gave.
  FairSharedMutex& mutex() { return mutex_; }
  const feature::ViewState* state(uint32_t slot) const { return slot < states_.size() ? states_[slot].get() : nullptr; }
  uint64_t publish() const { return publishes_; }
  const std::vector<std::optional<Offset>>& applied() const { return applied_; }

 private:
  void record_publish();
  void move_offset(uint32_t input, Offset end);

  const uint32_t number_;
  InstantSource& instants_;
  FairSharedMutex mutex_;
  std::vector<std::unique_ptr<feature::ViewState>> states_;  // by slot
  std::vector<std::optional<Offset>> applied_;               // by input number
  std::vector<uint32_t> moved_;                              // inputs that moved since the last publish
  uint64_t publishes_;
  ShardPublishes unwritten_;
  std::atomic<size_t> unwritten_bytes_{0};
  std::vector<uint32_t> fresh_;  // rows of one apply that are new
};

}  // namespace ms::engine
