// DescribeClientQuotas (48), versions 0-1: the quotas of the entities that match, by entity.
//
// - A component asks for a name (0), for the default (1) or for any of the type (2), the default among them. Without components: all.
// - What makes no sense is INVALID_REQUEST, an entity type that does not exist UNSUPPORTED_VERSION, as in Kafka.
#include <fmt/format.h>

#include "kafka/handlers.h"
#include "kafka/messages/describe_client_quotas.h"

namespace ms::kafka {

namespace {

using Request = DescribeClientQuotasRequest;
using Answer = DescribeClientQuotasResponse;
enum Match : int8_t { kExact = 0, kDefault = 1, kAny = 2 };

struct Refusal {
  ErrorCode error;
  std::string message;
};

std::optional<Refusal> check(const Request::ComponentData& component) {
  const std::string& type = component.entity_type;
  if (type.empty()) return Refusal{ErrorCode::kInvalidRequest, "an entity type is empty; there are user, client-id and ip"};
  if (type != quota::kUser && type != quota::kClientId && type != quota::kIp)
    return Refusal{ErrorCode::kUnsupportedVersion, fmt::format("'{}' is not an entity type; there are user, client-id and ip", type)};
  if (component.match_type < kExact || component.match_type > kAny)
    return Refusal{ErrorCode::kInvalidRequest, fmt::format("match type {} is none of 0 (a name), 1 (the default), 2 (any)", component.match_type)};
  if ((component.match_type == kExact) != component.match.has_value())
    return Refusal{ErrorCode::kInvalidRequest, fmt::format("{}: match type 0 needs a name, and the others take none", type)};
  return std::nullopt;
}

std::optional<Refusal> check(const Request& request) {
  std::set<std::string> types;
  for (const auto& component : request.components) {
    if (auto refusal = check(component)) return refusal;
    if (!types.insert(component.entity_type).second) return Refusal{ErrorCode::kInvalidRequest, fmt::format("'{}' is named twice", component.entity_type)};
  }
  if (types.contains(std::string(quota::kIp)) && types.size() > 1)
    return Refusal{ErrorCode::kInvalidRequest, "quotas of an ip have no user and no client-id; ask for one or the other"};
  return std::nullopt;
}

bool matches(const Request& request, const QuotaEntity& entity) {
  for (const auto& component : request.components) {
    const auto part = entity.find(component.entity_type);
    if (part == entity.end()) return false;
    if (component.match_type != kAny && part->second != component.match) return false;
  }
  return !request.strict || entity.size() == request.components.size();
}

void add(Answer& answer, const QuotaEntity& entity, const QuotaValues& values, AnswerRoom& room) {
  if (!room.take(sizeof(Answer::EntryData) + format_quota_entity(entity).size() + 8 * sizeof(Answer::EntryData::ValueData))) return;
  auto& entry = answer.entries->emplace_back();
  for (const auto& [type, name] : entity) entry.entity.push_back({.entity_type = type, .entity_name = name});
  for (const auto& [key, value] : values) entry.values.push_back({.key = key, .value = value});
}

}  // namespace

void handle_describe_client_quotas(Broker& broker, Call call) {
  Request request;
  if (!call.decode(request)) return;
  Answer answer;
  if (!call.may(Operation::kDescribeConfigs, cluster_resource())) {
    answer.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    answer.error_message = call.denial(Operation::kDescribeConfigs, cluster_resource());
    return call.reply(answer);
  }
  if (auto refusal = check(request)) {
    answer.error_code = code(refusal->error);
    answer.error_message = std::move(refusal->message);
    return call.reply(answer);
  }
  answer.entries.emplace();
  for (const auto& [entity, values] : *broker.quotas.table())
    if (matches(request, entity)) add(answer, entity, values, call.room());
  call.reply(answer);
}

}  // namespace ms::kafka
