// TxnOffsetCommit (28), versions 0-5.
//
// - The offsets are staged: they are the group's when the transaction commits, and until then, from before the log has them, unstable
//   for OffsetFetch.
// - Up to version 4 the group must have been added (AddOffsetsToTxn; else INVALID_TXN_STATE, in version 4
//   TRANSACTION_ABORTABLE), from 5 on (KIP-890) this does it.
// - Who names a member or a generation must be one of the group; metadata up to 4096 bytes.
#include "kafka/handlers.h"
#include "kafka/messages/txn_offset_commit.h"
#include "kafka/offset_commits.h"
#include "kafka/topics.h"
#include "kafka/transactions.h"

namespace ms::kafka {

namespace {

struct Commit {
  TxnOffsetCommitRequest request;
  TxnOffsetCommitResponse response;
  log::StageTransactionOffsets step;
};

void plan(Broker& broker, Call& call, Commit& commit) {
  const TxnOffsetCommitRequest& r = commit.request;
  commit.step = {r.transactional_id, {r.producer_id, r.producer_epoch}, r.group_id, {}, call.version() >= 5};
  const int64_t now_ms = broker.wall_ms();
  for (const auto& topic : r.topics) {
    auto& out = commit.response.topics.emplace_back();
    out.name = topic.name;
    const auto info = broker.log.find_topic(topic.name);
    const bool may_read = call.may(Operation::kRead, topic_resource(topic.name));
    for (const auto& p : topic.partitions) {
      ErrorCode error = ErrorCode::kNone;
      const std::string metadata = p.committed_metadata.value_or("");
      if (!may_read) error = ErrorCode::kTopicAuthorizationFailed;
      else if (!has_partition(info, p.partition_index)) error = ErrorCode::kUnknownTopicOrPartition;
      else if (metadata.size() > kOffsetMetadataBytesMax) error = ErrorCode::kOffsetMetadataTooLarge;
      else commit.step.offsets[{info->id, p.partition_index}] = {{p.committed_offset}, p.committed_leader_epoch, metadata, now_ms};
      out.partitions.push_back({p.partition_index, code(error)});
    }
  }
}

ErrorCode error_of(const Error& error, int16_t version) {
  const ErrorCode code = transaction_error(error, ErrorCode::kInvalidProducerEpoch);
  return code == ErrorCode::kInvalidTxnState && version >= 4 ? ErrorCode::kTransactionAbortable : code;
}

ErrorCode may_commit(Broker& broker, const TxnOffsetCommitRequest& r) {
  if (r.group_id.empty()) return ErrorCode::kInvalidGroupId;
  if (r.member_id.empty() && r.generation_id < 0 && !r.group_instance_id) return ErrorCode::kNone;
  return broker.coordinator.may_commit(r.group_id, {r.member_id, r.group_instance_id, r.generation_id, kCommitWithEpochs});
}

// On the coordinator's thread: until this is over the group has no other members than those that it was asked about.
void stage(Broker& broker, Call call, std::unique_ptr<Commit> commit) {
  const ErrorCode allowed = may_commit(broker, commit->request);
  if (allowed != ErrorCode::kNone) refuse_group(commit->response.topics, allowed);
  if (allowed != ErrorCode::kNone || commit->step.offsets.empty()) return call.reply(commit->response);
  log::StageTransactionOffsets step = std::move(commit->step);
  std::set<log::OffsetKey> keys;
  for (const auto& [key, offset] : step.offsets) keys.insert(key);
  const uint64_t under_way = broker.offsets_under_way.begin(step.group, std::move(keys));
  broker.log.transact(std::move(step), [&broker, under_way, call = call.leave_for(Stage::kLog), commit = std::move(commit)](Result<log::ProducerIdentity> done) mutable {
    broker.offsets_under_way.end(under_way);
    if (!done) refuse_rest(commit->response.topics, error_of(done.error(), call.version()));
    call.reply(commit->response);
  });
}

}  // namespace

void handle_txn_offset_commit(Broker& broker, Call call) {
  auto commit = std::make_unique<Commit>();
  if (!call.decode(commit->request)) return;
  plan(broker, call, *commit);
  const TxnOffsetCommitRequest& r = commit->request;
  ErrorCode refused = ErrorCode::kNone;
  if (!call.may(Operation::kWrite, transaction_resource(r.transactional_id))) refused = ErrorCode::kTransactionalIdAuthorizationFailed;
  else if (!call.may(Operation::kRead, group_resource(r.group_id))) refused = ErrorCode::kGroupAuthorizationFailed;
  if (refused != ErrorCode::kNone) {
    for (auto& topic : commit->response.topics)
      for (auto& p : topic.partitions) p.error_code = code(refused);
    return call.reply(commit->response);
  }
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), commit = std::move(commit)]() mutable {
    call.enter(Stage::kWork);
    stage(broker, std::move(call), std::move(commit));
  });
}

}  // namespace ms::kafka
