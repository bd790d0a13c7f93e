#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "base/logging.h"
#include "catalog/catalog.h"
#include "engine/checkpoint.h"
#include "engine/instants.h"
#include "engine/live_views.h"
#include "engine/shard.h"
#include "engine/topic_task.h"
#include "engine/view_builder.h"

namespace ms::engine {
namespace {

constexpr std::chrono::milliseconds kTimelineSync{100};
constexpr size_t kShardsMax = 256;

struct View {
  LiveView live;
  std::shared_ptr<ViewCounters> counters = std::make_shared<ViewCounters>();
  std::atomic<bool> ready{false};
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(EngineOptions options, log::Log& log, catalog::Catalog& catalog)
      : options_(std::move(options)), log_(log), catalog_(catalog) {}
  ~EngineImpl() override { (void)stop(); }

  Result<> open();
  Result<> stop() override;
  bool ready() const override;
  Result<> refresh(int64_t timeout_ms) override;
  Result<uint32_t> find_view(const std::string& name, uint32_t version) const override;
  ReadResult read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out) override;
  std::vector<ViewStatus> view_status() const override;
  std::vector<TopicStatus> topic_status() const override;
  OffsetVector applied() const override;
  Result<> sync_timeline() override;
  Result<> checkpoint() override;

 private:
  Result<> restore(const std::vector<LiveView>& live);
  void restore_applied(const Checkpoint& checkpoint);
  Result<std::vector<bool>> restore_views(const Checkpoint& checkpoint, const std::vector<LiveView>& live);
  TopicTask& task_of(const LiveView& live);
  Offset least_applied(TopicId topic, int32_t partition);
  Result<> start_topics(const std::vector<LiveView>& live, const std::vector<bool>& restored);
  uint32_t add_slot(const LiveView& live);
  bool has_slot(const LiveView& live) const;
  Result<> build(const std::vector<uint32_t>& slots);
  bool aligned(TopicTask& task);
  std::vector<Offset> targets_of(const TopicTask& task) const;
  void timeline_loop();
  void checkpoint_loop();
  void builder_loop();
  Result<> write_timeline(bool closed);
  Result<> raise_ceiling();

  const EngineOptions options_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  std::unique_ptr<InstantSource> instants_;
  std::optional<CeilingFile> ceiling_;
  std::unique_ptr<TimelineWriter> timeline_;
  std::vector<std::unique_ptr<Shard>> shards_;

  mutable std::shared_mutex views_mutex_;  // guards the three below; views are never removed
  std::deque<View> views_;                 // by slot
  std::map<TopicId, std::unique_ptr<TopicTask>> topics_;
  std::map<TopicId, std::vector<Offset>> start_targets_;

  std::mutex timeline_mutex_;  // one writer of the timeline and the ceiling at a time
  std::vector<ViewJoin> joins_;
  Instant written_until_;

  std::mutex work_mutex_;  // guards the five below
  std::condition_variable work_;
  std::vector<uint32_t> to_build_;
  bool building_ = false, stopping_ = false, timeline_stopping_ = false;
  std::mutex checkpoint_mutex_;
  OffsetVector checkpointed_;
  uint64_t listener_ = 0;
  std::mutex notify_mutex_;  // the log's writer thread takes it: never held while working
  std::vector<TopicTask*> to_notify_;
  std::vector<std::thread> threads_;
  std::thread timeline_thread_;
};

// ---- start

Result<> EngineImpl::open() {
  if (options_.shards == 0 || options_.shards > kShardsMax || !std::has_single_bit(options_.shards))
    return invalid(fmt::format("engine.shards is {}; it must be a power of two up to {}", options_.shards, kShardsMax));
  const std::string state_dir = options_.dir + "/state";
  TRY(options_.fs->create_directories(state_dir));
  TRY_ASSIGN(auto ceiling, CeilingFile::open(*options_.fs, state_dir + "/ceiling"));
  ceiling_ = std::move(ceiling);
  instants_ = std::make_unique<InstantSource>(*options_.clock, ceiling_->stored());
  TRY(raise_ceiling());
  TRY_ASSIGN(timeline_, TimelineWriter::create(*options_.fs, options_.dir + "/timeline", options_.shards, instants_->floor()));
  for (uint32_t s = 0; s < options_.shards; ++s)
    shards_.push_back(std::make_unique<Shard>(s, *instants_, timeline_->publish_base()));
  TRY(restore(live_views(catalog_, log_)));
  listener_ = log_.add_listener([this](std::span<const TopicPartition>) {
    const std::scoped_lock lock(notify_mutex_);
    for (TopicTask* task : to_notify_) task->notify();
  });
  timeline_thread_ = std::thread([this] { timeline_loop(); });
  threads_.emplace_back([this] { checkpoint_loop(); });
  threads_.emplace_back([this] { builder_loop(); });
  return {};
}

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
    Offset end;
    if (checkpoint)
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

uint32_t EngineImpl::add_slot(const LiveView& live) {
  const std::unique_lock lock(views_mutex_);
  const auto slot = static_cast<uint32_t>(views_.size());
  views_.emplace_back().live = live;
  return slot;
}

bool EngineImpl::has_slot(const LiveView& live) const {
  const std::shared_lock lock(views_mutex_);
  return std::any_of(views_.begin(), views_.end(), [&](const View& v) { return v.live.name == live.name && v.live.version == live.version; });
}

TopicTask& EngineImpl::task_of(const LiveView& live) {
  {
    const std::shared_lock lock(views_mutex_);
    if (const auto at = topics_.find(live.topic.id); at != topics_.end()) return *at->second;
  }
  auto made = std::make_unique<TopicTask>(live.topic, log_, shards_, *timeline_);
  TopicTask& task = *made;
  {
    const std::scoped_lock lock(notify_mutex_);
    to_notify_.push_back(&task);
  }
  const std::unique_lock lock(views_mutex_);
  topics_[live.topic.id] = std::move(made);
  return task;
}

// Where every shard of the topic's partition `p` has got to.
Offset EngineImpl::least_applied(TopicId topic, int32_t p) {
  const uint32_t input = timeline_->input_number({topic, PartitionId{p}});
  Offset least{INT64_MAX};
  for (auto& shard : shards_) {
    const auto& applied = shard->applied();
    least = std::min(least, input < applied.size() ? applied[input].value_or(Offset{0}) : Offset{0});
  }
  return least;
}

Result<> EngineImpl::start_topics(const std::vector<LiveView>& live, const std::vector<bool>& restored) {
  for (auto& [id, task] : topics_) {
    const auto info = log_.find_topic(id);
    std::vector<Offset> next;
    for (int32_t p = 0; info && p < info->partitions; ++p) next.push_back(least_applied(id, p));
    task->take_positions(std::move(next));
    start_targets_[id] = targets_of(*task);
    for (uint32_t slot = 0; slot < live.size(); ++slot)
      if (live[slot].topic.id == id && restored[slot]) {
        task->add_view({slot, live[slot].source, live[slot].program}, views_[slot].counters);
        views_[slot].ready = true;
      }
    if (task->has_views()) task->start();
  }
  for (uint32_t slot = 0; slot < live.size(); ++slot)
    if (!restored[slot]) to_build_.push_back(slot);
  return {};
}

std::vector<Offset> EngineImpl::targets_of(const TopicTask& task) const {
  std::vector<Offset> out;
  const auto info = log_.find_topic(task.topic().id);
  for (int32_t p = 0; info && p < info->partitions; ++p) {
    const auto state = log_.partition_state({info->id, PartitionId{p}});
    out.push_back(state ? state->last_stable : Offset{0});
  }
  return out;
}

// ---- stop

Result<> EngineImpl::stop() {
  {
    const std::scoped_lock lock(work_mutex_);
    if (stopping_) return {};
    stopping_ = true;
  }
  work_.notify_all();
  if (listener_ != 0) log_.remove_listener(listener_);
  // The timeline thread goes last: the others may wait for an instant, which waits for the ceiling it raises.
  for (std::thread& t : threads_) t.join();
  for (auto& [id, task] : topics_) task->stop();
  {
    const std::scoped_lock lock(work_mutex_);
    timeline_stopping_ = true;
  }
  work_.notify_all();
  if (!timeline_thread_.joinable()) return {};
  timeline_thread_.join();
  TRY(checkpoint());
  return write_timeline(true);
}

// ---- new views

Result<> EngineImpl::refresh(int64_t timeout_ms) {
  for (const LiveView& live : live_views(catalog_, log_)) {
    if (has_slot(live)) continue;
    const uint32_t slot = add_slot(live);
    const std::scoped_lock lock(work_mutex_);
    to_build_.push_back(slot);
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
      TRY_ASSIGN(const bool close, builder.advance(targets_of(*task)));
      if (!close) continue;
      TRY(task->paused([&]() -> Result<> {
        if (!aligned(*task)) return {};
        const std::scoped_lock lock(timeline_mutex_);
        TRY_ASSIGN(const auto joins, builder.join(*task, shards_, *timeline_));
        joins_.insert(joins_.end(), joins.begin(), joins.end());
        joined = true;
        return {};
      }));
      if (!joined) std::this_thread::yield();
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

// ---- reading

bool EngineImpl::ready() const {
  if (options_.clock->wall_us() <= instants_->floor().us) return false;
  const std::shared_lock lock(views_mutex_);
  for (const View& view : views_)
    if (!view.ready) return false;
  for (const auto& [id, targets] : start_targets_)
    if (!topics_.at(id)->reached(targets)) return false;
  return true;
}

Result<uint32_t> EngineImpl::find_view(const std::string& name, uint32_t version) const {
  const std::shared_lock lock(views_mutex_);
  for (uint32_t slot = 0; slot < views_.size(); ++slot) {
    const View& view = views_[slot];
    if (view.live.name != name || view.live.version != version) continue;
    if (!view.ready) return fail(ErrorKind::kUnavailable, fmt::format("view '{}' version {} is still catching up with its topic (NOT_READY)", name, version));
    return slot;
  }
  return not_found(fmt::format("view '{}' has no version {}", name, version));
}

Engine::ReadResult EngineImpl::read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out) {
  struct Place {
    uint32_t shard;
    uint64_t hash;
  };
  thread_local std::vector<Place> places;
  places.clear();
  std::array<uint64_t, kShardsMax / 64> touched{};
  for (const ReadKey& key : keys) {
    const uint32_t shard = shard_of(feature::shard_hash(key.key), options_.shards);
    places.push_back({shard, feature::table_hash(key.key)});
    touched[shard / 64] |= uint64_t{1} << (shard % 64);
  }
  const auto each_touched = [&](auto&& work) {
    for (uint32_t s = 0; s < options_.shards; ++s)
      if (touched[s / 64] >> (s % 64) & 1) work(*shards_[s]);
  };
  ReadResult result;
  each_touched([](Shard& s) { s.mutex().lock_shared(); });
  result.as_of = instants_->read();
  for (size_t i = 0; i < keys.size(); ++i)
    if (const auto* state = shards_[places[i].shard]->state(keys[i].view)) state->prefetch(places[i].hash);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto* state = shards_[places[i].shard]->state(keys[i].view);
    state->evaluate(keys[i].key, places[i].hash, result.as_of, false, out[i]);
    for (feature::FeatureValue& value : out[i].values)  // texts may point into the state, which changes after the lock
      if (!value.text.empty()) value.text = out[i].arena.add(value.text);
  }
  each_touched([&](Shard& s) { result.cut.push_back({s.number(), s.publish()}); });
  each_touched([](Shard& s) { s.mutex().unlock_shared(); });
  return result;
}

// ---- timeline, ceiling, checkpoints

Result<> EngineImpl::raise_ceiling() {
  const Instant wanted{std::max(options_.clock->wall_us(), instants_->last().us) + kCeilingAheadUs};
  if (wanted.us - ceiling_->stored().us < kCeilingAheadUs / 4) return {};
  TRY(ceiling_->store(wanted));
  instants_->raise_ceiling(wanted);
  return {};
}

Result<> EngineImpl::write_timeline(bool closed) {
  const std::scoped_lock lock(timeline_mutex_);
  TRY(raise_ceiling());
  // Every publish up to `until` has been recorded once each shard's lock has been held after it was taken.
  const Instant until = closed ? instants_->read() : instants_->last();
  if (until <= written_until_ && joins_.empty() && !closed) return {};
  TimelineBlock block{.synced_until = until, .closed = closed};
  for (auto& shard : shards_) {
    ShardPublishes publishes = shard->take_publishes();
    if (!publishes.publishes.empty()) block.shards.push_back(std::move(publishes));
  }
  block.joins = std::exchange(joins_, {});
  TRY(timeline_->append(std::move(block)));
  written_until_ = until;
  return {};
}

Result<> EngineImpl::sync_timeline() { return write_timeline(false); }

void EngineImpl::timeline_loop() {
  std::unique_lock lock(work_mutex_);
  while (!timeline_stopping_) {
    work_.wait_for(lock, kTimelineSync, [&] { return timeline_stopping_; });
    lock.unlock();
    if (const auto written = write_timeline(false); !written)
      log_error("timeline_not_written", {{"reason", written.error().message}, {"action", "free disk space; replies wait until it works again"}});
    lock.lock();
  }
}

void EngineImpl::checkpoint_loop() {
  std::unique_lock lock(work_mutex_);
  while (!stopping_) {
    const bool stop = work_.wait_for(lock, std::chrono::milliseconds(options_.checkpoint_interval_ms), [&] { return stopping_; });
    if (stop) break;
    lock.unlock();
    if (const auto done = checkpoint(); !done) log_error("checkpoint_failed", {{"reason", done.error().message}});
    lock.lock();
  }
}

Result<> EngineImpl::checkpoint() {
  const std::scoped_lock once(checkpoint_mutex_);
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
      state->save(bytes);
      const LiveView& live = views_[slot].live;
      to.views.push_back({live.name, live.version, live.identity, bytes.take()});
    }
  }
  TRY(store_checkpoint(*options_.fs, options_.dir + "/state", out));
  checkpointed_ = std::move(all);
  return {};
}

// ---- status

std::vector<ViewStatus> EngineImpl::view_status() const {
  const std::shared_lock views_lock(views_mutex_);
  std::vector<ViewStatus> out;
  for (uint32_t slot = 0; slot < views_.size(); ++slot) {
    const View& view = views_[slot];
    ViewStatus status{.name = view.live.name, .version = view.live.version, .ready = view.ready};
    status.applied_rows = view.counters->applied;
    status.beyond_horizon = view.counters->beyond_horizon;
    status.filtered = view.counters->filtered;
    status.null_keys = view.counters->null_keys;
    for (const auto& shard : shards_) {
      const std::shared_lock lock(shard->mutex());
      if (const auto* state = shard->state(slot)) status.entities += state->entities(), status.resident_bytes += state->resident_bytes();
    }
    out.push_back(std::move(status));
  }
  return out;
}

std::vector<TopicStatus> EngineImpl::topic_status() const {
  const std::shared_lock lock(views_mutex_);
  std::vector<TopicStatus> out;
  for (const auto& [id, task] : topics_)
    out.push_back({.topic = task->topic().name, .records = task->records(), .dead_letters = task->dead_letters().counted(), .applied = task->applied()});
  return out;
}

OffsetVector EngineImpl::applied() const {
  OffsetVector all;
  for (const TopicStatus& s : topic_status()) all.insert(s.applied.begin(), s.applied.end());
  return all;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::start(EngineOptions options, log::Log& log, catalog::Catalog& catalog) {
  auto engine = std::make_unique<EngineImpl>(std::move(options), log, catalog);
  TRY(engine->open());
  return engine;
}

}  // namespace ms::engine
