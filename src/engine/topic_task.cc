#include "engine/topic_task.h"

#include <fmt/format.h>

#include <chrono>

#include "base/logging.h"

namespace ms::engine {
namespace {

constexpr std::chrono::milliseconds kIdleWait{100};
constexpr std::chrono::milliseconds kErrorWait{500};

// Whether two sources decode a record of their topic to the same rows.
bool same_decoding(const feature::SourceDefinition& a, const feature::SourceDefinition& b) {
  return a.name == b.name && a.fields == b.fields && a.time_field == b.time_field && a.time_unit == b.time_unit &&
         a.max_ahead_us == b.max_ahead_us;
}

}  // namespace

GroupedViews group_views(std::span<const TopicView> views) {
  GroupedViews out;
  std::vector<bool> done(views.size(), false);
  for (uint32_t i = 0; i < views.size(); ++i) {
    if (done[i]) continue;
    ReaderGroup& group = out.groups.emplace_back(ReaderGroup{views[i].source, {}});
    for (uint32_t j = i; j < views.size(); ++j) {
      if (done[j] || !same_decoding(views[i].source, views[j].source)) continue;
      done[j] = true;
      group.programs.push_back(views[j].program);
      out.order.push_back(j);
    }
  }
  return out;
}

TopicTask::TopicTask(log::TopicInfo topic, log::Log& log, std::vector<std::unique_ptr<Shard>>& shards, TimelineWriter& timeline,
                     InstantSource& instants, size_t unwritten_bytes_max)
    : topic_(std::move(topic)), log_(log), shards_(shards), timeline_(timeline), instants_(instants),
      unwritten_bytes_max_(unwritten_bytes_max), dead_letters_(log, topic_.name) {}

void TopicTask::start() {
  if (thread_.joinable() || stopping_) return;
  thread_ = std::thread([this] { run(); });
}

void TopicTask::stop() {
  {
    const std::scoped_lock lock(wake_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void TopicTask::notify() {
  {
    const std::scoped_lock lock(wake_mutex_);
    fresh_ = true;
  }
  wake_.notify_all();
}

Result<> TopicTask::paused(const std::function<Result<>()>& work) {
  {
    const std::scoped_lock lock(wake_mutex_);
    ++waiting_;
  }
  Result<> result;
  {
    const std::scoped_lock lock(mutex_);
    result = work();
  }
  {
    const std::scoped_lock lock(wake_mutex_);
    --waiting_;
    fresh_ = true;
  }
  wake_.notify_all();
  return result;
}

void TopicTask::add_view(TopicView view, std::shared_ptr<ViewCounters> counters) {
  views_.push_back(std::move(view));
  counters_.push_back(std::move(counters));
  GroupedViews grouped = group_views(views_);
  reader_ = TopicReader::make(std::move(grouped.groups));
  order_ = std::move(grouped.order);
  splits_.resize(views_.size());
}

void TopicTask::run() {
  while (!stopping_) {
    {
      const std::scoped_lock lock(wake_mutex_);
      fresh_ = false;
    }
    (void)instants_.await_room(kIdleWait);  // after a pause of the process, here and not in the middle of a round
    Result<bool> progress = false;
    {
      const std::scoped_lock lock(mutex_);
      progress = round();
    }
    if (!progress) log_error("topic_stalled", {{"topic", topic_.name}, {"reason", progress.error().message}});
    std::unique_lock lock(wake_mutex_);
    wake_.wait(lock, [&] { return stopping_ || waiting_ == 0; });
    if (!progress) wake_.wait_for(lock, kErrorWait, [&] { return stopping_.load(); });
    else if (!*progress) wake_.wait_for(lock, kIdleWait, [&] { return stopping_ || fresh_; });
  }
}

Result<bool> TopicTask::round() {
  if (views_.empty()) return false;
  const auto topic = log_.find_topic(topic_.id);
  if (!topic) return false;
  if (next_.size() < static_cast<size_t>(topic->partitions)) next_.resize(topic->partitions);
  bool progress = false;
  for (uint32_t p = 0; p < next_.size() && !stopping_; ++p) {
    TRY_ASSIGN(const bool read, read_partition(p));
    progress |= read;
  }
  return progress;
}

Result<log::PartitionState> TopicTask::skip_removed(uint32_t partition) {
  TRY_ASSIGN(const log::PartitionState state, log_.partition_state({topic_.id, PartitionId{static_cast<int32_t>(partition)}}));
  if (next_[partition] < state.log_start) {
    log_warn("topic_lost_records", {{"topic", topic_.name}, {"partition", partition}, {"from", next_[partition].value}, {"to", state.log_start.value}});
    next_[partition] = state.log_start;
  }
  return state;
}

Result<bool> TopicTask::read_partition(uint32_t partition) {
  const TopicPartition from{topic_.id, PartitionId{static_cast<int32_t>(partition)}};
  TRY_ASSIGN(const log::PartitionState state, skip_removed(partition));
  if (next_[partition] >= state.last_stable) return false;
  TRY_ASSIGN(const log::ReadResult read, log_.read(from, next_[partition], kReadBytesMax));
  TRY(reader_->read(from.partition, read.batches, next_[partition], read.last_stable, kApplyRowsMax,
                    [&](TopicReader::Chunk& chunk) { return apply(chunk); }));
  return true;
}

Result<> TopicTask::may_publish() const {
  if (!instants_.has_room())
    return fail(ErrorKind::kUnavailable, "there is no instant to publish at: the file 'state/ceiling' is behind the clock");
  size_t unwritten = 0;
  for (const auto& shard : shards_) unwritten += shard->unwritten_bytes();
  if (unwritten >= unwritten_bytes_max_)
    return fail(ErrorKind::kUnavailable, fmt::format("{} bytes of publishes wait for the disk of the timeline", unwritten));
  return {};
}

Result<> TopicTask::apply(TopicReader::Chunk& chunk) {
  TRY(may_publish());
  // Dead letters first: once the offsets below are applied (and perhaps in a checkpoint) nobody would write them.
  if (!chunk.dead.empty()) TRY(dead_letters_.write(chunk.dead));
  const uint32_t input = timeline_.input_number({topic_.id, chunk.partition});
  const auto shards = static_cast<uint32_t>(shards_.size());
  for (size_t i = 0; i < order_.size(); ++i) splits_[i].split(*chunk.rows[i], shards);
  became_.assign(order_.size(), {});
  for (uint32_t s = 0; s < shards; ++s) {
    shard_rows_.clear();
    for (size_t i = 0; i < order_.size(); ++i) shard_rows_.push_back({views_[order_[i]].slot, chunk.rows[i], splits_[i].of(s)});
    shards_[s]->apply(input, chunk.end, shard_rows_, became_);
  }
  for (size_t i = 0; i < order_.size(); ++i) counters_[order_[i]]->add(*chunk.rows[i], became_[i], instants_.last().us);
  records_ += chunk.records;
  next_[chunk.partition.value] = chunk.end;
  return {};
}

OffsetVector TopicTask::applied() {
  const std::scoped_lock lock(mutex_);
  OffsetVector out;
  for (size_t p = 0; p < next_.size(); ++p) out[{topic_.id, PartitionId{static_cast<int32_t>(p)}}] = next_[p];
  return out;
}

bool TopicTask::reached(const std::vector<Offset>& targets) {
  const std::scoped_lock lock(mutex_);
  for (size_t p = 0; p < targets.size(); ++p)
    if (targets[p].value > 0 && (p >= next_.size() || next_[p] < targets[p])) return false;
  return true;
}

}  // namespace ms::engine
