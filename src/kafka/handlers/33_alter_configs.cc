// AlterConfigs (33), versions 0-2: the old form, which replaces everything a topic or a group has set.
#include "kafka/config_resources.h"
#include "kafka/handlers.h"
#include "kafka/messages/alter_configs.h"

namespace ms::kafka {

void handle_alter_configs(Broker& broker, Call call) {
  AlterConfigsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    AlterConfigsResponse response;
    std::vector<ConfigChanges> wanted;
    for (const auto& resource : request.resources) {
      ConfigChanges& one = wanted.emplace_back(resource.resource_type, resource.resource_name, std::vector<ConfigChange>{}, true, request.validate_only);
      for (const auto& c : resource.configs) one.changes.push_back({c.name, ConfigOperation::kSet, c.value});
    }
    std::vector<ConfigOutcome> outcomes = change_configs(broker, call, wanted);
    for (size_t i = 0; i < outcomes.size(); ++i)
      response.responses.push_back({code(outcomes[i].error), std::move(outcomes[i].message), wanted[i].resource_type, wanted[i].resource_name});
    call.reply(response);
  });
}

}  // namespace ms::kafka
