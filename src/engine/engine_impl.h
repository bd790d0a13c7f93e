// The engine's inside, shared by the files that implement its parts.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "catalog/catalog.h"
#include "engine/checkpoint.h"
#include "engine/engine.h"
#include "engine/instants.h"
#include "engine/live_views.h"
#include "engine/shard.h"
#include "engine/timeline_writer.h"
#include "engine/topic_task.h"

namespace ms::engine {

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
  Result<ReadResult> read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out) override;
  Result<ReadResult> read(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out, std::vector<KeyReads>& reads) override;
  std::vector<ViewStatus> view_status() const override;
  Result<ViewDetails> view_details(const std::string& name, uint32_t version, size_t hottest_most) const override;
  std::vector<TopicStatus> topic_status() const override;
  OffsetVector applied() const override;
  Result<> sync_timeline() override;
  Result<> checkpoint() override;

 private:
  TopicTask& task_of(const LiveView& live);
  Offset least_applied(TopicId topic, int32_t partition);
  Result<> start_topics(const std::vector<LiveView>& live, const std::vector<bool>& restored);
  uint32_t add_slot(const LiveView& live);
  bool has_slot(const LiveView& live) const;
  Result<> await_instant();
  // visit(shard, state, key number, instant) for every key, in the middle of the read.
  template <class Visit>
  Result<ReadResult> read_each(std::span<const ReadKey> keys, std::span<feature::FeatureRow> out, Visit&& visit);
  ViewStatus status_of(uint32_t slot) const;  // under views_mutex_
  OffsetVector applied_of(const log::TopicInfo& topic, const std::vector<std::optional<Offset>>& applied);
  std::vector<Offset> ends_of(const TopicTask& task) const;
  // engine_build.cc
  Result<> build(const std::vector<uint32_t>& slots);
  Result<std::vector<Offset>> build_targets(TopicTask& task) const;
  bool aligned(TopicTask& task);
  void builder_loop();
  // engine_durable.cc
  Result<> restore(const std::vector<LiveView>& live);
  void restore_applied(const Checkpoint& checkpoint);
  Result<std::vector<bool>> restore_views(const Checkpoint& checkpoint, const std::vector<LiveView>& live);
  void ceiling_loop();
  void timeline_loop();
  void checkpoint_loop();
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

  std::mutex timeline_mutex_;  // one writer of the timeline at a time
  std::vector<ViewJoin> joins_;
  Instant written_until_;

  std::mutex work_mutex_;  // guards the six below
  std::condition_variable work_;
  std::vector<uint32_t> to_build_;
  bool building_ = false, stopping_ = false, timeline_stopping_ = false, ceiling_stopping_ = false;
  std::mutex checkpoint_mutex_;
  std::atomic<int64_t> checkpoint_until_us_{INT64_MAX};  // by the steady clock; later than that one is given up
  OffsetVector checkpointed_;
  uint64_t listener_ = 0;
  std::mutex notify_mutex_;  // the log's writer thread takes it: never held while working
  std::vector<TopicTask*> to_notify_;
  std::vector<std::thread> threads_;
  std::thread timeline_thread_, ceiling_thread_;
  std::mutex refresh_mutex_;  // one look for new views at a time
};

}  // namespace ms::engine
