// Builds the states of new views of one topic aside, from the start of the log, until they can join the live shards.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/topic_task.h"

namespace ms::engine {

struct NewView {
  TopicView view;
  std::shared_ptr<ViewCounters> counters;
  std::string name;
  uint32_t version = 0;
};

// One thread at a time.
class ViewBuilder {
 public:
  // `letters`: where records that cannot be applied go when these are the topic's first views, else null (the live task
  // has written them).
  ViewBuilder(TopicId topic, std::vector<NewView> views, log::Log& log, uint32_t shards,
              InstantSource& instants, DeadLetterQueue* letters);

  // Reads on, at most up to `targets` (per partition). True: they are reached.
  Result<bool> advance(const std::vector<Offset>& targets);

  // Reads the rest up to the task's positions (a task without views takes over ours), then joins every shard. The task is
  // paused, and no shard has applied more than its positions.
  Result<std::vector<ViewJoin>> join(TopicTask& task, std::vector<std::unique_ptr<Shard>>& shards, TimelineWriter& timeline);

  const std::vector<NewView>& views() const { return views_; }

 private:
  Result<bool> advance_partition(uint32_t partition, Offset target, size_t bytes_max);

  const TopicId topic_;
  std::vector<NewView> views_;
  log::Log& log_;
  const uint32_t shards_;
  InstantSource& instants_;
  DeadLetterQueue* letters_;
  std::unique_ptr<TopicReader> reader_;
  std::vector<uint32_t> order_;  // the view of each program of the reader
  std::vector<std::vector<std::unique_ptr<feature::ViewState>>> states_;  // [view][shard]
  std::vector<Offset> next_;
  RowSplit split_;
};

}  // namespace ms::engine
