#include "log/embedded_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/logging.h"
#include "base/rng.h"
#include "log/append_check.h"
#include "log/retention.h"
#include "log/snapshot.h"

namespace ms::log {
namespace {
constexpr size_t kMergeCommandBytesPerRun = 256;  // a run that is replaced and the run in its place take 120; half a frame is room enough
}

Result<std::unique_ptr<Log>> Log::open(LogOptions options) {
  TRY_ASSIGN(std::unique_ptr<Log> log, EmbeddedLog::open(std::move(options)));
  return log;
}

EmbeddedLog::EmbeddedLog(LogOptions options) : options_(std::move(options)), view_(&wal_view_) {}

Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(LogOptions options) {
  if (options.fs == nullptr) options.fs = &posix_file_system();
  if (options.clock == nullptr) options.clock = &system_clock();
  if (options.wal_segment_bytes < 2 * Wal::kCommandReserveBytes || options.wal_segment_bytes > UINT32_MAX)
    return invalid(fmt::format("wal_segment_bytes must be from {} to {}", 2 * Wal::kCommandReserveBytes, UINT32_MAX));
  std::unique_ptr<EmbeddedLog> log(new EmbeddedLog(std::move(options)));
  TRY(log->recover());
  return log;
}

EmbeddedLog::~EmbeddedLog() { (void)close(); }

Result<> EmbeddedLog::close() {
  for (Periodic* each : {&moving_, &keeping_}) each->closing();
  if (reconciler_) reconciler_->stop();  // what it has not moved stays in the write-ahead log
  if (merger_) merger_->stop();
  if (compactor_) compactor_->stop();
  for (Periodic* each : {&moving_, &keeping_}) each->stop();
  if (writer_) writer_->close();
  return {};
}

// ---- recovery

Result<> EmbeddedLog::recover() {
  TRY(options_.fs->create_directories(options_.dir));
  const std::string snapshot_path = options_.dir + "/meta.snapshot";
  TRY_ASSIGN(auto snapshot, read_snapshot(*options_.fs, snapshot_path));
  if (!snapshot) snapshot.emplace();
  MetaState state = std::move(snapshot->state);
  view_.load(state);
  TRY_ASSIGN(wal_, Wal::open({options_.fs, options_.dir + "/wal", options_.wal_segment_bytes}, snapshot->first_segment,
                             [&](const RecoveredFrame& frame) { return replay(frame, snapshot->frame, state); }));
  wal_view_ = wal_.get();
  if (wal_->next_frame() <= snapshot->frame)
    return corruption(fmt::format("{}/wal ends before frame {}, which {} has seen; files are missing", options_.dir, snapshot->frame, snapshot_path));
  TRY(check_recovered(state));
  TRY_ASSIGN(store_, open_directory_store(*options_.fs, options_.dir + "/objects"));
  objects_ = std::make_unique<ObjectReader>(*store_, options_.block_cache_bytes_max);
  const AppendTime last = state.last_append_time();
  writer_ = std::make_unique<CommitWriter>(options_, std::move(state), *wal_, view_, last);
  reconciler_ = std::make_unique<Reconciler>(options_, *store_, *writer_, *wal_, view_, snapshot_path);
  merger_ = std::make_unique<Merger>(options_, *store_, *objects_, *writer_, view_, wal_->frame_bytes_max() / kMergeCommandBytesPerRun);
  compactor_ = std::make_unique<Compactor>(options_, *store_, *objects_, *writer_, view_);
  if (options_.reconcile_interval_ms > 0)
    writer_->on_backlog(static_cast<int64_t>(options_.tail_cache_bytes_max / 2), [this] { moving_.hurry(); });
  writer_->start();
  if (const auto removed = reconciler_->remove_orphans(); !removed && removed.error().kind != ErrorKind::kExhausted)
    return removed;  // on a full disk they go at the next start
  start_background();
  return {};
}

// Frames up to the snapshot's only say where batches lie; later ones are applied as well.
Result<> EmbeddedLog::replay(const RecoveredFrame& recovered, uint64_t snapshot_frame, MetaState& state) {
  const bool is_new = recovered.header.frame > snapshot_frame;
  const AppendTime at{recovered.header.append_us};
  return visit_frame(recovered.header, recovered.frame, [&](FrameEntry& entry, const FrameBatch* stored) -> Result<> {
    if (const auto* step = std::get_if<TransactionStep>(&entry)) {
      if (!is_new) return {};
      const auto applied = state.apply(*step, at);
      if (!applied) return corruption("a transaction step does not apply: " + applied.error().message);
      view_.publish(*step, *applied);
      return {};
    }
    if (stored == nullptr) {
      if (!is_new) return {};
      const Command& command = std::get<Command>(entry);
      if (auto applied = state.apply(command, at); !applied) return corruption("a command does not apply: " + applied.error().message);
      view_.publish(command);
      return {};
    }
    const auto& batch = std::get<AppendBatch>(entry);
    if (is_new) {
      const AppendDecision decision = state.append(batch, at);
      if (decision.error != AppendError::kNone || decision.duplicate || decision.base != batch.base)
        return corruption(fmt::format("a batch of partition {} should be at offset {}: {}", batch.to.partition.value, decision.base.value, decision.message));
    }
    const auto partition = view_.find(batch.to);
    if (!partition || batch.base < partition->high_watermark()) return {};  // deleted since, or in a stream object
    if (batch.base != partition->high_watermark())
      return corruption(fmt::format("offsets {} to {} of partition {} are missing", partition->high_watermark().value, batch.base.value, batch.to.partition.value));
    partition->push({.base = batch.base.value, .records = batch.records, .size = batch.size, .append_us = at.us,
                     .max_timestamp_ms = batch.max_timestamp_ms,
                     .at = {recovered.at.segment, static_cast<uint32_t>(recovered.at.at + stored->at)}},
                    is_new ? batch.role : BatchRole{});  // the snapshot knows the others
    return {};
  });
}

Result<> EmbeddedLog::check_recovered(const MetaState& state) const {
  for (const auto& [id, topic] : state.topics())
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      const auto partition = view_.find({id, PartitionId{static_cast<int32_t>(i)}});
      if (partition->high_watermark().value != topic.partitions[i].next_offset)
        return corruption(fmt::format("topic '{}' partition {}: offsets {} to {} are missing", topic.info.name, i,
                                      partition->high_watermark().value, topic.partitions[i].next_offset));
    }
  return {};
}

// ---- topics

Result<TopicInfo> EmbeddedLog::create_topic(const std::string& name, int32_t partitions, const TopicConfig& config, bool internal) {
  TRY(check_topic_name(name));
  TRY(check_topic_config(config));
  if (partitions < 1) return invalid(fmt::format("a topic needs at least 1 partition, not {}", partitions));
  const TopicId id{random_uuid()};
  TRY(writer_->run(CreateTopic{id, name, partitions, config, internal}));
  return TopicInfo{.id = id, .name = name, .partitions = partitions, .config = config, .internal = internal};
}

Result<> EmbeddedLog::delete_topic(TopicId id) {
  TRY(writer_->run(DeleteTopic{id}));
  return {};
}
Result<> EmbeddedLog::create_partitions(TopicId id, int32_t total) {
  TRY(writer_->run(CreatePartitions{id, total}));
  return {};
}
Result<> EmbeddedLog::alter_config(TopicId id, const std::map<std::string, std::optional<std::string>>& changes) {
  const auto topic = view_.find(id);
  TopicConfig after = topic ? topic->info.config : TopicConfig{};
  const TopicConfig known = effective_topic_config({});
  for (const auto& [key, value] : changes) {
    if (value || !known.contains(key)) after[key] = value.value_or("");  // an unknown one is refused by name
    else after.erase(key);
  }
  TRY(check_topic_config(after));
  TRY(writer_->run(AlterConfig{id, changes}));
  return {};
}

std::vector<TopicInfo> EmbeddedLog::topics() const {
  std::vector<TopicInfo> out;
  for (const TopicViewPtr& topic : view_.topics()) out.push_back(topic->info);
  return out;
}
std::optional<TopicInfo> EmbeddedLog::find_topic(std::string_view name) const {
  const auto found = view_.find(name);
  return found ? std::optional(found->info) : std::nullopt;
}
std::optional<TopicInfo> EmbeddedLog::find_topic(TopicId id) const {
  const auto found = view_.find(id);
  return found ? std::optional(found->info) : std::nullopt;
}
TopicConfig EmbeddedLog::effective_config(const TopicInfo& topic) const { return effective_topic_config(topic.config); }

// ---- appends

PendingBatch EmbeddedLog::check(AppendPart part, int64_t now_ms) const {
  PendingBatch out{.to = part.to, .bytes = std::move(part.batch)};
  const auto topic = view_.find(part.to.topic);
  auto partition = topic ? topic->find(part.to.partition) : nullptr;
  if (!partition) {
    out.outcome = {.error = AppendError::kUnknownTopicOrPartition, .message = "no such topic or partition"};
    return out;
  }
  const uint64_t bytes_max = wal_->frame_bytes_max() - 2 * kWalHeaderBytes;
  AppendCheck checked = check_append(out.bytes.span(), topic->settings, bytes_max, now_ms);
  if (checked.error == AppendError::kNone && topic->settings.compacts) check_keys(out.bytes.span(), checked);
  const auto wanted = topic->settings.compression;
  if (checked.error == AppendError::kNone && wanted && *wanted != checked.header.compression())
    checked = recompress(out.bytes, *wanted, topic->settings, bytes_max);
  out.header = checked.header;
  if (checked.error != AppendError::kNone) {
    out.outcome = {.error = checked.error, .message = std::move(checked.message), .log_start_offset = partition->log_start(),
                   .refused_records = std::move(checked.refused_records)};
    return out;
  }
  out.log_append_time = topic->settings.log_append_time;
  out.transaction = std::move(part.transaction);
  out.role = role_of(out.header, out.bytes.span());
  out.log = std::move(partition);
  return out;
}

void EmbeddedLog::append(std::vector<AppendPart> parts, AppendDone done) {
  const int64_t now_ms = options_.clock->wall_us() / kMicrosPerMilli;
  std::vector<PendingBatch> batches;
  batches.reserve(parts.size());
  size_t block_bytes = 0;
  for (AppendPart& part : parts) {
    block_bytes = std::max(block_bytes, part.block_bytes);
    batches.push_back(check(std::move(part), now_ms));
  }
  writer_->append(std::move(batches), block_bytes, std::move(done));
}

uint64_t EmbeddedLog::add_listener(VisibleListener listener) { return writer_->add_listener(std::move(listener)); }
void EmbeddedLog::remove_listener(uint64_t id) { writer_->remove_listener(id); }

Result<int64_t> EmbeddedLog::new_producer_id() {
  TRY_ASSIGN(const uint64_t id, writer_->run(InitProducer{}));
  return static_cast<int64_t>(id);
}

// ---- committed offsets

void EmbeddedLog::submit(Command command, std::move_only_function<void(Result<>)> done) {
  writer_->submit(std::move(command), [done = std::move(done)](Result<uint64_t> result) mutable {
    if (result) done({});
    else done(Unexpected(std::move(result).error()));
  });
}
void EmbeddedLog::commit_offsets(const std::string& group, std::map<OffsetKey, CommittedOffset> offsets,
                                 std::move_only_function<void(Result<>)> done) {
  submit(CommitOffsets{group, std::move(offsets)}, std::move(done));
}
void EmbeddedLog::expire_offsets(const std::string& group, std::map<OffsetKey, CommittedOffset> seen, std::move_only_function<void(Result<uint64_t>)> done) {
  writer_->submit(ExpireOffsets{group, std::move(seen)}, std::move(done));
}
void EmbeddedLog::delete_offsets(const std::string& group, std::span<const OffsetKey> keys, std::move_only_function<void(Result<>)> done) {
  std::map<OffsetKey, CommittedOffset> none;
  for (const OffsetKey& key : keys) none[key].offset = kNoOffset;
  commit_offsets(group, std::move(none), std::move(done));
}
std::map<OffsetKey, CommittedOffset> EmbeddedLog::committed_offsets(const std::string& group) const { return view_.group(group); }
Result<> EmbeddedLog::delete_group_offsets(const std::string& group) {
  TRY(writer_->run(DeleteGroupOffsets{group}));
  return {};
}
std::vector<std::string> EmbeddedLog::groups_with_offsets() const { return view_.groups(); }

std::set<OffsetKey> EmbeddedLog::unstable_offsets(const std::string& group) const { return view_.unstable_offsets(group); }

// ---- entries

Result<> EmbeddedLog::change_entries(const std::string& space, const EntryChanges& changes) {
  std::promise<Result<>> promise;
  auto outcome = promise.get_future();
  change_entries(space, changes, [&](Result<> result) { promise.set_value(std::move(result)); });
  return outcome.get();
}
void EmbeddedLog::change_entries(const std::string& space, const EntryChanges& changes, std::move_only_function<void(Result<>)> done) {
  size_t bytes = space.size();
  for (const auto& [name, value] : changes) bytes += name.size() + (value ? value->size() : 0);
  if (bytes > kEntryChangesBytesMax) return done(invalid(fmt::format("a change of {} bytes; make several of at most {}", bytes, kEntryChangesBytesMax)));
  submit(ChangeEntries{space, changes}, std::move(done));
}

// ---- transactions

void EmbeddedLog::transact(TransactionStep step, TransactionDone done) { writer_->transact(std::move(step), std::move(done)); }

Result<std::vector<TransactionInfo>> EmbeddedLog::transactions() {
  std::vector<TransactionInfo> out;
  TRY(writer_->inspect([&](const MetaState& state) {
    for (const auto& [id, t] : state.transactions().all())
      out.push_back({.id = id, .producer = t.producer, .state = t.state, .timeout_ms = t.timeout_ms, .started = t.started,
                     .partitions = {t.partitions.begin(), t.partitions.end()}});
  }));
  return out;
}

Result<std::vector<ProducerInfo>> EmbeddedLog::producers(TopicPartition p) {
  TRY(partition(p));
  std::vector<ProducerInfo> out;
  TRY(writer_->inspect([&](const MetaState& state) {
    const PartitionHead* head = state.find(p);
    if (head == nullptr) return;
    for (const auto& [id, entry] : head->producers.entries()) {
      const auto open = head->transactions.open_since(id);
      out.push_back({.producer = {id, entry.epoch}, .last_sequence = entry.count > 0 ? entry.newest().last_sequence : -1,
                     .last_timestamp_ms = entry.last_use_us() / kMicrosPerMilli, .open_since = open ? std::optional(Offset{*open}) : std::nullopt});
    }
  }));
  std::ranges::sort(out, {}, [](const ProducerInfo& info) { return info.producer; });
  return out;
}

Result<> EmbeddedLog::expire_transactions() {
  std::vector<TransactionStep> due;
  const AppendTime now{options_.clock->wall_us()};
  TRY(writer_->inspect([&](const MetaState& state) { due = state.transactions().due(now, options_.transactional_id_expiration_ms); }));
  for (TransactionStep& step : due) {
    const auto done = writer_->run(std::move(step));
    // Its producer was faster.
    if (!done && done.error().kind != ErrorKind::kFenced && done.error().kind != ErrorKind::kNotFound) return Unexpected(done.error());
  }
  return {};
}

// ---- background

Result<> EmbeddedLog::reconcile() { return reconciler_->run(); }
Result<> EmbeddedLog::compact() { return compactor_->run(); }
Result<> EmbeddedLog::merge_objects() { return merger_->run(); }
Result<> EmbeddedLog::enforce_retention() { return log::enforce_retention(options_, *writer_, view_, *store_); }

void EmbeddedLog::start_background() {
  moving_.start({{"log_reconcile_failed", options_.reconcile_interval_ms, [this] { return reconcile(); }},
                 {"log_expire_transactions_failed", options_.transaction_check_interval_ms, [this] { return expire_transactions(); }}});
  keeping_.start({{"log_compact_failed", options_.reconcile_interval_ms, [this] { return compact(); }},
                  {"log_merge_failed", options_.reconcile_interval_ms, [this] { return merge_objects(); }},
                  {"log_retention_failed", options_.retention_check_interval_ms, [this] { return enforce_retention(); }}});
}

}  // namespace ms::log
