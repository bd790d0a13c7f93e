#include "kafka/admin/quota_admin.h"

#include <fmt/format.h>

#include "kafka/admin/admin_error.h"
#include "kafka/messages/alter_client_quotas.h"
#include "kafka/messages/describe_client_quotas.h"

namespace ms::kafka {

QuotaFilter only(const QuotaEntity& entity) {
  QuotaFilter filter{.parts = {}, .strict = true};
  for (const auto& [type, name] : entity) filter.parts.push_back({type, name ? QuotaPart::Match::kName : QuotaPart::Match::kDefault, name});
  return filter;
}

std::string quota_entity_text(const QuotaEntity& entity) {
  std::string out;
  for (auto part = entity.rbegin(); part != entity.rend(); ++part) {  // the user first
    const auto& [type, name] = *part;
    if (!out.empty()) out += ", ";
    out += name ? fmt::format("{} '{}'", type, *name) : "default " + type;
  }
  return out;
}

Result<QuotaTable> list_quotas(AdminClient& client, const QuotaFilter& filter) {
  DescribeClientQuotasRequest request;
  for (const QuotaPart& part : filter.parts) request.components.push_back({part.type, static_cast<int8_t>(part.match), part.name});
  request.strict = filter.strict;
  TRY_ASSIGN(const auto answer, client.call<DescribeClientQuotasResponse>(request));
  TRY(check(answer.error_code, "the list of quotas", answer.error_message));
  QuotaTable table;
  if (!answer.entries) return table;
  for (const auto& entry : *answer.entries) {
    QuotaEntity entity;
    for (const auto& part : entry.entity) entity[part.entity_type] = part.entity_name;
    for (const auto& value : entry.values) table[entity][value.key] = value.value;
  }
  return table;
}

Result<> change_quotas(AdminClient& client, const QuotaChange& change, QuotaTrial trial) {
  AlterClientQuotasRequest request;
  request.validate_only = trial == QuotaTrial::kYes;
  auto& entry = request.entries.emplace_back();
  for (const auto& [type, name] : change.entity) entry.entity.push_back({.entity_type = type, .entity_name = name});
  for (const auto& [key, value] : change.values) entry.ops.push_back({.key = key, .value = value.value_or(0), .remove = !value});
  TRY_ASSIGN(const auto answer, client.call<AlterClientQuotasResponse>(request));
  if (answer.entries.size() != 1) return corruption("AlterClientQuotas was answered without the entity");
  return check(answer.entries.front().error_code, quota_entity_text(change.entity), answer.entries.front().error_message);
}

}  // namespace ms::kafka
