#include "log/compactor.h"

#include "base/logging.h"
#include "base/metrics.h"
#include "log/merge_plan.h"

namespace ms::log {

// What one pass has under way.
struct Compactor::Pass {
  BatchCleaner cleaner;
  Offset end;
  RunLimits limits;
  std::optional<ObjectBuilder> object;
  std::vector<RunName> sources;        // of the object
  std::vector<GoneTransaction> gone;   // with it
};

Compactor::Compactor(const LogOptions& options, ObjectStore& store, ObjectReader& reader, CommitWriter& writer, const View& view)
    : options_(options), store_(store), reader_(reader), writer_(writer), view_(view), ids_(writer) {}

Result<> Compactor::run() {
  const std::scoped_lock lock(mutex_);
  Result<> first_error;
  for (const TopicViewPtr& topic : view_.topics()) {
    if (!topic->settings.compacts) continue;
    for (int32_t i = 0; i < topic->info.partitions; ++i) {
      auto done = compact({topic->info.id, PartitionId{i}}, *topic->partitions[static_cast<size_t>(i)], topic->settings);
      if (done || done.error().kind == ErrorKind::kConflict || done.error().kind == ErrorKind::kNotFound) continue;
      if (done.error().kind == ErrorKind::kUnavailable) return done;
      log_warn("log_partition_not_compacted", {{"topic", topic->info.name}, {"partition", i}, {"error", done.error().message}});
      if (first_error) first_error = std::move(done);
    }
  }
  return first_error;
}

// A map that has no room for all keys takes several passes; each gets further.
Result<> Compactor::compact(const TopicPartition& p, const PartitionLog& partition, const TopicSettings& settings) {
  for (;;) {
    const auto plan = plan_compaction(partition.runs(), partition.state().last_stable, settings, options_.clock->wall_us());
    if (!plan) return {};
    TRY_ASSIGN(const bool whole, pass(p, partition, settings, *plan));
    if (whole) return {};
  }
}

Result<> Compactor::go_on() const {
  if (stopping_.load(std::memory_order_relaxed)) return fail(ErrorKind::kUnavailable, "the log is closing");
  return {};
}

// True when everything up to the plan's end was compared.
Result<bool> Compactor::pass(const TopicPartition& p, const PartitionLog& partition, const TopicSettings& settings, const CompactionPlan& plan) {
  const std::vector<RunRef> runs = partition.runs();
  const auto aborted = partition.aborted_in({0}, plan.end);
  TRY_ASSIGN(const uint64_t records, records_in(runs, plan));
  KeyMap map(records, options_.compaction_map_bytes_max);
  TRY_ASSIGN(const Offset end, map_keys(map, runs, plan, aborted));
  Pass pass{.cleaner = BatchCleaner({.newest = &map, .end = end, .now_ms = options_.clock->wall_us() / kMicrosPerMilli, .delete_retention_ms = settings.delete_retention_ms}, aborted),
            .end = end, .limits = run_limits(settings), .object = {}, .sources = {}, .gone = {}};
  for (const RunRef& run : runs)
    if (run.run.base < end) TRY(rewrite(pass, run));
  TRY(flush(pass));
  counter("millstream_log_compactions_total").add();
  gauge("millstream_log_compaction_map_bytes").set(static_cast<int64_t>(map.bytes()));
  log_info("log_partition_compacted", {{"topic_id", p.topic.uuid.to_string()}, {"partition", p.partition.value}, {"from", plan.dirty.value},
                                       {"to", end.value}, {"keys", map.size()}, {"map_bytes", map.bytes()}});
  return end == plan.end;
}

Result<uint64_t> Compactor::records_in(const std::vector<RunRef>& runs, const CompactionPlan& plan) {
  uint64_t records = 0;
  for (const RunRef& ref : runs) {
    if (ref.run.next <= plan.dirty || ref.run.base >= plan.end) continue;
    TRY_ASSIGN(const auto directory, reader_.directory(ref.object));
    if (const RunDirectory* run = directory->find(ref.run.of, ref.run.base))
      for (const IndexEntry& entry : run->index) records += entry.records;
  }
  return records;
}

// Where the map got to: the offset of the first record it had no room for, or the plan's end.
Result<Offset> Compactor::map_keys(KeyMap& map, const std::vector<RunRef>& runs, const CompactionPlan& plan, const std::vector<AbortedTransaction>& aborted) {
  Offset end = plan.end;
  for (const RunRef& ref : runs) {
    if (ref.run.next <= plan.dirty || ref.run.base >= end) continue;
    TRY(reader_.read_through(ref, [&](const ReadBatch& batch) -> Result<> {
      TRY(go_on());
      if (batch.last < plan.dirty || batch.base >= end || !is_committed(batch.bytes.span(), batch.base, aborted)) return {};
      TRY(visit_keys(batch.bytes.span(), [&](int64_t offset, std::string_view key) {
        if (offset < plan.dirty.value || map.put(key, offset)) return true;
        end = {offset};
        return false;
      }));
      return {};
    }));
  }
  return end;
}

Result<> Compactor::rewrite(Pass& pass, const RunRef& ref) {
  std::vector<ReadBatch> batches;
  std::vector<GoneTransaction> gone;
  bool changed = ref.run.compacted_until() < std::min(ref.run.next, pass.end);
  TRY(reader_.read_through(ref, [&](const ReadBatch& batch) -> Result<> {
    TRY(go_on());
    TRY_ASSIGN(auto cleaned, pass.cleaner.clean(batch, batch.last.value + 1 == ref.run.next.value));
    changed = changed || cleaned.changed;
    if (cleaned.gone) gone.push_back({ref.run.of, *cleaned.gone});
    if (cleaned.batch) batches.push_back(std::move(*cleaned.batch));
    return {};
  }));
  if (!changed) return {};
  TRY(put(pass, ref, batches));
  pass.gone.insert(pass.gone.end(), gone.begin(), gone.end());
  return {};
}

Result<> Compactor::put(Pass& pass, const RunRef& ref, const std::vector<ReadBatch>& batches) {
  if (pass.object && pass.object->bytes() + ref.run.bytes > options_.object_bytes_target) TRY(flush(pass));
  if (!pass.object) {
    TRY_ASSIGN(const uint64_t id, ids_.next());
    pass.object.emplace(id);
  }
  const RunDirectory* open = pass.object->run();
  if (open == nullptr || !continues(open_run(*open), ref.run, pass.limits)) pass.object->begin_run(ref.run.of, ref.run.base);
  for (const ReadBatch& batch : batches) {
    const auto header = parse_record_batch(batch.bytes.span());
    if (!header) return corruption(header.error().message);
    pass.object->add(batch, *header);
  }
  pass.object->compacted_until(std::min(ref.run.next, std::max(pass.end, ref.run.compacted_until())));
  pass.sources.push_back({ref.object, ref.run.of, ref.run.base, ref.run.next});
  return {};
}

Result<> Compactor::flush(Pass& pass) {
  if (!pass.object) return {};
  const auto parts = pass.object->finish();
  TRY(store_.put(object_name(pass.object->object()), parts));
  TRY(writer_.run(ReplaceRuns{pass.object->object(), pass.object->object_bytes(), pass.object->runs(), std::move(pass.sources), std::move(pass.gone)}));
  ids_.used();
  pass.object.reset(), pass.sources.clear(), pass.gone.clear();
  return {};
}

}  // namespace ms::log
