// New views: built aside from the log's history, joined when they have caught up.
#include <chrono>
#include <map>

#include "base/logging.h"
#include "engine/engine_impl.h"
#include "engine/view_builder.h"

namespace ms::engine {
namespace {

constexpr std::chrono::milliseconds kJoinRetry{5};

}  // namespace

Result<> EngineImpl::refresh(int64_t timeout_ms) {
  {
    const std::scoped_lock once(refresh_mutex_);
    for (const LiveView& live : live_views(catalog_, log_)) {
      if (has_slot(live)) continue;
      const uint32_t slot = add_slot(live);
      const std::scoped_lock lock(work_mutex_);
      to_build_.push_back(slot);
    }
  }
  work_.notify_all();
  std::unique_lock lock(work_mutex_);
  const bool done = work_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return (to_build_.empty() && !building_) || stopping_; });
  if (!done) return fail(ErrorKind::kTimeout, "the new views are still catching up with the log; `millstream status` shows when they are ready");
  return {};
}

void EngineImpl::builder_loop() {
  std::unique_lock lock(work_mutex_);
  while (!stopping_) {
    if (to_build_.empty()) {
      work_.wait(lock, [&] { return stopping_ || !to_build_.empty(); });
      continue;
    }
    std::vector<uint32_t> slots = std::exchange(to_build_, {});
    building_ = true;
    lock.unlock();
    const auto built = build(slots);
    if (!built) log_error("view_build_failed", {{"reason", built.error().message}});
    lock.lock();
    building_ = false;
    if (!built && !stopping_) {
      to_build_.insert(to_build_.end(), slots.begin(), slots.end());
      work_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_; });
    }
    work_.notify_all();
  }
}

bool EngineImpl::aligned(TopicTask& task) {
  if (!task.has_views()) return true;
  for (auto& shard : shards_) {
    const std::shared_lock lock(shard->mutex());
    for (uint32_t p = 0; p < task.positions().size(); ++p) {
      const uint32_t input = timeline_->input_number({task.topic().id, PartitionId{static_cast<int32_t>(p)}});
      const auto& applied = shard->applied();
      if (input < applied.size() && applied[input].value_or(Offset{0}) > task.positions()[p]) return false;
    }
  }
  return true;
}

// Where a builder may read to. Never past what the task has applied for the views it has: at the join the shards take the
// builder's offsets, and what the task has not read by then those views would never see.
Result<std::vector<Offset>> EngineImpl::build_targets(TopicTask& task) const {
  if (!task.has_views()) return ends_of(task);
  std::vector<Offset> out;
  TRY(task.paused([&]() -> Result<> {
    out = task.positions();
    return {};
  }));
  return out;
}

// Builds the views of each topic together, aside, until they are close to the log's end; then pauses the topic's task to join.
Result<> EngineImpl::build(const std::vector<uint32_t>& slots) {
  std::map<TopicTask*, std::vector<NewView>> by_topic;
  for (const uint32_t slot : slots) {
    const LiveView* live = nullptr;
    std::shared_ptr<ViewCounters> counters;
    {
      const std::shared_lock lock(views_mutex_);
      if (views_[slot].ready) continue;
      live = &views_[slot].live;
      counters = views_[slot].counters;
    }
    by_topic[&task_of(*live)].push_back({{slot, live->source, live->program}, counters, live->name, live->version});
  }
  for (auto& [task, views] : by_topic) {
    const bool first = !task->has_views();
    ViewBuilder builder(task->topic().id, views, log_, options_.shards, *instants_, first ? &task->dead_letters() : nullptr);
    for (bool joined = false; !joined;) {
      {
        const std::scoped_lock lock(work_mutex_);
        if (stopping_) return {};
      }
      TRY_ASSIGN(const std::vector<Offset> targets, build_targets(*task));
      TRY_ASSIGN(const bool close, builder.advance(targets));
      if (!close) continue;
      TRY(task->paused([&]() -> Result<> {
        if (!aligned(*task) || !task->may_publish()) return {};
        const std::scoped_lock lock(timeline_mutex_);
        TRY_ASSIGN(const auto joins, builder.join(*task, shards_, *timeline_));
        joins_.insert(joins_.end(), joins.begin(), joins.end());
        joined = true;
        return {};
      }));
      std::unique_lock lock(work_mutex_);
      if (!joined) work_.wait_for(lock, kJoinRetry, [&] { return stopping_; });
    }
    const std::shared_lock lock(views_mutex_);
    for (const NewView& v : builder.views()) {
      views_[v.view.slot].ready = true;
      log_info("view_ready", {{"view", v.name}, {"version", v.version}});
    }
    if (first) task->start();
  }
  return {};
}

}  // namespace ms::engine
