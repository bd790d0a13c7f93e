#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/logging.h"
#include "engine/engine_impl.h"
#include "engine/live_views.h"

namespace ms::engine {
namespace {

constexpr size_t kShardsMax = 256;
constexpr std::chrono::milliseconds kReadWait{1000};  // for an instant; the ceiling is raised every 100 ms
constexpr size_t kEntitiesPerLock = 64;               // looked at for their ages before a writer gets its turn

// Every step-th entity of the shard.
void sample_ages(Shard& shard, uint32_t slot, size_t step, int64_t now_us, std::vector<int64_t>& out) {
  for (size_t at = 0, before = SIZE_MAX; at != before;) {
    const std::shared_lock lock(shard.mutex());
    const auto* state = shard.state(slot);
    if (state == nullptr || at >= state->entities()) return;
    before = at;
    at = state->newest_event_times(at, kEntitiesPerLock, step, now_us, out);
  }
}

}  // namespace

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
  ceiling_thread_ = std::thread([this] { ceiling_loop(); });
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
  auto made = std::make_unique<TopicTask>(live.topic, log_, shards_, *timeline_, *instants_, options_.unwritten_bytes_max);
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
    start_targets_[id] = ends_of(*task);
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

std::vector<Offset> EngineImpl::ends_of(const TopicTask& task) const {
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
  checkpoint_until_us_ = options_.clock->steady_us() + options_.stop_checkpoint_ms * kMicrosPerMilli;
  work_.notify_all();
  if (listener_ != 0) log_.remove_listener(listener_);
  for (std::thread& t : threads_) t.join();
  for (auto& [id, task] : topics_) task->stop();
  {
    const std::scoped_lock lock(work_mutex_);
    timeline_stopping_ = true;
  }
  work_.notify_all();
  Result<> saved, closed;
  if (timeline_thread_.joinable()) {
    timeline_thread_.join();
    closed = write_timeline(true);
    saved = checkpoint();
  }
  // The ceiling's thread goes last: everybody else needs instants.
  {
    const std::scoped_lock lock(work_mutex_);
    ceiling_stopping_ = true;
  }
  work_.notify_all();
  if (ceiling_thread_.joinable()) ceiling_thread_.join();
  if (!saved && saved.error().kind == ErrorKind::kTimeout) log_info("last_checkpoint_left_out", {{"reason", saved.error().message}});
  else TRY(saved);
  return closed;
}

// ---- reading

bool EngineImpl::ready() const {
  if (options_.clock->wall_us() <= instants_->floor().us || instants_->stuck()) return false;
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

template <class Visit>
Result<Engine::ReadResult> EngineImpl::read_each(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out, Visit&& visit) {
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
  const auto lock = [&] { each_touched([](Shard& s) { s.mutex().lock_shared(); }); };
  const auto unlock = [&] { each_touched([](Shard& s) { s.mutex().unlock_shared(); }); };
  lock();
  auto as_of = instants_->read();
  while (!as_of) {
    unlock();
    TRY(await_instant());
    lock();
    as_of = instants_->read();
  }
  ReadResult result{.as_of = *as_of, .cut = {}};
  for (size_t i = 0; i < keys.size(); ++i)
    if (const auto* state = shards_[places[i].shard]->state(keys[i].view)) state->prefetch(places[i].hash);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto* state = shards_[places[i].shard]->state(keys[i].view);
    state->evaluate(keys[i].key, places[i].hash, result.as_of, false, out[i]);
    for (feature::FeatureValue& value : out[i].values)  // texts may point into the state, which changes after the lock
      if (!value.text.empty()) value.text = out[i].arena.add(value.text);
    visit(*shards_[places[i].shard], *state, places[i].hash, i, result.as_of);
  }
  each_touched([&](Shard& s) { result.cut.push_back({s.number(), s.publish()}); });
  unlock();
  return result;
}

Result<Engine::ReadResult> EngineImpl::read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out) {
  return read_each(keys, out, [](const auto&...) {});
}

Result<Engine::ReadResult> EngineImpl::read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out,
                                            std::vector<KeyReads>& reads) {
  reads.assign(keys.size(), {});
  std::vector<std::vector<std::optional<Offset>>> applied(keys.size());  // named when the locks are free again
  TRY_ASSIGN(auto result, read_each(keys, out, [&](Shard& shard, const feature::ViewState& state, uint64_t hash, size_t i, Instant t) {
               reads[i].shard = shard.number(), reads[i].publish = shard.publish();
               reads[i].known = state.explain(keys[i].key, hash, t, false, reads[i].features);
               applied[i] = shard.applied();
             }));
  const std::shared_lock lock(views_mutex_);
  for (size_t i = 0; i < keys.size(); ++i) reads[i].applied = applied_of(views_[keys[i].view].live.topic, applied[i]);
  return result;
}

OffsetVector EngineImpl::applied_of(const log::TopicInfo& topic, const std::vector<std::optional<Offset>>& applied) {
  OffsetVector out;
  const auto info = log_.find_topic(topic.id);
  for (int32_t p = 0; info && p < info->partitions; ++p) {
    const TopicPartition partition{topic.id, PartitionId{p}};
    const uint32_t input = timeline_->input_number(partition);
    out[partition] = input < applied.size() ? applied[input].value_or(Offset{0}) : Offset{0};
  }
  return out;
}

Result<> EngineImpl::await_instant() {
  if (instants_->await_room(kReadWait)) return {};
  instants_->stick();  // so that the next readers do not wait as well
  return fail(ErrorKind::kUnavailable, "no instant to read at: the disk does not take the file 'state/ceiling'; reads go on when it does");
}

// ---- status

ViewStatus EngineImpl::status_of(uint32_t slot) const {
  const View& view = views_[slot];
  ViewStatus status{.name = view.live.name, .version = view.live.version, .ready = view.ready};
  status.applied_rows = view.counters->applied;
  status.beyond_horizon = view.counters->beyond_horizon;
  status.filtered = view.counters->filtered;
  status.null_keys = view.counters->null_keys;
  status.retracts = view.live.program->retracts();
  status.retracted = view.counters->retracted;
  status.retracted_unknown = view.counters->retracted_unknown;
  for (const auto& shard : shards_) {
    const std::shared_lock lock(shard->mutex());
    if (const auto* state = shard->state(slot)) status.entities += state->entities(), status.resident_bytes += state->resident_bytes();
  }
  return status;
}

std::vector<ViewStatus> EngineImpl::view_status() const {
  const std::shared_lock views_lock(views_mutex_);
  std::vector<ViewStatus> out;
  for (uint32_t slot = 0; slot < views_.size(); ++slot) out.push_back(status_of(slot));
  return out;
}

Result<ViewDetails> EngineImpl::view_details(const std::string& name, uint32_t version, size_t hottest_most) const {
  const std::shared_lock views_lock(views_mutex_);
  const auto view = std::ranges::find_if(views_, [&](const View& v) { return v.live.name == name && v.live.version == version; });
  if (view == views_.end()) return not_found(fmt::format("view '{}' has no version {}", name, version));
  const auto slot = static_cast<uint32_t>(view - views_.begin());
  ViewDetails out{.status = status_of(slot), .topic = view->live.topic.id};
  const int64_t now_us = options_.clock->wall_us();
  out.now = Instant{now_us};
  out.activity = view->counters->activity.report(now_us, hottest_most);
  if (const auto task = topics_.find(out.topic); task != topics_.end()) out.dead_letters = task->second->dead_letters().counted();
  const size_t step = std::max<size_t>(1, out.status.entities / kEntitiesSampled + (out.status.entities > kEntitiesSampled ? 1 : 0));
  for (const auto& shard : shards_) sample_ages(*shard, slot, step, now_us, out.newest_event_times_us);
  return out;
}

std::vector<TopicStatus> EngineImpl::topic_status() const {
  const std::shared_lock lock(views_mutex_);
  std::vector<TopicStatus> out;
  for (const auto& [id, task] : topics_)
    out.push_back({.id = id, .topic = task->topic().name, .records = task->records(), .dead_letters = task->dead_letters().counted(), .applied = task->applied()});
  return out;
}

OffsetVector EngineImpl::applied() const {
  OffsetVector all;
  for (const TopicStatus& s : topic_status()) all.insert(s.applied.begin(), s.applied.end());
  return all;
}

Result<std::unique_ptr<Engine>> Engine::start(EngineOptions options, log::Log& log, catalog::Catalog& catalog) {
  auto engine = std::make_unique<EngineImpl>(std::move(options), log, catalog);
  TRY(engine->open());
  return engine;
}

}  // namespace ms::engine
