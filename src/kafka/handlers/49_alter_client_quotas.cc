// AlterClientQuotas (49), versions 0-1: sets and lifts quotas of users, client ids, both, and addresses.
//
// - Each entry has its own verdict; the good ones are changed together and are durable when they are answered.
// - An ip is an address, not a name to look up. controller_mutation_rate is refused: it would bound nothing here.
#include "kafka/audit_changes.h"
#include "kafka/handlers.h"
#include "kafka/messages/alter_client_quotas.h"

namespace ms::kafka {

namespace {

using Request = AlterClientQuotasRequest;
using Answer = AlterClientQuotasResponse;

Result<QuotaEntity> entity_of(const Request::EntryData& entry) {
  QuotaEntity entity;
  for (const auto& part : entry.entity) {
    auto name = part.entity_name;
    if (name && part.entity_type == quota::kIp) name = usual_ip(*name).value_or(*name);
    if (!entity.emplace(part.entity_type, std::move(name)).second) return invalid("'" + part.entity_type + "' is named twice");
  }
  TRY(check_quota_entity(entity));
  return entity;
}

Result<QuotaChange> change_of(const Request::EntryData& entry) {
  QuotaChange change;
  TRY_ASSIGN(change.entity, entity_of(entry));
  for (const auto& op : entry.ops) {
    TRY(check_quota_key(change.entity, op.key));
    if (!op.remove) TRY(check_quota_value(op.key, op.value));
    if (!change.values.emplace(op.key, op.remove ? std::nullopt : std::optional(op.value)).second) return invalid("'" + op.key + "' is named twice");
  }
  return change;
}

ErrorCode to_code(const Error& error) {
  if (error.kind == ErrorKind::kInvalidArgument) return ErrorCode::kInvalidRequest;
  return error.kind == ErrorKind::kExhausted ? ErrorCode::kPolicyViolation : ErrorCode::kKafkaStorageError;
}

void set_error(Answer::EntryData& entry, const Error& error) {
  entry.error_code = code(to_code(error));
  entry.error_message = error.message;
}

Answer::EntryData& add_entry(Answer& answer, const Request::EntryData& asked) {
  auto& entry = answer.entries.emplace_back();
  for (const auto& part : asked.entity) entry.entity.push_back({.entity_type = part.entity_type, .entity_name = part.entity_name});
  return entry;
}

Answer denied(const Request& request, const std::string& why) {
  Answer answer;
  for (const auto& asked : request.entries) {
    auto& entry = add_entry(answer, asked);
    entry.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    entry.error_message = why;
  }
  return answer;
}

Answer alter(Broker& broker, Call& call, const Request& request) {
  Answer answer;
  std::vector<QuotaChange> changes;
  for (const auto& asked : request.entries) {
    auto& entry = add_entry(answer, asked);
    auto change = change_of(asked);
    if (change) changes.push_back(std::move(*change));
    else set_error(entry, change.error());
  }
  if (request.validate_only || changes.empty()) return answer;
  const auto done = broker.quotas.change(changes);
  for (const QuotaChange& change : changes)
    if (done) audit_quota_change(broker, call, change);
  for (auto& entry : answer.entries)
    if (!done && entry.error_code == 0) set_error(entry, done.error());
  return answer;
}

}  // namespace

void handle_alter_client_quotas(Broker& broker, Call call) {
  Request request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    Answer answer = call.may(Operation::kAlterConfigs, cluster_resource()) ? alter(broker, call, request) : denied(request, call.denial(Operation::kAlterConfigs, cluster_resource()));
    call.reply(answer);
  });
}

}  // namespace ms::kafka
