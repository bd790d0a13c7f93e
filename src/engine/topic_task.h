// The thread of one topic: reads it, decodes once for all views of a source, applies to every shard.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/dead_letters.h"
#include "engine/row_split.h"
#include "engine/shard.h"
#include "engine/timeline.h"
#include "engine/timeline_writer.h"
#include "engine/topic_reader.h"
#include "engine/view_activity.h"
#include "log/log.h"

namespace ms::engine {

inline constexpr size_t kApplyRowsMax = 512;       // rows under one exclusive lock
inline constexpr size_t kReadBytesMax = 1u << 20;  // of one partition, in turn

// A view as its topic's readers need it.
struct TopicView {
  uint32_t slot = 0;
  feature::SourceDefinition source;
  std::shared_ptr<const feature::ViewProgram> program;
};
// Views of one source share a group, so that a record is decoded once for them. `order[i]`: the view of program i, counted
// over all groups.
struct GroupedViews {
  std::vector<ReaderGroup> groups;
  std::vector<uint32_t> order;
};
GroupedViews group_views(std::span<const TopicView> views);

class TopicTask {
 public:
  TopicTask(log::TopicInfo topic, log::Log& log, std::vector<std::unique_ptr<Shard>>& shards,
            TimelineWriter& timeline, InstantSource& instants, size_t unwritten_bytes_max);
  ~TopicTask() { stop(); }

  // Where to go on, per partition; before start() or while paused.
  void take_positions(std::vector<Offset> next) { next_ = std::move(next); }
  void start();  // once; again is fine
  void stop();
  void notify();  // there may be something new in the log

  // Runs `work` while the task stands between two chunks; it may call the methods down to add_view().
  Result<> paused(const std::function<Result<>()>& work);
  const std::vector<Offset>& positions() const { return next_; }
  // Moves the position of a partition to where its log starts now, if it lies below. Errors: those of the log.
  Result<log::PartitionState> skip_removed(uint32_t partition);
  // Whether the shards may publish now; asked before their locks are taken. kUnavailable says what they wait for.
  Result<> may_publish() const;
  bool has_views() const { return !views_.empty(); }
  // Counters live as long as the task. They are told apart by slot.
  void add_view(TopicView view, std::shared_ptr<ViewCounters> counters);

  DeadLetterQueue& dead_letters() { return dead_letters_; }
  const log::TopicInfo& topic() const { return topic_; }
  uint64_t records() const { return records_.load(std::memory_order_relaxed); }
  OffsetVector applied();
  // True when every offset below these has been applied.
  bool reached(const std::vector<Offset>& targets);

 private:
  void run();
  Result<bool> round();  // true: something was read
  Result<bool> read_partition(uint32_t partition);
  Result<> apply(TopicReader::Chunk& chunk);

  const log::TopicInfo topic_;  // as it was at first; partitions may have been added since
  log::Log& log_;
  std::vector<std::unique_ptr<Shard>>& shards_;
  TimelineWriter& timeline_;
  InstantSource& instants_;
  const size_t unwritten_bytes_max_;
  DeadLetterQueue dead_letters_;

  std::mutex wake_mutex_;  // guards the four below; never held while working
  std::condition_variable wake_;
  uint32_t waiting_ = 0;  // threads that want to pause the task
  bool fresh_ = true;
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;  // held during a round; guards everything below
  std::vector<Offset> next_;
  std::vector<TopicView> views_;
  std::vector<std::shared_ptr<ViewCounters>> counters_;
  std::vector<uint32_t> order_;  // the view of each program of the reader
  std::unique_ptr<TopicReader> reader_;
  std::vector<RowSplit> splits_;
  std::vector<ShardRows> shard_rows_;
  std::vector<feature::AppliedRows> became_;  // by program, of one chunk
  std::atomic<uint64_t> records_{0};
  std::thread thread_;
};

}  // namespace ms::engine
