#include "log/meta_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace ms::log {
namespace {
// 1 had no last_removed_us, 2 no transactions, 3 no entries, 4 no compacted runs, 5 no offsets that say when they expire.
constexpr uint32_t kSnapshotVersion = 6;
constexpr int32_t kPartitionsPerTopicMax = 200'000;  // a damaged count must not reserve memory
constexpr uint32_t kReservePerCommandMax = 1'000;
Unexpected no_topic(TopicId id) { return not_found(fmt::format("no topic with id {}", id.uuid.to_string())); }
}  // namespace

PartitionHead* MetaState::head(const TopicPartition& p) {
  const auto topic = topics_.find(p.topic);
  if (topic == topics_.end() || p.partition.value < 0) return nullptr;
  auto& partitions = topic->second.partitions;
  const auto index = static_cast<size_t>(p.partition.value);
  return index < partitions.size() ? &partitions[index] : nullptr;
}
const PartitionHead* MetaState::find(const TopicPartition& p) const { return const_cast<MetaState*>(this)->head(p); }

AppendDecision MetaState::append_marker(PartitionHead& partition, const AppendBatch& batch, AppendTime now) {
  const Offset base{partition.next_offset};
  partition.producers.mark(batch.producer_id, batch.producer_epoch, now);
  partition.transactions.add(batch.role, base.value);
  partition.next_offset += batch.records;
  return {.base = base, .at = now};
}

AppendDecision MetaState::append(const AppendBatch& batch, AppendTime now, const TransactionTerms& terms) {
  last_append_us_ = std::max(last_append_us_, now.us);
  PartitionHead* partition = head(batch.to);
  if (partition == nullptr) return {.error = AppendError::kUnknownTopicOrPartition, .message = "the topic was deleted"};
  if (batch.role.marker()) return append_marker(*partition, batch, now);
  const bool transactional = batch.role.kind == BatchRole::Kind::kTransactional;
  TransactionalAppend in_transaction;
  if (transactional) in_transaction = transactions_.check_append({batch.producer_id, batch.producer_epoch}, batch.to, terms);
  else if (partition->transactions.open_since(batch.producer_id))
    in_transaction = {AppendError::kInvalidTxnState, "the producer has a transaction open in this partition", {}};
  if (in_transaction.error != AppendError::kNone) return {.error = in_transaction.error, .message = std::move(in_transaction.message)};
  const bool idempotent = batch.producer_id >= 0;
  const ProducerAppend append{batch.producer_id, batch.producer_epoch, batch.base_sequence,
                              idempotent ? sequence_after(batch.base_sequence, batch.records - 1) : 0, transactional && terms.joins};
  if (idempotent) {
    const ProducerDecision decision = partition->producers.decide(append);
    if (decision.duplicate_of != nullptr)
      return {.base = {decision.duplicate_of->base_offset}, .at = {decision.duplicate_of->at_us}, .duplicate = true};
    if (decision.error != AppendError::kNone)
      return {.error = decision.error,
              .message = fmt::format("producer {} epoch {} sequence {} does not follow what partition {} has", batch.producer_id,
                                     batch.producer_epoch, batch.base_sequence, batch.to.partition.value)};
  }
  const Offset base{partition->next_offset};
  if (in_transaction.adds) CHECK(apply(*in_transaction.adds, now));
  if (idempotent) partition->producers.record(append, base, now);
  partition->transactions.add(batch.role, base.value);
  partition->next_offset += batch.records;
  return {.base = base, .at = now, .joined = std::move(in_transaction.adds)};
}

Result<TransactionOutcome> MetaState::apply(const TransactionStep& step, AppendTime now) {
  last_append_us_ = std::max(last_append_us_, now.us);
  TRY_ASSIGN(TransactionOutcome outcome, transactions_.apply(step, now, next_producer_id_));
  if (outcome.end && outcome.end->commit)
    for (const auto& [group, offsets] : outcome.end->offsets) commit_into(groups_, group, offsets, topics_);
  return outcome;
}

Result<uint64_t> MetaState::apply(const Command& command, AppendTime now) {
  last_append_us_ = std::max(last_append_us_, now.us);
  return std::visit([&](const auto& c) { return on(c, now); }, command);
}

Result<uint64_t> MetaState::on(const CreateTopic& c, AppendTime) {
  if (by_name_.contains(c.name)) return fail(ErrorKind::kAlreadyExists, fmt::format("topic '{}' already exists", c.name));
  if (c.partitions < 1 || c.partitions > kPartitionsPerTopicMax || topics_.contains(c.id)) return corruption("impossible CreateTopic");
  TopicState& topic = topics_[c.id];
  topic.info = {.id = c.id, .name = c.name, .partitions = c.partitions, .config = c.config, .internal = c.internal};
  topic.partitions.resize(static_cast<size_t>(c.partitions));
  by_name_[c.name] = c.id;
  partition_count_ += c.partitions;
  return 0;
}

Result<uint64_t> MetaState::on(const DeleteTopic& c, AppendTime now) {
  const auto topic = topics_.find(c.id);
  if (topic == topics_.end()) return no_topic(c.id);
  for (const PartitionHead& partition : topic->second.partitions)
    for (const auto& [base, run] : partition.runs) drop_run(run.first, now);
  partition_count_ -= topic->second.info.partitions;
  by_name_.erase(topic->second.info.name);
  topics_.erase(topic);
  transactions_.forget_topic(c.id);
  for (auto& [group, offsets] : groups_) std::erase_if(offsets, [&](const auto& item) { return item.first.first == c.id; });
  std::erase_if(groups_, [](const auto& item) { return item.second.empty(); });
  return 0;
}

Result<uint64_t> MetaState::on(const CreatePartitions& c, AppendTime) {
  const auto topic = topics_.find(c.id);
  if (topic == topics_.end()) return no_topic(c.id);
  TopicInfo& info = topic->second.info;
  if (c.total <= info.partitions || c.total > kPartitionsPerTopicMax)
    return invalid(fmt::format("topic '{}' has {} partitions; {} would not be more", info.name, info.partitions, c.total));
  partition_count_ += c.total - info.partitions;
  info.partitions = c.total;
  topic->second.partitions.resize(static_cast<size_t>(c.total));
  return 0;
}

Result<uint64_t> MetaState::on(const AlterConfig& c, AppendTime) {
  const auto topic = topics_.find(c.id);
  if (topic == topics_.end()) return no_topic(c.id);
  for (const auto& [key, value] : c.changes) {
    if (value) topic->second.info.config[key] = *value;
    else topic->second.info.config.erase(key);
  }
  return 0;
}

Result<uint64_t> MetaState::on(const InitProducer&, AppendTime) { return static_cast<uint64_t>(next_producer_id_++); }

Result<uint64_t> MetaState::on(const CommitOffsets& c, AppendTime) {
  commit_into(groups_, c.group, c.offsets, topics_);
  return 0;
}

Result<uint64_t> MetaState::on(const ExpireOffsets& c, AppendTime) { return expire_from(groups_, c); }

Result<uint64_t> MetaState::on(const DeleteGroupOffsets& c, AppendTime) {
  if (groups_.erase(c.group) == 0) return not_found(fmt::format("group '{}' has no committed offsets", c.group));
  return 0;
}

Result<uint64_t> MetaState::on(const ReserveObjects& c, AppendTime) {
  if (c.count == 0 || c.count > kReservePerCommandMax) return invalid("impossible ReserveObjects");
  const uint64_t first = next_object_;
  for (uint32_t i = 0; i < c.count; ++i) reserved_.insert(next_object_++);
  return first;
}

Result<uint64_t> MetaState::on(const AddObject& c, AppendTime now) {
  if (!reserved_.contains(c.object)) return invalid(fmt::format("object {} was never reserved", c.object));
  for (const ObjectRun& run : c.runs) {
    const PartitionHead* partition = find(run.of);
    if (partition != nullptr && (run.base.value != partition->reconciled() || run.next.value > partition->next_offset || run.next <= run.base))
      return fail(ErrorKind::kConflict, fmt::format("object {} does not continue partition {} at offset {}", c.object,
                                                    run.of.partition.value, partition->reconciled()));
  }
  reserved_.erase(c.object);
  live_runs_[c.object] = 1;  // held while the runs go in
  for (const ObjectRun& run : c.runs) {
    PartitionHead* partition = head(run.of);
    if (partition == nullptr) continue;  // the topic was deleted while the object was written
    partition->runs[run.base.value] = {c.object, run};
    ++live_runs_[c.object];
  }
  drop_run(c.object, now);
  return 0;
}

Result<uint64_t> MetaState::on(const AdvanceLogStart& c, AppendTime now) {
  PartitionHead* partition = head(c.of);
  if (partition == nullptr) return not_found("no such partition");
  if (c.to.value > partition->next_offset) return invalid("the log start cannot pass the end");
  partition->log_start = std::max(partition->log_start, c.to.value);
  partition->transactions.forget_below(partition->log_start);
  if (partition->log_start > partition->reconciled()) partition->last_removed_us = now.us;
  while (!partition->runs.empty()) {
    const auto& [object, run] = partition->runs.begin()->second;
    if (run.base.value < partition->log_start) partition->last_removed_us = std::max(partition->last_removed_us, run.last_append_us);
    if (run.next.value > partition->log_start) break;
    partition->reconciled_floor = std::max(partition->reconciled_floor, run.next.value);
    drop_run(object, now);
    partition->runs.erase(partition->runs.begin());
  }
  return 0;
}

Result<uint64_t> MetaState::on(const ForgetObjects& c, AppendTime) {
  for (const uint64_t object : c.objects) doomed_.erase(object), reserved_.erase(object);
  return 0;
}

Result<uint64_t> MetaState::on(const ChangeEntries& c, AppendTime) {
  change_into(entries_, c);
  return 0;
}

Result<uint64_t> MetaState::on(const ReplaceRuns& c, AppendTime now) {
  if (!reserved_.contains(c.object)) return invalid(fmt::format("object {} was never reserved", c.object));
  if (!stand_for(c.runs, c.sources)) return invalid(fmt::format("the runs of object {} do not cover what they replace", c.object));
  for (const RunName& source : c.sources) {
    const PartitionHead* partition = find(source.of);
    if (partition == nullptr) continue;  // the topic was deleted while the object was written
    const auto run = partition->runs.find(source.base.value);
    if (run == partition->runs.end() || run->second.first != source.object || run->second.second.next != source.next)
      return fail(ErrorKind::kConflict, fmt::format("partition {} does not have offsets {} to {} in object {} any more", source.of.partition.value,
                                                    source.base.value, source.next.value, source.object));
  }
  reserved_.erase(c.object);
  live_runs_[c.object] = 1;  // held while the runs go in
  for (const RunName& source : c.sources)
    if (PartitionHead* partition = head(source.of)) partition->runs.erase(source.base.value), drop_run(source.object, now);
  for (const ObjectRun& run : c.runs)
    if (PartitionHead* partition = head(run.of)) partition->runs[run.base.value] = {c.object, run}, ++live_runs_[c.object];
  drop_run(c.object, now);
  for (const GoneTransaction& gone : c.gone)
    if (PartitionHead* partition = head(gone.of)) partition->transactions.forget(gone.marker);
  return 0;
}

void MetaState::drop_run(uint64_t object, AppendTime now) {
  const auto found = live_runs_.find(object);
  CHECK(found != live_runs_.end());
  if (--found->second > 0) return;
  live_runs_.erase(found);
  doomed_[object] = now.us;
}

std::string MetaState::encode() const {
  ByteWriter out;
  out.u32(kSnapshotVersion), out.i64(last_append_us_), out.i64(next_producer_id_), out.u64(next_object_);
  out.varint(topics_.size());
  for (const auto& [id, topic] : topics_) {
    log::encode(out, id), out.sized(topic.info.name), log::encode(out, topic.info.config), out.u8(topic.info.internal);
    out.varint(topic.partitions.size());
    for (const PartitionHead& p : topic.partitions) {
      out.i64(p.log_start), out.i64(p.next_offset), out.i64(p.reconciled_floor), out.i64(p.last_removed_us);
      out.varint(p.runs.size());
      for (const auto& [base, run] : p.runs) out.u64(run.first), encode_compacted(out, run.second);
      p.producers.encode(out);
      p.transactions.encode(out);
    }
  }
  out.varint(groups_.size());
  for (const auto& [group, offsets] : groups_) out.sized(group), encode_expiring(out, offsets);
  out.varint(reserved_.size());
  for (const uint64_t object : reserved_) out.u64(object);
  out.varint(doomed_.size());
  for (const auto& [object, since] : doomed_) out.u64(object), out.i64(since);
  transactions_.encode(out);
  out.varint(entries_.size());
  for (const auto& [space, entries] : entries_) out.sized(space), log::encode(out, entries);
  return out.take();
}

Result<MetaState> MetaState::decode(std::string_view bytes) {
  ByteReader in(bytes);
  MetaState state;
  const uint32_t version = in.u32();
  if (version == 0 || version > kSnapshotVersion)
    return fail(ErrorKind::kUnsupported, fmt::format("metadata snapshot version {}", version));
  state.last_append_us_ = in.i64(), state.next_producer_id_ = in.i64(), state.next_object_ = in.u64();
  for (uint64_t topics = in.varint(); topics > 0 && in.ok(); --topics) {
    const TopicId id = decode_topic_id(in);
    TopicState& topic = state.topics_[id];
    topic.info.id = id, topic.info.name = in.sized(), topic.info.config = decode_texts(in), topic.info.internal = in.u8() != 0;
    for (uint64_t partitions = in.varint(); partitions > 0 && in.ok(); --partitions) {
      PartitionHead& p = topic.partitions.emplace_back();
      p.log_start = in.i64(), p.next_offset = in.i64(), p.reconciled_floor = in.i64();
      if (version >= 2) p.last_removed_us = in.i64();
      for (uint64_t runs = in.varint(); runs > 0 && in.ok(); --runs) {
        const uint64_t object = in.u64();
        const ObjectRun run = version >= 5 ? decode_compacted_run(in) : decode_run(in);
        p.runs[run.base.value] = {object, run};
        ++state.live_runs_[object];
      }
      TRY_ASSIGN(p.producers, ProducerTable::decode(in, version));
      if (version >= 3) {
        TRY_ASSIGN(p.transactions, PartitionTransactions::decode(in));
      }
    }
    topic.info.partitions = static_cast<int32_t>(topic.partitions.size());
    state.partition_count_ += topic.info.partitions;
    state.by_name_[topic.info.name] = id;
  }
  for (uint64_t groups = in.varint(); groups > 0 && in.ok(); --groups) {
    std::string group(in.sized());
    state.groups_[std::move(group)] = version >= 6 ? decode_expiring_offsets(in) : decode_offsets(in);
  }
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) state.reserved_.insert(in.u64());
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    const uint64_t object = in.u64();
    state.doomed_[object] = in.i64();
  }
  if (version >= 3) {
    TRY_ASSIGN(state.transactions_, TransactionTable::decode(in));
  }
  for (uint64_t spaces = version >= 4 ? in.varint() : 0; spaces > 0 && in.ok(); --spaces) {
    std::string space(in.sized());
    state.entries_[std::move(space)] = decode_texts(in);
  }
  if (!in.ok() || !in.at_end()) return corruption("metadata snapshot does not parse");
  return state;
}

}  // namespace ms::log
