// The options of `millstream quota`: whose quotas, and which. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "kafka/admin/quota_admin.h"

namespace ms::server {

// As they were typed.
struct QuotaWords {
  std::vector<std::string> names;     // user=alice, client-id=loader, ip=10.0.0.1
  std::vector<std::string> defaults;  // user, client-id, ip: whoever has none by name
  std::vector<std::string> any;       // to list: entities that have such a part
  std::vector<std::string> quotas;    // to set: producer_byte_rate=1048576; to clear: producer_byte_rate
  bool strict = false;
};

// All errors: InvalidArgument naming the word.
Result<kafka::QuotaEntity> quota_entity(const QuotaWords& words);
Result<kafka::QuotaFilter> quota_filter(const QuotaWords& words);  // without any words: all
Result<kafka::QuotaChange> quotas_to_set(const QuotaWords& words);
// What is to be lifted of what the entity has, `now`; without words all of it. Errors also kNotFound with the nearest quota.
Result<kafka::QuotaChange> quotas_to_clear(const QuotaWords& words, const kafka::QuotaValues& now);

std::string quota_value_text(double value);  // "1048576", "12.5"

}  // namespace ms::server
