#include "kafka/audit_changes.h"

#include <fmt/format.h>

#include "kafka/broker.h"

namespace ms::kafka {

namespace {

security::Audit* audit_of(Broker& broker) { return broker.options.authority ? broker.options.authority->audit() : nullptr; }

void add(std::string& list, std::string one) { list += (list.empty() ? "" : " ") + std::move(one); }

std::string text_of(const ConfigChange& change) {
  constexpr std::string_view kSigns[] = {"=", "", "+=", "-="};
  const auto& sign = kSigns[static_cast<size_t>(change.operation)];
  return change.operation == ConfigOperation::kDelete ? change.name : fmt::format("{}{}{}", change.name, sign, change.value.value_or(""));
}

}  // namespace

void audit_quota_change(Broker& broker, Call& call, const QuotaChange& change) {
  security::Audit* audit = audit_of(broker);
  if (!audit) return;
  std::string changes;
  for (const auto& [key, value] : change.values) add(changes, value ? fmt::format("{}={}", key, *value) : key);
  audit->write("quota_changed", {{"principal", call.session().principal()}, {"host", call.session().host()}, {"entity", format_quota_entity(change.entity)}, {"changes", changes}});
}

void audit_topic_created(Broker& broker, Call& call, const std::string& name) {
  security::Audit* audit = audit_of(broker);
  if (audit) audit->write("topic_created", {{"principal", call.session().principal()}, {"host", call.session().host()}, {"resource_type", "TOPIC"}, {"resource", name}});
}

void audit_config_change(Broker& broker, Call& call, const ConfigChanges& change) {
  security::Audit* audit = audit_of(broker);
  if (!audit) return;
  std::string changes;
  for (const ConfigChange& one : change.changes) add(changes, text_of(one));
  const Resource resource = config_resource(change.resource_type, change.resource_name);
  audit->write("config_changed", {{"principal", call.session().principal()}, {"host", call.session().host()}, {"resource_type", to_string(resource.type)},
                                  {"resource", change.resource_name}, {"changes", changes}, {"others", change.replace_all ? "default" : ""}});
}

}  // namespace ms::kafka
