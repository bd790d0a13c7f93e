#include "log/reconciler.h"

#include <algorithm>

#include "base/logging.h"
#include "base/metrics.h"
#include "codec/record_batch.h"
#include "log/object_reader.h"
#include "log/snapshot.h"
#include "log/tail_reader.h"

namespace ms::log {
Reconciler::Reconciler(const LogOptions& options, ObjectStore& store, CommitWriter& writer, Wal& wal, const View& view,
                       std::string snapshot_path)
    : options_(options), store_(store), writer_(writer), wal_(wal), view_(view), snapshot_path_(std::move(snapshot_path)), ids_(writer) {}

Result<> Reconciler::run() {
  const std::scoped_lock lock(mutex_);
  writer_.reset_backlog();
  unreadable_.reset();
  auto moved = move_partitions();
  object_.reset();
  if (!moved) return moved;
  TRY(trim());
  if (unreadable_) return Unexpected(std::move(*unreadable_));
  return {};
}

Result<> Reconciler::move_partitions() {
  std::vector<std::pair<TopicPartition, std::shared_ptr<PartitionLog>>> partitions;
  for (const TopicViewPtr& topic : view_.topics())
    for (int32_t i = 0; i < topic->info.partitions; ++i)
      if (auto p = topic->find(PartitionId{i}); p->first_unreconciled()) partitions.emplace_back(TopicPartition{topic->info.id, PartitionId{i}}, std::move(p));
  std::ranges::sort(partitions, {}, [](const auto& item) { return item.first; });
  for (const auto& [p, partition] : partitions) TRY(move(p, *partition));
  return flush();
}

Result<> Reconciler::move(const TopicPartition& p, const PartitionLog& partition) {
  const Offset end = partition.high_watermark();
  for (Offset from = {0}; from < end;) {
    const uint64_t used = object_ ? object_->bytes() : 0;
    const size_t room = options_.object_bytes_target - std::min<uint64_t>(options_.object_bytes_target, used);
    const auto batches = partition.unreconciled(std::max<size_t>(room, 1), from, end);
    if (batches.empty()) return {};
    for (const TailBatch& tail : batches) {
      if (stopping_.load(std::memory_order_relaxed)) return fail(ErrorKind::kUnavailable, "the log is closing");
      auto batch = read_tail(tail);
      if (!batch) return set_aside(p, std::move(batch).error()), Result<>{};
      const auto header = parse_record_batch(batch->bytes.span());
      if (!header) return set_aside(p, {ErrorKind::kCorruption, header.error().message}), Result<>{};
      TRY(add(p, *batch, *header));
      from = {batch->last.value + 1};
    }
    if (object_->bytes() >= options_.object_bytes_target) TRY(flush());
  }
  return {};
}

Result<> Reconciler::add(const TopicPartition& p, const ReadBatch& batch, const RecordBatchHeader& header) {
  if (!object_) {
    TRY_ASSIGN(const uint64_t id, ids_.next());
    object_.emplace(id);
  }
  if (object_->empty() || object_->run()->run.of != p) object_->begin_run(p, batch.base);
  object_->add(batch, header);
  return {};
}

// What lies behind stays in the write-ahead log: offsets in objects have no gaps.
void Reconciler::set_aside(const TopicPartition& p, Error why) {
  log_warn("log_partition_not_reconciled", {{"topic_id", p.topic.uuid.to_string()}, {"partition", p.partition.value}, {"error", why.message}});
  if (!unreadable_) unreadable_ = std::move(why);
}

// The object and its directory entry are durable when put returns; only then may the metadata name it.
Result<> Reconciler::flush() {
  if (!object_) return {};
  const auto parts = object_->finish();
  TRY(store_.put(object_name(object_->object()), parts));
  TRY(writer_.run(AddObject{object_->object(), object_->object_bytes(), object_->runs()}));
  ids_.used();
  counter("millstream_log_objects_written_total").add();
  counter("millstream_log_object_bytes_total").add(static_cast<int64_t>(object_->object_bytes()));
  object_.reset();
  return {};
}

Result<> Reconciler::trim() {
  uint64_t needed = 0, frame = 0;
  std::string state;
  TRY(writer_.inspect([&](const MetaState& meta) {
    needed = wal_.current_segment();
    for (const TopicViewPtr& topic : view_.topics())
      for (const auto& p : topic->partitions)
        if (const auto first = p->first_unreconciled()) needed = std::min<uint64_t>(needed, first->segment);
    frame = wal_.next_frame() - 1;
    if (needed > wal_.first_segment()) state = meta.encode();
  }));
  if (state.empty()) return {};
  TRY(write_snapshot(*options_.fs, snapshot_path_, frame, needed, state));
  wal_.retire_before(needed);
  gauge("millstream_log_wal_live_bytes").set(wal_.live_bytes());
  return {};
}

Result<> Reconciler::remove_orphans() {
  ForgetObjects gone;
  TRY(writer_.inspect([&](const MetaState& meta) { gone.objects.assign(meta.reserved_objects().begin(), meta.reserved_objects().end()); }));
  if (gone.objects.empty()) return {};
  for (const uint64_t object : gone.objects) TRY(store_.remove(object_name(object)));
  TRY(writer_.run(gone));
  return {};
}

}  // namespace ms::log
