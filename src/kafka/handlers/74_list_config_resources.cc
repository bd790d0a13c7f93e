// ListConfigResources (74), versions 0-1. Version 0 asks for client metrics alone. Topics, the broker and groups with
// settings of their own have configurations; client metrics and the broker's loggers have none here. Other types are UNSUPPORTED_VERSION.
#include <set>

#include "kafka/group_config.h"
#include "kafka/handlers.h"
#include "kafka/messages/list_config_resources.h"

namespace ms::kafka {

namespace {

constexpr int8_t kTopic = 2, kBroker = 4, kBrokerLogger = 8, kClientMetrics = 16, kGroup = 32;

}  // namespace

void handle_list_config_resources(Broker& broker, Call call) {
  ListConfigResourcesRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kDescribeConfigs, cluster_resource())) {
    ListConfigResourcesResponse response;
    response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    return call.reply(response);
  }
  ListConfigResourcesResponse response;
  const std::set<int8_t> known{kTopic, kBroker, kBrokerLogger, kClientMetrics, kGroup};
  std::set<int8_t> asked(request.resource_types.begin(), request.resource_types.end());
  if (call.version() == 0) asked = {kClientMetrics};
  if (asked.empty()) asked = known;
  if (!std::ranges::includes(known, asked)) {
    response.error_code = code(ErrorCode::kUnsupportedVersion);
    return call.reply(response);
  }
  if (asked.contains(kTopic))
    for (const log::TopicInfo& info : broker.log.topics()) response.config_resources.push_back({info.name, kTopic});
  if (asked.contains(kBroker)) response.config_resources.push_back({std::to_string(broker.options.node_id), kBroker});
  if (asked.contains(kGroup))
    for (const auto& [group, set] : group_configs(broker.log)) response.config_resources.push_back({group, kGroup});
  call.reply(response);
}

}  // namespace ms::kafka
