// IncrementalAlterConfigs (44), versions 0-1: set, delete, append to and subtract from lists. Topics only.
#include "kafka/config_resources.h"
#include "kafka/handlers.h"
#include "kafka/messages/incremental_alter_configs.h"

namespace ms::kafka {

void handle_incremental_alter_configs(Broker& broker, Call call) {
  IncrementalAlterConfigsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = std::move(call), request = std::move(request)]() mutable {
    IncrementalAlterConfigsResponse response;
    for (const auto& resource : request.resources) {
      ConfigChanges wanted{resource.resource_type, resource.resource_name, {}, false, request.validate_only};
      for (const auto& c : resource.configs) wanted.changes.push_back({c.name, static_cast<ConfigOperation>(c.config_operation), c.value});
      auto outcome = change_config(broker.log, wanted);
      response.responses.push_back({code(outcome.error), std::move(outcome.message), resource.resource_type, resource.resource_name});
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
