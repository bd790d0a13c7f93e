// What of the engine outlives the process: the ceiling, the timeline, checkpoints; and the way back from them.
#include <chrono>

#include "base/logging.h"
#include "engine/engine_impl.h"

namespace ms::engine {
namespace {

constexpr std::chrono::milliseconds kTimelineSync{100};

}  // namespace

Result<> EngineImpl::raise_ceiling() {
  const Instant wanted{std::max(options_.clock->wall_us(), instants_->last().us) + kCeilingAheadUs};
  if (wanted.us - ceiling_->stored().us < kCeilingAheadUs / 4) return {};
  TRY(ceiling_->store(wanted));
  instants_->raise_ceiling(wanted);
  return {};
}

// A thread of its own, that waits for nothing: what takes instants comes to a halt without it.
void EngineImpl::ceiling_loop() {
  std::unique_lock lock(work_mutex_);
  for (bool failing = false; !ceiling_stopping_;) {
    work_.wait_for(lock, kTimelineSync, [&] { return ceiling_stopping_; });
    lock.unlock();
    const auto raised = raise_ceiling();
    if (!raised) instants_->stick();
    if (!raised && !failing)
      log_error("ceiling_not_written", {{"reason", raised.error().message},
                                        {"action", "reads are refused and new events wait until the disk works again"}});
    if (raised && failing) log_info("ceiling_written_again", {});
    failing = !raised;
    lock.lock();
  }
}

// Nothing is taken from the shards while what was taken before is not on disk.
Result<> EngineImpl::write_timeline(bool closed) {
  const std::scoped_lock lock(timeline_mutex_);
  TRY(timeline_->flush());
  // Every publish up to `until` has been recorded once each shard's lock has been held after it was taken.
  const Instant until = closed ? instants_->read().value_or(instants_->last()) : instants_->last();
  if (until <= written_until_ && joins_.empty() && !closed) return {};
  TimelineBlock block{.synced_until = until, .closed = closed};
  for (auto& shard : shards_) {
    ShardPublishes publishes = shard->take_publishes();
    if (!publishes.publishes.empty()) block.shards.push_back(std::move(publishes));
  }
  block.joins = std::exchange(joins_, {});
  written_until_ = until;
  return timeline_->append(std::move(block));
}

Result<> EngineImpl::sync_timeline() {
  (void)instants_->read();  // up to now, though nobody may have asked for long
  return write_timeline(false);
}

void EngineImpl::timeline_loop() {
  std::unique_lock lock(work_mutex_);
  for (bool failing = false; !timeline_stopping_;) {
    work_.wait_for(lock, kTimelineSync, [&] { return timeline_stopping_; });
    lock.unlock();
    const auto written = write_timeline(false);
    if (!written && !failing)
      log_error("timeline_not_written", {{"reason", written.error().message},
                                         {"action", "free disk space; verify and as_served wait until it works again, new events "
                                                    "too when too much of it waits"}});
    if (written && failing) log_info("timeline_written_again", {});
    failing = !written;
    lock.lock();
  }
}

void EngineImpl::checkpoint_loop() {
  std::unique_lock lock(work_mutex_);
  while (!stopping_) {
    const bool stop = work_.wait_for(lock, std::chrono::milliseconds(options_.checkpoint_interval_ms), [&] { return stopping_; });
    if (stop) break;
    lock.unlock();
    const auto done = checkpoint();
    lock.lock();
    if (!done && !stopping_) log_error("checkpoint_failed", {{"reason", done.error().message}});
  }
}

Result<> EngineImpl::checkpoint() {
  const std::scoped_lock once(checkpoint_mutex_);
  const auto late = [this] { return options_.clock->steady_us() >= checkpoint_until_us_; };
  Checkpoint out;
  OffsetVector all;
  {
    const std::shared_lock lock(views_mutex_);
    for (auto& [id, task] : topics_) {
      out.dead_letter_ends[task->topic().name] = task->dead_letters().end();
      for (const auto& [input, offset] : task->applied()) all[input] = offset;
    }
  }
  if (all == checkpointed_ && !all.empty()) return {};
  const std::vector<TopicPartition> inputs = timeline_->inputs();
  for (auto& shard : shards_) {
    CheckpointShard& to = out.shards.emplace_back();
    const std::shared_lock views_lock(views_mutex_);
    const std::shared_lock lock(shard->mutex());
    for (size_t i = 0; i < shard->applied().size(); ++i)
      if (shard->applied()[i]) to.applied.emplace_back(inputs[i], *shard->applied()[i]);
    for (uint32_t slot = 0; slot < views_.size(); ++slot) {
      const auto* state = shard->state(slot);
      if (state == nullptr) continue;
      ByteWriter bytes;
      if (!state->save(bytes, late))
        return fail(ErrorKind::kTimeout, "the engine is stopping; a restart applies the log from the checkpoint before");
      const LiveView& live = views_[slot].live;
      to.views.push_back({live.name, live.version, live.identity, bytes.take()});
    }
  }
  TRY(store_checkpoint(*options_.fs, options_.dir + "/state", out, late));
  checkpointed_ = std::move(all);
  return {};
}

// ---- after a restart

Result<> EngineImpl::restore(const std::vector<LiveView>& live) {
  TRY_ASSIGN(const auto checkpoint, load_checkpoint(*options_.fs, options_.dir + "/state"));
  std::vector<bool> restored(live.size(), false);
  for (const LiveView& view : live) add_slot(view);
  if (checkpoint && checkpoint->shards.size() == shards_.size()) {
    TRY_ASSIGN(auto which, restore_views(*checkpoint, live));
    restored = std::move(which);
    restore_applied(*checkpoint);
  } else {
    for (auto& shard : shards_) shard->begin({});
  }
  for (const LiveView& view : live) task_of(view);
  for (auto& [id, task] : topics_) {
    Offset end;  // what is built again from the log meets every record again that has a letter
    bool whole = checkpoint.has_value();
    for (size_t slot = 0; slot < live.size(); ++slot) whole &= live[slot].topic.id != id || restored[slot];
    if (whole)
      if (const auto at = checkpoint->dead_letter_ends.find(task->topic().name); at != checkpoint->dead_letter_ends.end()) end = at->second;
    TRY(task->dead_letters().recover(end));
  }
  return start_topics(live, restored);
}

void EngineImpl::restore_applied(const Checkpoint& checkpoint) {
  for (size_t s = 0; s < shards_.size(); ++s) {
    std::vector<std::optional<Offset>> applied;
    for (const auto& [input, offset] : checkpoint.shards[s].applied) {
      const uint32_t number = timeline_->input_number(input);
      if (number >= applied.size()) applied.resize(number + 1);
      applied[number] = offset;
    }
    shards_[s]->begin(applied);
  }
}

// A view is restored only if every shard has it, of the same computation; else it is built again from the log.
Result<std::vector<bool>> EngineImpl::restore_views(const Checkpoint& checkpoint, const std::vector<LiveView>& live) {
  std::vector<bool> restored(live.size(), false);
  for (uint32_t slot = 0; slot < live.size(); ++slot) {
    std::vector<const CheckpointView*> parts;
    for (const CheckpointShard& shard : checkpoint.shards)
      for (const CheckpointView& v : shard.views)
        if (v.name == live[slot].name && v.version == live[slot].version && v.identity == live[slot].identity) parts.push_back(&v);
    if (parts.size() != shards_.size()) continue;
    for (size_t s = 0; s < shards_.size(); ++s) {
      auto state = feature::ViewState::make(live[slot].program);
      ByteReader in(parts[s]->state);
      if (auto loaded = state->load(in); !loaded) return Unexpected(loaded.error().within("checkpoint of view '" + live[slot].name + "'"));
      shards_[s]->restore(slot, std::move(state));
    }
    restored[slot] = true;
  }
  return restored;
}

}  // namespace ms::engine
