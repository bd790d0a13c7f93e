#include "kafka/handlers.h"

#include <algorithm>
#include <string>

#include "kafka/messages/all.h"

namespace ms::kafka {

namespace {

template <class Request>
ApiEntry entry(Handler handler) {
  static RequestMetrics metrics(Request::kApi.name);
  return {Request::kApi, handler, &metrics};
}

}  // namespace

std::span<const ApiEntry> api_table() {
  static const std::vector<ApiEntry> table = {
      entry<ProduceRequest>(handle_produce),
      entry<FetchRequest>(handle_fetch),
      entry<ListOffsetsRequest>(handle_list_offsets),
      entry<MetadataRequest>(handle_metadata),
      entry<OffsetCommitRequest>(handle_offset_commit),
      entry<OffsetFetchRequest>(handle_offset_fetch),
      entry<FindCoordinatorRequest>(handle_find_coordinator),
      entry<JoinGroupRequest>(handle_join_group),
      entry<HeartbeatRequest>(handle_heartbeat),
      entry<LeaveGroupRequest>(handle_leave_group),
      entry<SyncGroupRequest>(handle_sync_group),
      entry<DescribeGroupsRequest>(handle_describe_groups),
      entry<ListGroupsRequest>(handle_list_groups),
      entry<SaslHandshakeRequest>(handle_sasl_handshake),
      entry<ApiVersionsRequest>(handle_api_versions),
      entry<CreateTopicsRequest>(handle_create_topics),
      entry<DeleteTopicsRequest>(handle_delete_topics),
      entry<DeleteRecordsRequest>(handle_delete_records),
      entry<InitProducerIdRequest>(handle_init_producer_id),
      entry<OffsetForLeaderEpochRequest>(handle_offset_for_leader_epoch),
      entry<AddPartitionsToTxnRequest>(handle_add_partitions_to_txn),
      entry<AddOffsetsToTxnRequest>(handle_add_offsets_to_txn),
      entry<EndTxnRequest>(handle_end_txn),
      entry<TxnOffsetCommitRequest>(handle_txn_offset_commit),
      entry<DescribeAclsRequest>(handle_describe_acls),
      entry<CreateAclsRequest>(handle_create_acls),
      entry<DeleteAclsRequest>(handle_delete_acls),
      entry<DescribeConfigsRequest>(handle_describe_configs),
      entry<AlterConfigsRequest>(handle_alter_configs),
      entry<DescribeLogDirsRequest>(handle_describe_log_dirs),
      entry<SaslAuthenticateRequest>(handle_sasl_authenticate),
      entry<CreatePartitionsRequest>(handle_create_partitions),
      entry<DeleteGroupsRequest>(handle_delete_groups),
      entry<ElectLeadersRequest>(handle_elect_leaders),
      entry<IncrementalAlterConfigsRequest>(handle_incremental_alter_configs),
      entry<AlterPartitionReassignmentsRequest>(handle_alter_partition_reassignments),
      entry<ListPartitionReassignmentsRequest>(handle_list_partition_reassignments),
      entry<OffsetDeleteRequest>(handle_offset_delete),
      entry<DescribeClientQuotasRequest>(handle_describe_client_quotas),
      entry<AlterClientQuotasRequest>(handle_alter_client_quotas),
      entry<DescribeUserScramCredentialsRequest>(handle_describe_user_scram_credentials),
      entry<AlterUserScramCredentialsRequest>(handle_alter_user_scram_credentials),
      entry<DescribeClusterRequest>(handle_describe_cluster),
      entry<DescribeProducersRequest>(handle_describe_producers),
      entry<DescribeTransactionsRequest>(handle_describe_transactions),
      entry<ListTransactionsRequest>(handle_list_transactions),
      entry<ConsumerGroupHeartbeatRequest>(handle_consumer_group_heartbeat),
      entry<ConsumerGroupDescribeRequest>(handle_consumer_group_describe),
      entry<ListConfigResourcesRequest>(handle_list_config_resources),
      entry<DescribeTopicPartitionsRequest>(handle_describe_topic_partitions),
  };
  return table;
}

const ApiEntry* find_api(int16_t key) {
  const auto table = api_table();
  const auto at = std::lower_bound(table.begin(), table.end(), key, [](const ApiEntry& e, int16_t k) { return e.spec.key < k; });
  return at != table.end() && at->spec.key == key ? &*at : nullptr;
}

}  // namespace ms::kafka
