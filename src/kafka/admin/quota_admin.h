// Quotas as an operator sees and changes them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kafka/admin/admin_client.h"
#include "kafka/quota_table.h"

namespace ms::kafka {

// One part of the entities that are asked for.
struct QuotaPart {
  enum class Match : int8_t { kName = 0, kDefault = 1, kAny = 2 };  // Kafka's numbers; the default is among any
  std::string type;
  Match match = Match::kAny;
  std::optional<std::string> name;  // with kName
};
struct QuotaFilter {
  std::vector<QuotaPart> parts;
  bool strict = false;  // entities that have no other part
};
// What fits this entity alone.
QuotaFilter only(const QuotaEntity& entity);

// "user 'alice', default client-id"
std::string quota_entity_text(const QuotaEntity& entity);

// Errors of both: those of AdminClient::call and of admin_error.h.
Result<QuotaTable> list_quotas(AdminClient& client, const QuotaFilter& filter);
enum class QuotaTrial : bool { kNo, kYes };  // kYes: the server looks whether it would do it
Result<> change_quotas(AdminClient& client, const QuotaChange& change, QuotaTrial trial);

}  // namespace ms::kafka
