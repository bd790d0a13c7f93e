// AlterConfigs (33), versions 0-2: the old form, which replaces everything a topic has set. Topics only.
#include "kafka/config_resources.h"
#include "kafka/handlers.h"
#include "kafka/messages/alter_configs.h"

namespace ms::kafka {

void handle_alter_configs(Broker& broker, Call call) {
  AlterConfigsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = std::move(call), request = std::move(request)]() mutable {
    AlterConfigsResponse response;
    for (const auto& resource : request.resources) {
      ConfigChanges wanted{resource.resource_type, resource.resource_name, {}, true, request.validate_only};
      for (const auto& c : resource.configs)
        wanted.changes.push_back({c.name, c.value ? ConfigOperation::kSet : ConfigOperation::kDelete, c.value});
      auto outcome = change_config(broker.log, wanted);
      response.responses.push_back({code(outcome.error), std::move(outcome.message), resource.resource_type, resource.resource_name});
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
