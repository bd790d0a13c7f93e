#include "log/partition_transactions.h"

#include <algorithm>

namespace ms::log {

BatchRole role_of(const RecordBatchHeader& header, std::span<const uint8_t> batch) {
  if (!header.transactional()) return {};
  if (!header.control()) return {BatchRole::Kind::kTransactional, header.producer_id};
  const auto commit = marker_commits(batch);
  if (!commit) return {};
  return {*commit ? BatchRole::Kind::kCommitMarker : BatchRole::Kind::kAbortMarker, header.producer_id};
}

void PartitionTransactions::add(const BatchRole& role, int64_t base) {
  if (role.kind == BatchRole::Kind::kPlain) return;
  if (role.kind == BatchRole::Kind::kTransactional) {
    open_.try_emplace(role.producer_id, base);
    return;
  }
  const auto open = open_.find(role.producer_id);
  if (open == open_.end()) return;  // the partition was in the transaction, but nothing was written to it
  const int64_t first = open->second;
  open_.erase(open);
  if (role.kind == BatchRole::Kind::kAbortMarker)
    aborted_.push_back({{.producer_id = role.producer_id, .first = {first}, .marker = {base}}, last_stable(0, base + 1)});
}

void PartitionTransactions::forget_below(int64_t log_start) {
  const auto kept = std::ranges::lower_bound(aborted_, log_start, {}, [](const Aborted& a) { return a.transaction.marker.value; });
  aborted_.erase(aborted_.begin(), kept);
}

void PartitionTransactions::forget(Offset marker) {
  std::erase_if(aborted_, [&](const Aborted& a) { return a.transaction.marker == marker; });
}

int64_t PartitionTransactions::last_stable(int64_t log_start, int64_t next) const {
  int64_t stable = next;
  for (const auto& [producer, first] : open_) stable = std::min(stable, first);
  return std::max(stable, log_start);
}

std::optional<int64_t> PartitionTransactions::open_since(int64_t producer_id) const {
  const auto open = open_.find(producer_id);
  return open == open_.end() ? std::nullopt : std::optional(open->second);
}

std::vector<AbortedTransaction> PartitionTransactions::aborted_in(int64_t from, int64_t until) const {
  std::vector<AbortedTransaction> out;
  for (auto at = std::ranges::lower_bound(aborted_, from, {}, [](const Aborted& a) { return a.transaction.marker.value; });
       at != aborted_.end(); ++at) {
    if (at->transaction.first.value < until) out.push_back(at->transaction);
    if (at->stable >= until) break;
  }
  return out;
}

void PartitionTransactions::encode(ByteWriter& out) const {
  out.varint(open_.size());
  for (const auto& [producer, first] : open_) out.i64(producer), out.i64(first);
  out.varint(aborted_.size());
  for (const Aborted& a : aborted_)
    out.i64(a.transaction.producer_id), out.i64(a.transaction.first.value), out.i64(a.transaction.marker.value), out.i64(a.stable);
}

Result<PartitionTransactions> PartitionTransactions::decode(ByteReader& in) {
  PartitionTransactions out;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    const int64_t producer = in.i64();
    out.open_[producer] = in.i64();
  }
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    Aborted& a = out.aborted_.emplace_back();
    a.transaction.producer_id = in.i64(), a.transaction.first.value = in.i64(), a.transaction.marker.value = in.i64(), a.stable = in.i64();
  }
  if (!in.ok()) return corruption("transactions of a partition: cut short");
  return out;
}

bool is_committed(std::span<const uint8_t> batch, Offset base, std::span<const AbortedTransaction> aborted) {
  const auto header = parse_record_batch(batch);
  if (!header || !header->transactional()) return true;
  if (header->control()) return false;
  return std::ranges::none_of(aborted, [&](const AbortedTransaction& a) {
    return a.producer_id == header->producer_id && a.first <= base && base < a.marker;
  });
}

}  // namespace ms::log
