#include "log/retention.h"

#include "base/logging.h"
#include "log/object_reader.h"

namespace ms::log {

Offset retention_start(const std::vector<RunRef>& runs, Offset log_start, int64_t partition_bytes, const TopicSettings& settings,
                       int64_t now_us) {
  Offset start = log_start;
  int64_t left = partition_bytes;
  for (const RunRef& ref : runs) {
    const auto bytes = static_cast<int64_t>(ref.run.bytes);
    const bool too_old = settings.retention_ms >= 0 && (now_us - ref.run.last_append_us) / kMicrosPerMilli > settings.retention_ms;
    const bool too_much = settings.retention_bytes >= 0 && left - bytes >= settings.retention_bytes;
    if (!too_old && !too_much) break;
    left -= bytes;
    start = std::max(start, ref.run.next);
  }
  return start;
}

Result<> enforce_retention(const LogOptions& options, CommitWriter& writer, const View& view, ObjectStore& store) {
  const int64_t now = options.clock->wall_us();
  for (const TopicViewPtr& topic : view.topics()) {
    for (int32_t i = 0; i < topic->info.partitions; ++i) {
      const auto partition = topic->find(PartitionId{i});
      const Offset before = partition->log_start();
      const auto runs = partition->runs();
      const Offset start = retention_start(runs, before, partition->bytes(), topic->settings, now);
      // Deleted records that were still in the write-ahead log came into objects afterwards: they go as well.
      const bool left_over = !runs.empty() && runs.front().run.next <= before;
      if (start == before && !left_over) continue;
      const auto moved = writer.run(AdvanceLogStart{{topic->info.id, PartitionId{i}}, start});
      if (!moved && moved.error().kind != ErrorKind::kNotFound) return Unexpected(moved.error());
      if (start > before) log_info("log_start_moved", {{"topic", topic->info.name}, {"partition", i}, {"from", before.value}, {"to", start.value}});
    }
  }
  ForgetObjects gone;
  TRY(writer.inspect([&](const MetaState& state) {
    for (const auto& [object, since_us] : state.doomed_objects())
      if (now - since_us >= options.object_grace_ms * kMicrosPerMilli) gone.objects.push_back(object);
  }));
  if (gone.objects.empty()) return {};
  for (const uint64_t object : gone.objects) TRY(store.remove(object_name(object)));
  TRY(writer.run(gone));
  return {};
}

}  // namespace ms::log
