// The Kafka protocol over TCP in front of the log. The one door of kafka/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "io/runtime.h"
#include "io/tls_credentials.h"
#include "log/log.h"
#include "security/authority.h"

namespace ms::kafka {

// Of groups with the protocol of KIP-848; members learn them from the coordinator.
struct ConsumerGroupSettings {
  int64_t session_timeout_ms = 45'000;
  int64_t heartbeat_interval_ms = 5'000;
};

// A way in, and what clients that came by it are told about where this broker is.
struct Listener {
  std::string host = "127.0.0.1";            // an IP address
  uint16_t port = 0;                         // 0: a free one
  std::string advertised_host;               // empty: host
  uint16_t advertised_port = 0;              // 0: the port that is listened on
  std::shared_ptr<io::TlsCredentials> tls;   // empty: in the clear
};

struct KafkaServerOptions {
  std::vector<Listener> listeners = std::vector<Listener>(1);
  int32_t node_id = 1;
  std::string cluster_id = "millstream";
  bool auto_create_topics = true;
  int32_t default_partitions = 1;
  size_t connections_max = 10'000;                // of each listener
  size_t request_bytes_max = 100u << 20;          // Kafka's socket.request.max.bytes
  size_t request_memory_bytes_max = 512u << 20;   // over all requests of a listener being read or worked on
  size_t response_memory_bytes_max = 256u << 20;  // of fetched batches on their way to clients; beyond it one batch per fetch
  // Deletes a topic, or says why it must stay (kConflict: POLICY_VIOLATION). Empty: the log deletes any. Called on a worker.
  std::function<Result<>(const log::TopicInfo&)> delete_topic;
  // The same for changes of a topic's configuration.
  std::function<Result<>(const log::TopicInfo&, const std::map<std::string, std::optional<std::string>>&)> alter_topic;
  size_t group_memory_bytes_max = 256u << 20;     // what the members of all groups bring: metadata and assignments
  int64_t group_initial_rebalance_delay_ms = 500;
  int64_t group_session_timeout_min_ms = 6'000;
  int64_t group_session_timeout_max_ms = 1'800'000;
  ConsumerGroupSettings consumer_groups;
  int64_t offsets_retention_minutes = 7 * 24 * 60;         // committed offsets nobody uses are forgotten after this long
  int64_t offsets_retention_check_interval_ms = 600'000;  // 0: only when expire_offsets() is called
  const Clock* clock = &system_clock();                    // of commits and their expiry
  int64_t slow_request_ms = 500;    // a request that takes so long is logged; 0: none
  size_t topic_metrics_max = 1'000;  // topics with counters of their own
  security::Authority* authority = nullptr;       // who may what; null: everybody may do everything. Outlives the server
  bool plain_in_the_clear = false;                // passwords are taken from connections that can be listened to
};

class KafkaServer {
 public:
  // Listens and serves. Errors: kConflict (port in use), kInvalidArgument (host). The log and the runtime must outlive it,
  // and the runtime must outlive the log's last callback: stop this, close the log, then stop the runtime.
  static Result<std::unique_ptr<KafkaServer>> start(KafkaServerOptions options, log::Log& log, io::IoRuntime& runtime);
  ~KafkaServer();  // stops
  uint16_t port(size_t listener = 0) const;
  void expire_offsets();  // one check for expired offsets, to its end. Not on an IoThread, and not after stop()
  // Closes every connection and waits, within seconds, until no request is being worked on. Not on an IoThread. Idempotent.
  void stop();

 private:
  struct Impl;
  explicit KafkaServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ms::kafka
