#include "engine/view_builder.h"

#include "base/check.h"

namespace ms::engine {
namespace {

constexpr size_t kBuildBytes = 8u << 20;
constexpr size_t kBuildRows = kBatchRowsMax;
constexpr size_t kMaintainEntities = 1024;

}  // namespace

ViewBuilder::ViewBuilder(TopicId topic, std::vector<NewView> views, log::Log& log, uint32_t shards,
                         InstantSource& instants, DeadLetterQueue* letters)
    : topic_(topic),
      views_(std::move(views)),
      log_(log),
      shards_(shards),
      instants_(instants),
      letters_(letters) {
  std::vector<TopicView> topic_views;
  for (const NewView& v : views_) {
    topic_views.push_back(v.view);
    auto& states = states_.emplace_back();
    for (uint32_t s = 0; s < shards; ++s) states.push_back(feature::ViewState::make(v.view.program));
  }
  GroupedViews grouped = group_views(topic_views);
  reader_ = TopicReader::make(std::move(grouped.groups));
  order_ = std::move(grouped.order);
}

Result<bool> ViewBuilder::advance_partition(uint32_t partition, Offset target, size_t bytes_max) {
  const TopicPartition from{topic_, PartitionId{static_cast<int32_t>(partition)}};
  TRY_ASSIGN(const log::PartitionState state, log_.partition_state(from));
  next_[partition] = std::max(next_[partition], state.log_start);
  if (next_[partition] >= target) return true;
  TRY_ASSIGN(const log::ReadResult read, log_.read(from, next_[partition], bytes_max));
  const Instant now = instants_.read().value_or(instants_.last());
  TRY(reader_->read(from.partition, read.batches, next_[partition], target, kBuildRows, [&](TopicReader::Chunk& chunk) -> Result<> {
    if (letters_ != nullptr) TRY(letters_->write(chunk.dead));
    for (size_t i = 0; i < order_.size(); ++i) {
      const uint32_t v = order_[i];
      split_.split(*chunk.rows[i], shards_);
      feature::AppliedRows became;
      for (uint32_t s = 0; s < shards_; ++s) {
        became += states_[v][s]->apply(*chunk.rows[i], split_.of(s), now);
        states_[v][s]->maintain(now, kMaintainEntities);
      }
      views_[v].counters->add(*chunk.rows[i], became, now.us);
    }
    next_[partition] = chunk.end;
    return {};
  }));
  return next_[partition] >= target;
}

Result<bool> ViewBuilder::advance(const std::vector<Offset>& targets) {
  if (next_.size() < targets.size()) next_.resize(targets.size());
  bool reached = true;
  for (uint32_t p = 0; p < targets.size(); ++p) {
    TRY_ASSIGN(const bool there, advance_partition(p, targets[p], kBuildBytes));
    reached &= there;
  }
  return reached;
}

Result<std::vector<ViewJoin>> ViewBuilder::join(TopicTask& task, std::vector<std::unique_ptr<Shard>>& shards,
                                                TimelineWriter& timeline) {
  if (!task.has_views()) task.take_positions(next_);
  // The builder, too, starts where the log starts: a task that stands may lie below that.
  for (uint32_t p = 0; p < task.positions().size(); ++p) TRY(task.skip_removed(p));
  CHECK(next_.size() <= task.positions().size());
  for (uint32_t p = 0; p < next_.size(); ++p) CHECK(next_[p] <= task.positions()[p]);
  for (bool reached = false; !reached;) {
    TRY_ASSIGN(const bool there, advance(task.positions()));
    reached = there;
  }
  std::vector<InputOffset> applied;
  for (uint32_t p = 0; p < next_.size(); ++p)
    applied.push_back({timeline.input_number({topic_, PartitionId{static_cast<int32_t>(p)}}), next_[p]});
  std::vector<ViewJoin> joins;
  for (size_t v = 0; v < views_.size(); ++v) {
    Instant joined{INT64_MIN};
    for (uint32_t s = 0; s < shards_; ++s)
      joined = std::max(joined, shards[s]->join(views_[v].view.slot, std::move(states_[v][s]), applied));
    joins.push_back({views_[v].name, views_[v].version, joined});
    task.add_view(views_[v].view, views_[v].counters);
  }
  return joins;
}

}  // namespace ms::engine
