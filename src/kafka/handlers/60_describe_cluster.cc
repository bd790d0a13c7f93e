// DescribeCluster (60), versions 0-2: one broker, which is the controller too. Only brokers can be asked for.
#include "kafka/handlers.h"
#include "kafka/messages/describe_cluster.h"
#include "kafka/topics.h"

namespace ms::kafka {

void handle_describe_cluster(Broker& broker, Call call) {
  DescribeClusterRequest request;
  if (!call.decode(request)) return;
  DescribeClusterResponse response;
  response.endpoint_type = request.endpoint_type;
  if (call.version() >= 1 && request.endpoint_type != 1) {
    response.error_code = code(ErrorCode::kUnsupportedEndpointType);
    response.error_message = "endpoint type " + std::to_string(request.endpoint_type) + " is not served, only brokers (1)";
    return call.reply(response);
  }
  response.cluster_id = broker.options.cluster_id;
  response.controller_id = broker.options.node_id;
  auto& self = response.brokers.emplace_back();
  self.broker_id = broker.options.node_id;
  self.host = call.advertised().host;
  self.port = call.advertised().port;
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = cluster_operations(call);
  call.reply(response);
}

}  // namespace ms::kafka
