#include "log/commit_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <future>

#include "base/check.h"
#include "base/logging.h"
#include "base/metrics.h"

namespace ms::log {
namespace {

constexpr size_t kBatchEntryBytes = 1 + 20 + 8 + 4 + 4;
constexpr size_t kMarkerNeedBytes = kBatchEntryBytes + kMarkerBatchBytes;
constexpr size_t kStepBytes = 2 + 10 + 8 + 2 + 10 + 20;  // what adding one partition takes beside the transactional id
constexpr size_t kBatchOverheadBytes = 128;  // what a cached batch costs beside its bytes

AppendBatch command_of(const PendingBatch& batch) {
  const RecordBatchHeader& h = batch.header;
  return {.to = batch.to, .size = h.size, .crc = h.crc, .records = h.records, .producer_id = h.producer_id, .producer_epoch = h.producer_epoch,
          .base_sequence = h.base_sequence, .max_timestamp_ms = h.max_timestamp_ms, .role = batch.role};
}

AppendError append_error_of(const Error& error) {
  if (error.kind == ErrorKind::kExhausted) return AppendError::kNoSpace;
  return error.kind == ErrorKind::kInvalidArgument ? AppendError::kMessageTooLarge : AppendError::kStorage;
}
std::span<uint8_t> writable(const Slice& slice) { return {const_cast<uint8_t*>(slice.data()), slice.size()}; }

}  // namespace

CommitWriter::CommitWriter(const LogOptions& options, MetaState state, Wal& wal, View& view, AppendTime last_time)
    : options_(options), state_(std::move(state)), wal_(wal), view_(view), time_(last_time) {}

CommitWriter::~CommitWriter() { close(); }

void CommitWriter::start() {
  started_ = true;
  thread_ = std::thread([this] { loop(); });
}

void CommitWriter::close() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  arrived_signal_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// ---- requests

void CommitWriter::append(std::vector<PendingBatch> batches, size_t block_bytes, AppendDone done) {
  size_t bytes = 0;
  for (const PendingBatch& batch : batches)
    if (batch.log) bytes += batch.bytes.size();
  enqueue(Append{std::move(batches), std::move(done), bytes, block_bytes}, bytes);
}

void CommitWriter::submit(Command command, CommandDone done) {
  ByteWriter encoded;
  encode(encoded, command);
  enqueue(Run{std::move(command), encoded.take(), std::move(done)}, 0);
}

Result<uint64_t> CommitWriter::run(Command command) {
  std::promise<Result<uint64_t>> promise;
  auto outcome = promise.get_future();
  submit(std::move(command), [&](Result<uint64_t> result) { promise.set_value(std::move(result)); });
  return outcome.get();
}

void CommitWriter::transact(TransactionStep step, TransactionDone done) {
  ByteWriter encoded;
  encode(encoded, step);
  enqueue(Transact{std::move(step), encoded.take(), std::move(done), {}, {}}, 0);
}

Result<ProducerIdentity> CommitWriter::run(TransactionStep step) {
  std::promise<Result<ProducerIdentity>> promise;
  auto outcome = promise.get_future();
  transact(std::move(step), [&](Result<ProducerIdentity> result) { promise.set_value(std::move(result)); });
  return outcome.get();
}

Result<> CommitWriter::inspect(Inspect look) {
  std::promise<Result<>> promise;
  auto outcome = promise.get_future();
  enqueue(Look{std::move(look), [&](Result<> result) { promise.set_value(std::move(result)); }}, 0);
  return outcome.get();
}

void CommitWriter::enqueue(Request request, size_t bytes) {
  AppendError error = AppendError::kNone;
  {
    const std::scoped_lock lock(mutex_);
    if (closing_ || failed_ || !started_) error = AppendError::kStorage;
    else if (bytes > 0 && pending_bytes_ + bytes > options_.pending_bytes_max) error = AppendError::kOverloaded;
    else {
      pending_bytes_ += bytes;
      queue_.push_back(std::move(request));
    }
  }
  if (error == AppendError::kNone) return arrived_signal_.notify_one();
  refuse(request, error,
         error == AppendError::kOverloaded ? Error{ErrorKind::kExhausted, "too many appends wait for the disk"}
                                           : Error{ErrorKind::kUnavailable, "the log has failed or is closing"});
}

void CommitWriter::refuse(Request& request, AppendError error, const Error& why) {
  if (auto* append = std::get_if<Append>(&request)) {
    std::vector<AppendOutcome> outcomes;
    for (PendingBatch& batch : append->batches) {
      if (batch.outcome.error == AppendError::kNone) batch.outcome = {.error = error, .message = why.message};
      outcomes.push_back(std::move(batch.outcome));
    }
    append->done(std::move(outcomes));
  } else if (auto* run = std::get_if<Run>(&request)) {
    run->done(Unexpected(why));
  } else if (auto* transact = std::get_if<Transact>(&request)) {
    transact->done(Unexpected(why));
  } else {
    std::get<Look>(request).done(Unexpected(why));
  }
}

// ---- the writer thread

void CommitWriter::loop() {
  while (take()) commit_group();
}

bool CommitWriter::take() {
  std::unique_lock lock(mutex_);
  if (arrived_.empty()) arrived_signal_.wait(lock, [&] { return closing_ || !queue_.empty(); });
  if (arrived_.empty()) arrived_.swap(queue_);
  else
    while (!queue_.empty()) {
      arrived_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  return !arrived_.empty();
}

// An end writes a marker for every partition its transaction has; those it gets within the group are counted where they join.
CommitWriter::Need CommitWriter::need_of(const Request& request) const {
  if (const auto* append = std::get_if<Append>(&request)) {
    Need need{.bytes = append->bytes + append->batches.size() * kBatchEntryBytes, .batches = append->bytes > 0};
    for (const PendingBatch& batch : append->batches)
      if (batch.role.kind != BatchRole::Kind::kPlain)
        need.bytes += kMarkerNeedBytes + (batch.transaction.joins ? kStepBytes + state_.transactions().id_bytes(batch.role.producer_id) : 0);
    return need;
  }
  if (const auto* run = std::get_if<Run>(&request)) return {.bytes = run->encoded.size()};
  const auto& transact = std::get<Transact>(request);
  const auto* adds = std::get_if<AddTransactionPartitions>(&transact.step);
  const size_t markers = (adds != nullptr ? adds->partitions.size() : 0) + state_.transactions().markers_of(transact.step);
  return {.bytes = transact.encoded.size() + markers * kMarkerNeedBytes, .batches = markers > 0};
}

// Which requests go into the next group. A look is a group of its own.
CommitWriter::Group CommitWriter::choose_group() const {
  Group group;
  for (const Request& request : arrived_) {
    if (std::holds_alternative<Look>(request)) return {std::max<size_t>(group.count, 1), group.need};
    const Need more = need_of(request);
    if (group.count > 0 && group.need.bytes + more.bytes > std::min<uint64_t>(options_.group_bytes_max, wal_.frame_bytes_max() - kWalHeaderBytes)) break;
    group.need.bytes += more.bytes;
    group.need.batches = group.need.batches || more.batches;
    ++group.count;
  }
  return group;
}

void CommitWriter::commit_group() {
  const auto [count, need] = choose_group();
  if (failed_) return refuse_group(count, Error{ErrorKind::kUnavailable, "the log has failed"});
  if (auto* look = std::get_if<Look>(&arrived_.front())) {
    look->look(state_);
    look->done({});
    arrived_.pop_front();
    return;
  }
  // The most this group can need, reserved before anything is decided: a full disk then refuses it whole.
  if (const auto reserved = wal_.reserve(kWalHeaderBytes + need.bytes, !need.batches); !reserved) {
    const bool short_of_room = reserved.error().kind == ErrorKind::kExhausted;
    if (short_of_room && !cannot_grow_) log_error("log_cannot_grow", {{"error", reserved.error().message}});
    cannot_grow_ = short_of_room;
    if (!short_of_room && reserved.error().kind != ErrorKind::kInvalidArgument) fail_with(reserved.error());
    return refuse_group(count, reserved.error());
  }
  if (cannot_grow_) log_info("log_grows_again");
  cannot_grow_ = false;
  const auto frame = write_group(count);
  if (!frame) {
    fail_with(frame.error());
    return refuse_group(count, Error{ErrorKind::kUnavailable, "the log has failed: " + frame.error().message});
  }
  make_visible(count, *frame);
  answer(count);
}

void CommitWriter::decide(Append& append) {
  const size_t first = accepted_.size();
  for (PendingBatch& batch : append.batches) {
    if (batch.outcome.error != AppendError::kNone) continue;
    AppendBatch command = command_of(batch);
    AppendDecision decision = state_.append(command, time_, batch.transaction);
    batch.outcome.error = decision.error;
    batch.outcome.message = std::move(decision.message);
    batch.outcome.base_offset = decision.base;
    batch.outcome.append_time = decision.at;
    batch.outcome.duplicate = decision.duplicate;
    if (decision.error != AppendError::kNone || decision.duplicate) continue;
    if (batch.log_append_time) {
      batch.header.max_timestamp_ms = time_.us / kMicrosPerMilli;
      command.crc = stamp_log_append_time(writable(batch.bytes), batch.header.max_timestamp_ms);
    }
    if (decision.joined) encode(entries_, TransactionStep(std::move(*decision.joined)));
    put(batch, command, decision.base);
  }
  leave_block(append.block_bytes, first);
}

// The tail cache counts the bytes of its batches, so what they keep alive must not be much more: when less than half of a block
// was accepted (from the `first` accepted batch on), the batches get blocks of their own.
void CommitWriter::leave_block(size_t block_bytes, size_t first) {
  size_t bytes = 0;
  for (size_t i = first; i < accepted_.size(); ++i) bytes += accepted_[i]->bytes.size();
  if (2 * bytes + kBatchOverheadBytes >= block_bytes) return;
  for (size_t i = first; i < accepted_.size(); ++i) {
    accepted_[i]->bytes = Slice::copy(accepted_[i]->bytes.span());
    data_[i] = accepted_[i]->bytes.span();
  }
}

void CommitWriter::decide(Run& run) {
  const auto* create = std::get_if<CreateTopic>(&run.command);
  const auto* grow = std::get_if<CreatePartitions>(&run.command);
  const int64_t more = create != nullptr ? create->partitions : grow != nullptr ? grow->total : 0;
  if (more > 0 && state_.partition_count() + more > options_.partitions_max) {
    run.outcome = fail(ErrorKind::kConflict, fmt::format("{} more partitions would be more than {}", more, options_.partitions_max));
    return;
  }
  run.outcome = state_.apply(run.command, time_);
  if (!run.outcome) return;
  entries_.bytes(run.encoded);
}

void CommitWriter::decide(Transact& transact) {
  transact.outcome = state_.apply(transact.step, time_);
  if (!transact.outcome || !transact.outcome->changed) return;
  entries_.bytes(transact.encoded);
  if (!transact.outcome->end) return;
  const TransactionEnd& end = *transact.outcome->end;
  const std::string bytes = build_marker_batch({.producer_id = end.marker.id, .producer_epoch = end.marker.epoch, .commit = end.commit,
                                                .timestamp_ms = time_.us / kMicrosPerMilli});
  const auto kind = end.commit ? BatchRole::Kind::kCommitMarker : BatchRole::Kind::kAbortMarker;
  for (const TopicPartition& p : end.partitions) {
    const auto topic = view_.find(p.topic);
    auto log = topic ? topic->find(p.partition) : nullptr;
    if (!log || state_.find(p) == nullptr) continue;  // the topic was deleted
    PendingBatch& marker = transact.markers.emplace_back();
    marker.to = p, marker.bytes = Slice::copy(bytes), marker.log = std::move(log), marker.role = {kind, end.marker.id};
    marker.log_append_time = topic->settings.log_append_time;
  }
  for (PendingBatch& marker : transact.markers) write_marker(marker);
}

void CommitWriter::write_marker(PendingBatch& marker) {
  if (marker.log_append_time) stamp_log_append_time(writable(marker.bytes), time_.us / kMicrosPerMilli);
  marker.header = parse_record_batch(marker.bytes.span()).value();
  AppendBatch command = command_of(marker);
  const AppendDecision decision = state_.append(command, time_);
  CHECK(decision.error == AppendError::kNone);
  marker.outcome.base_offset = decision.base;
  put(marker, command, decision.base);
}

// What was decided goes into the frame.
void CommitWriter::put(PendingBatch& batch, AppendBatch& command, Offset base) {
  command.base = base;
  patch_record_batch(writable(batch.bytes), base, 0);
  encode(entries_, command);
  data_.push_back(batch.bytes.span());
  data_bytes_ += batch.bytes.size();
  accepted_.push_back(&batch);
}

// Decides every request and writes what was accepted as one frame. Without anything accepted nothing is written.
Result<WalPosition> CommitWriter::write_group(size_t count) {
  entries_.clear(), data_.clear(), accepted_.clear(), data_bytes_ = 0;
  time_.us = std::max(time_.us, options_.clock->wall_us());
  for (size_t i = 0; i < count; ++i) {
    if (auto* append = std::get_if<Append>(&arrived_[i])) decide(*append);
    else if (auto* transact = std::get_if<Transact>(&arrived_[i])) decide(*transact);
    else decide(std::get<Run>(arrived_[i]));
  }
  if (entries_.size() == 0) return WalPosition{};
  const std::string& commands = entries_.str();
  FrameHeader header{.append_us = time_.us, .data_bytes = static_cast<uint32_t>(data_bytes_), .batches = static_cast<uint32_t>(accepted_.size())};
  header.command_bytes = static_cast<uint32_t>(commands.size());
  return wal_.append(header, {reinterpret_cast<const uint8_t*>(commands.data()), commands.size()}, data_);
}

void CommitWriter::make_visible(size_t count, WalPosition frame) {
  touched_.clear();
  uint64_t at = frame.at + kWalHeaderBytes + entries_.size();
  for (PendingBatch* batch : accepted_) {
    batch->log->push({.base = batch->outcome.base_offset.value, .records = batch->header.records, .size = batch->header.size,
                      .append_us = time_.us, .max_timestamp_ms = batch->header.max_timestamp_ms,
                      .at = {frame.segment, static_cast<uint32_t>(at)}, .owner = batch->bytes.owner(), .data = batch->bytes.data()},
                     batch->role);
    at += batch->bytes.size();
    if (touched_.empty() || touched_.back() != batch->to) touched_.push_back(batch->to);
  }
  if (!accepted_.empty()) remember_for_eviction({frame.segment, static_cast<uint32_t>(at)}, data_bytes_ + accepted_.size() * kBatchOverheadBytes);
  for (size_t i = 0; i < count; ++i) {
    if (const auto* run = std::get_if<Run>(&arrived_[i]); run != nullptr && run->outcome) view_.publish(run->command);
    if (const auto* transact = std::get_if<Transact>(&arrived_[i]); transact != nullptr && transact->outcome && transact->outcome->changed)
      view_.publish(transact->step, *transact->outcome);
  }
  for (size_t i = 0; i < count; ++i)
    if (auto* append = std::get_if<Append>(&arrived_[i]))
      for (PendingBatch& batch : append->batches)
        if (batch.log) batch.outcome.log_start_offset = batch.log->log_start();
  std::ranges::sort(touched_);
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
}

void CommitWriter::remember_for_eviction(WalPosition end, size_t bytes) {
  CachedGroup group{end, bytes, {}};
  if (!free_lists_.empty()) {
    group.partitions = std::move(free_lists_.back());
    free_lists_.pop_back();
  }
  for (const PendingBatch* batch : accepted_)
    if (group.partitions.empty() || group.partitions.back() != batch->log) group.partitions.push_back(batch->log);
  cached_.push_back(std::move(group));
  cached_bytes_ += bytes;
  while (cached_bytes_ > options_.tail_cache_bytes_max && !cached_.empty()) {
    CachedGroup& oldest = cached_.front();
    for (const auto& partition : oldest.partitions) partition->evict(oldest.end);
    cached_bytes_ -= oldest.bytes;
    oldest.partitions.clear();
    free_lists_.push_back(std::move(oldest.partitions));
    cached_.pop_front();
  }
}

void CommitWriter::answer(size_t count) {
  size_t released = 0;
  for (size_t i = 0; i < count; ++i) {
    if (auto* append = std::get_if<Append>(&arrived_[i])) {
      std::vector<AppendOutcome> outcomes;
      outcomes.reserve(append->batches.size());
      for (PendingBatch& batch : append->batches) outcomes.push_back(std::move(batch.outcome));
      append->done(std::move(outcomes));
      released += append->bytes;
    } else if (auto* transact = std::get_if<Transact>(&arrived_[i])) {
      if (transact->outcome) transact->done(transact->outcome->producer);
      else transact->done(Unexpected(std::move(transact->outcome).error()));
    } else {
      auto& run = std::get<Run>(arrived_[i]);
      run.done(std::move(run.outcome));
    }
  }
  const auto appended = static_cast<int64_t>(data_bytes_);
  arrived_.erase(arrived_.begin(), arrived_.begin() + static_cast<ptrdiff_t>(count));
  {
    const std::scoped_lock lock(mutex_);
    pending_bytes_ -= released;
  }
  if (!touched_.empty()) {
    const std::scoped_lock lock(listeners_mutex_);
    for (const auto& [id, listener] : listeners_) listener(touched_);
  }
  const int64_t before = backlog_.fetch_add(appended, std::memory_order_relaxed);
  if (on_backlog_ && before < backlog_max_ && before + appended >= backlog_max_) on_backlog_();
}

void CommitWriter::refuse_group(size_t count, const Error& why) {
  size_t released = 0;
  for (size_t i = 0; i < count; ++i) {
    if (const auto* append = std::get_if<Append>(&arrived_.front())) released += append->bytes;
    refuse(arrived_.front(), append_error_of(why), why);
    arrived_.pop_front();
  }
  const std::scoped_lock lock(mutex_);
  pending_bytes_ -= released;
}

void CommitWriter::fail_with(const Error& error) {
  {
    const std::scoped_lock lock(mutex_);
    failed_ = true;
  }
  log_error("log_failed", {{"error", error.message}, {"what_to_do", "restart; recovery reads what the disk has kept"}});
  if (!options_.on_failure) std::abort();
  options_.on_failure(error);
}

uint64_t CommitWriter::add_listener(Log::VisibleListener listener) {
  const std::scoped_lock lock(listeners_mutex_);
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
}
void CommitWriter::remove_listener(uint64_t id) {
  const std::scoped_lock lock(listeners_mutex_);
  listeners_.erase(id);
}
void CommitWriter::on_backlog(int64_t bytes, std::function<void()> call) {
  backlog_max_ = bytes;
  on_backlog_ = std::move(call);
}

}  // namespace ms::log
