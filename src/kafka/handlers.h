// The APIs we speak: one handler each, in handlers/NN_name.cc.
#pragma once

#include <span>

#include "kafka/broker.h"
#include "kafka/call.h"
#include "kafka/request_log.h"

namespace ms::kafka {

using Handler = void (*)(Broker&, Call);

struct ApiEntry {
  ApiSpec spec;
  Handler handler;
  RequestMetrics* metrics;
};

std::span<const ApiEntry> api_table();  // by ascending key
void handle_bare_token(Broker& broker, Call call);  // a frame that is a token, counted as SaslAuthenticate
const ApiEntry* find_api(int16_t key);  // nullptr: not advertised

void handle_produce(Broker& broker, Call call);
void handle_fetch(Broker& broker, Call call);
void handle_list_offsets(Broker& broker, Call call);
void handle_metadata(Broker& broker, Call call);
void handle_offset_commit(Broker& broker, Call call);
void handle_offset_fetch(Broker& broker, Call call);
void handle_find_coordinator(Broker& broker, Call call);
void handle_join_group(Broker& broker, Call call);
void handle_heartbeat(Broker& broker, Call call);
void handle_leave_group(Broker& broker, Call call);
void handle_sync_group(Broker& broker, Call call);
void handle_describe_groups(Broker& broker, Call call);
void handle_list_groups(Broker& broker, Call call);
void handle_sasl_handshake(Broker& broker, Call call);
void handle_api_versions(Broker& broker, Call call);
void handle_create_topics(Broker& broker, Call call);
void handle_delete_topics(Broker& broker, Call call);
void handle_delete_records(Broker& broker, Call call);
void handle_init_producer_id(Broker& broker, Call call);
void handle_offset_for_leader_epoch(Broker& broker, Call call);
void handle_add_partitions_to_txn(Broker& broker, Call call);
void handle_add_offsets_to_txn(Broker& broker, Call call);
void handle_end_txn(Broker& broker, Call call);
void handle_txn_offset_commit(Broker& broker, Call call);
void handle_describe_acls(Broker& broker, Call call);
void handle_create_acls(Broker& broker, Call call);
void handle_delete_acls(Broker& broker, Call call);
void handle_describe_configs(Broker& broker, Call call);
void handle_alter_configs(Broker& broker, Call call);
void handle_describe_log_dirs(Broker& broker, Call call);
void handle_sasl_authenticate(Broker& broker, Call call);
void handle_create_partitions(Broker& broker, Call call);
void handle_delete_groups(Broker& broker, Call call);
void handle_elect_leaders(Broker& broker, Call call);
void handle_incremental_alter_configs(Broker& broker, Call call);
void handle_alter_partition_reassignments(Broker& broker, Call call);
void handle_list_partition_reassignments(Broker& broker, Call call);
void handle_offset_delete(Broker& broker, Call call);
void handle_describe_client_quotas(Broker& broker, Call call);
void handle_alter_client_quotas(Broker& broker, Call call);
void handle_describe_user_scram_credentials(Broker& broker, Call call);
void handle_alter_user_scram_credentials(Broker& broker, Call call);
void handle_describe_cluster(Broker& broker, Call call);
void handle_describe_producers(Broker& broker, Call call);
void handle_describe_transactions(Broker& broker, Call call);
void handle_list_transactions(Broker& broker, Call call);
void handle_consumer_group_heartbeat(Broker& broker, Call call);
void handle_consumer_group_describe(Broker& broker, Call call);
void handle_list_config_resources(Broker& broker, Call call);
void handle_describe_topic_partitions(Broker& broker, Call call);

}  // namespace ms::kafka
