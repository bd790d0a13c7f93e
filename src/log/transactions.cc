#include "log/transactions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace ms::log {
namespace {

Unexpected fenced(const std::string& id, ProducerIdentity by, ProducerIdentity now) {
  return fail(ErrorKind::kFenced, fmt::format("transactional id '{}': producer {} epoch {} was replaced by producer {} epoch {}", id, by.id,
                                              by.epoch, now.id, now.epoch));
}
Unexpected wrong_state(const std::string& id, const char* what) {
  return fail(ErrorKind::kConflict, fmt::format("transactional id '{}': {}", id, what));
}

void open(Transaction& t, AppendTime now) {
  t.changed = now;
  if (t.state == TransactionState::kOngoing) return;
  t.state = TransactionState::kOngoing;
  t.started = now;
}

// The identity after a bump; a fresh producer id when the epochs are used up.
ProducerIdentity bumped(ProducerIdentity p, int64_t& next_producer_id) {
  if (p.epoch >= TransactionTable::kEpochMax) return {next_producer_id++, 0};
  return {p.id, static_cast<int16_t>(p.epoch + 1)};
}
int16_t fencing_epoch(ProducerIdentity p) { return static_cast<int16_t>(std::min<int>(p.epoch + 1, INT16_MAX)); }

TransactionOutcome unchanged(const Transaction& t) { return {.producer = t.producer, .changed = false, .end = {}}; }

}  // namespace

Result<TransactionOutcome> TransactionTable::apply(const TransactionStep& step, AppendTime now, int64_t& next_producer_id) {
  Context context{now, next_producer_id};
  return std::visit([&](const auto& s) { return on(s, context); }, step);
}

// ---- finding the producer

Result<Transaction*> TransactionTable::find(const std::string& id, ProducerIdentity by) {
  const auto found = transactions_.find(id);
  if (found == transactions_.end()) return not_found(fmt::format("no transactional id '{}'", id));
  Transaction& t = found->second;
  if (by == t.producer) return &t;
  if (by.id == t.producer.id ? by.epoch < t.producer.epoch : by.id == t.previous.id) return fenced(id, by, t.producer);
  if (by.id != t.producer.id) return not_found(fmt::format("transactional id '{}' has producer {}, not {}", id, t.producer.id, by.id));
  return fenced(id, by, t.producer);
}

void TransactionTable::change_producer(const std::string& id, Transaction& t, ProducerIdentity to) {
  if (to.id != t.producer.id) {
    by_producer_.erase(t.producer.id);
    by_producer_[to.id] = id;
  }
  t.previous = t.producer;
  t.producer = to;
}

TransactionEnd TransactionTable::close(Transaction& t, bool commit, int16_t marker_epoch, AppendTime now) {
  TransactionEnd end{.marker = {t.producer.id, marker_epoch}, .commit = commit, .partitions = std::exchange(t.partitions, {}),
                     .offsets = std::exchange(t.offsets, {})};
  t.groups.clear();
  t.state = commit ? TransactionState::kCompleteCommit : TransactionState::kCompleteAbort;
  t.changed = now;
  return end;
}

// ---- the steps

Result<TransactionOutcome> TransactionTable::on(const InitTransaction& s, Context& c) {
  const auto found = transactions_.find(s.id);
  if (found == transactions_.end()) {
    if (transactions_.size() >= kIdsMax) return fail(ErrorKind::kExhausted, fmt::format("there are {} transactional ids already", kIdsMax));
    Transaction& t = transactions_[s.id];
    t.producer = {c.next_producer_id++, 0};
    t.timeout_ms = s.timeout_ms;
    t.changed = c.now;
    by_producer_[t.producer.id] = s.id;
    return TransactionOutcome{.producer = t.producer, .changed = true, .end = {}};
  }
  Transaction& t = found->second;
  if (s.expected.id != kNoProducerId && s.expected != t.producer) {
    if (s.expected == t.previous && t.state == TransactionState::kEmpty) return unchanged(t);  // its first answer was lost
    return fenced(s.id, s.expected, t.producer);
  }
  TransactionOutcome out;
  if (t.state == TransactionState::kOngoing) out.end = close(t, false, fencing_epoch(t.producer), c.now);
  change_producer(s.id, t, bumped(t.producer, c.next_producer_id));
  if (s.expected.id == kNoProducerId) t.previous = {};  // another process: those before it are not answered
  t.state = TransactionState::kEmpty;
  t.timeout_ms = s.timeout_ms;
  t.changed = c.now;
  out.producer = t.producer;
  return out;
}

Result<TransactionOutcome> TransactionTable::on(const AddTransactionPartitions& s, Context& c) {
  TRY_ASSIGN(Transaction * t, find(s.id, s.by));
  const size_t fresh = static_cast<size_t>(std::ranges::count_if(s.partitions, [&](const auto& p) { return !t->partitions.contains(p); }));
  if (t->state == TransactionState::kOngoing && fresh == 0) return unchanged(*t);
  if (t->partitions.size() + fresh > kPartitionsMax)
    return fail(ErrorKind::kExhausted, fmt::format("a transaction may have {} partitions", kPartitionsMax));
  open(*t, c.now);
  t->partitions.insert(s.partitions.begin(), s.partitions.end());
  return TransactionOutcome{.producer = t->producer, .changed = true, .end = {}};
}

Result<TransactionOutcome> TransactionTable::on(const AddTransactionGroup& s, Context& c) {
  TRY_ASSIGN(Transaction * t, find(s.id, s.by));
  if (t->state == TransactionState::kOngoing && t->groups.contains(s.group)) return unchanged(*t);
  if (t->groups.size() >= kOffsetsMax) return fail(ErrorKind::kExhausted, fmt::format("a transaction may have {} groups", kOffsetsMax));
  open(*t, c.now);
  t->groups.insert(s.group);
  return TransactionOutcome{.producer = t->producer, .changed = true, .end = {}};
}

Result<TransactionOutcome> TransactionTable::on(const StageTransactionOffsets& s, Context& c) {
  TRY_ASSIGN(Transaction * t, find(s.id, s.by));
  if (!s.joins && !(t->state == TransactionState::kOngoing && t->groups.contains(s.group)))
    return wrong_state(s.id, "the group was not added to a transaction");
  size_t staged = s.offsets.size();
  for (const auto& [group, offsets] : t->offsets) staged += offsets.size();
  if (staged > kOffsetsMax) return fail(ErrorKind::kExhausted, fmt::format("a transaction may stage {} offsets", kOffsetsMax));
  open(*t, c.now);
  t->groups.insert(s.group);
  for (const auto& [key, value] : s.offsets) t->offsets[s.group][key] = value;
  return TransactionOutcome{.producer = t->producer, .changed = true, .end = {}};
}

Result<TransactionOutcome> TransactionTable::on(const EndTransaction& s, Context& c) {
  const auto wanted = s.commit ? TransactionState::kCompleteCommit : TransactionState::kCompleteAbort;
  if (const auto known = transactions_.find(s.id); s.bumps_epoch && known != transactions_.end())
    if (s.by == known->second.previous && known->second.state == wanted) return unchanged(known->second);  // a retry
  TRY_ASSIGN(Transaction * t, find(s.id, s.by));
  const bool ongoing = t->state == TransactionState::kOngoing;
  if (!s.bumps_epoch) {
    if (t->state == wanted) return unchanged(*t);  // a retry
    if (!ongoing) return wrong_state(s.id, "no transaction is open that could end so");
    TransactionOutcome out{.producer = t->producer, .changed = true, .end = close(*t, s.commit, t->producer.epoch, c.now)};
    return out;
  }
  // A producer that has sent nothing may abort: it gets its next epoch all the same.
  if (!ongoing && s.commit) return wrong_state(s.id, "no transaction is open that could be committed");
  TransactionOutcome out{.producer = {}, .changed = true, .end = close(*t, s.commit, fencing_epoch(t->producer), c.now)};
  change_producer(s.id, *t, bumped(t->producer, c.next_producer_id));
  out.producer = t->producer;
  return out;
}

Result<TransactionOutcome> TransactionTable::on(const ExpireTransaction& s, Context& c) {
  TRY_ASSIGN(Transaction * t, find(s.id, s.by));
  if (t->state != TransactionState::kOngoing) return unchanged(*t);
  TransactionOutcome out{.producer = {}, .changed = true, .end = close(*t, false, fencing_epoch(t->producer), c.now)};
  change_producer(s.id, *t, bumped(t->producer, c.next_producer_id));
  out.producer = t->producer;
  return out;
}

Result<TransactionOutcome> TransactionTable::on(const ForgetTransactionalId& s, Context&) {
  TRY_ASSIGN(Transaction * t, find(s.id, s.by));
  if (t->state == TransactionState::kOngoing) return unchanged(*t);
  by_producer_.erase(t->producer.id);
  transactions_.erase(s.id);
  return TransactionOutcome{.producer = s.by, .changed = true, .end = {}};
}

// ---- questions

TransactionalAppend TransactionTable::check_append(ProducerIdentity by, const TopicPartition& to, const TransactionTerms& terms) const {
  const auto named = by_producer_.find(by.id);
  if (named == by_producer_.end() || (terms.id && *terms.id != named->second))
    return {AppendError::kInvalidProducerIdMapping, fmt::format("the transactional id does not have producer {}", by.id), {}};
  const Transaction& t = transactions_.at(named->second);
  if (by.epoch != t.producer.epoch)
    return {AppendError::kInvalidProducerEpoch, fmt::format("producer {} is at epoch {}, not {}", by.id, t.producer.epoch, by.epoch), {}};
  if (t.state == TransactionState::kOngoing && t.partitions.contains(to)) return {};
  if (!terms.joins) return {AppendError::kInvalidTxnState, fmt::format("the partition was not added to a transaction of '{}'", named->second), {}};
  if (t.partitions.size() >= kPartitionsMax)
    return {AppendError::kInvalidTxnState, fmt::format("a transaction may have {} partitions", kPartitionsMax), {}};
  return {AppendError::kNone, {}, AddTransactionPartitions{named->second, by, {to}}};
}

size_t TransactionTable::id_bytes(int64_t producer_id) const {
  const auto named = by_producer_.find(producer_id);
  return named == by_producer_.end() ? 0 : named->second.size();
}

size_t TransactionTable::markers_of(const TransactionStep& step) const {
  const auto found = transactions_.find(std::visit([](const auto& s) -> const std::string& { return s.id; }, step));
  return found == transactions_.end() ? 0 : found->second.partitions.size();
}

std::vector<TransactionStep> TransactionTable::due(AppendTime now, int64_t idle_ms) const {
  std::vector<TransactionStep> out;
  for (const auto& [id, t] : transactions_) {
    const bool ongoing = t.state == TransactionState::kOngoing;
    if (ongoing && now.us - t.started.us >= t.timeout_ms * kMicrosPerMilli) out.emplace_back(ExpireTransaction{id, t.producer});
    if (!ongoing && now.us - t.changed.us >= idle_ms * kMicrosPerMilli) out.emplace_back(ForgetTransactionalId{id, t.producer});
  }
  return out;
}

void TransactionTable::forget_topic(TopicId topic) {
  for (auto& [id, t] : transactions_) {
    std::erase_if(t.partitions, [&](const TopicPartition& p) { return p.topic == topic; });
    for (auto& [group, offsets] : t.offsets) std::erase_if(offsets, [&](const auto& item) { return item.first.first == topic; });
  }
}

// ---- the snapshot

void TransactionTable::encode(ByteWriter& out) const {
  const auto put = [&](ProducerIdentity p) { out.i64(p.id), out.u16(static_cast<uint16_t>(p.epoch)); };
  out.varint(transactions_.size());
  for (const auto& [id, t] : transactions_) {
    out.sized(id), put(t.producer), put(t.previous), out.i32(t.timeout_ms), out.u8(static_cast<uint8_t>(t.state));
    out.i64(t.started.us), out.i64(t.changed.us), out.varint(t.partitions.size());
    for (const TopicPartition& p : t.partitions) log::encode(out, p);
    out.varint(t.groups.size());
    for (const std::string& group : t.groups) out.sized(group);
    out.varint(t.offsets.size());
    for (const auto& [group, offsets] : t.offsets) out.sized(group), log::encode(out, offsets);
  }
}

Result<TransactionTable> TransactionTable::decode(ByteReader& in) {
  const auto get = [&] {
    ProducerIdentity p{.id = in.i64()};
    p.epoch = static_cast<int16_t>(in.u16());
    return p;
  };
  TransactionTable table;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    const std::string id(in.sized());
    Transaction& t = table.transactions_[id];
    t.producer = get(), t.previous = get(), t.timeout_ms = in.i32();
    const uint8_t state = in.u8();
    if (state > static_cast<uint8_t>(TransactionState::kCompleteAbort)) return corruption("impossible transaction state");
    t.state = static_cast<TransactionState>(state);
    t.started.us = in.i64(), t.changed.us = in.i64();
    for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) t.partitions.insert(decode_partition(in));
    for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) t.groups.emplace(in.sized());
    for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
      std::string group(in.sized());
      t.offsets[std::move(group)] = decode_offsets(in);
    }
    if (!table.by_producer_.emplace(t.producer.id, id).second) return corruption("two transactional ids have one producer");
  }
  if (!in.ok()) return corruption("transactions: cut short");
  return table;
}

}  // namespace ms::log
