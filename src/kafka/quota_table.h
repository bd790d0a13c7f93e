// Which quotas are set, and which of them bounds a client. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms::kafka {

namespace quota {
inline constexpr std::string_view kUser = "user", kClientId = "client-id", kIp = "ip";  // entity types
inline constexpr std::string_view kProducerByteRate = "producer_byte_rate", kConsumerByteRate = "consumer_byte_rate",
                                  kRequestPercentage = "request_percentage", kConnectionCreationRate = "connection_creation_rate";
}  // namespace quota

// Entity type -> name; nullopt is Kafka's default entity, for whoever has none by name.
using QuotaEntity = std::map<std::string, std::optional<std::string>, std::less<>>;
using QuotaValues = std::map<std::string, double, std::less<>>;  // by quota key
using QuotaTable = std::map<QuotaEntity, QuotaValues>;

struct QuotaChange {
  QuotaEntity entity;
  std::map<std::string, std::optional<double>, std::less<>> values;  // nullopt: lifted
};

// Whose rate is counted: every user of a default entity has one of its own.
struct QuotaLimit {
  double value = 0;
  QuotaEntity counted;  // no defaults
  bool operator==(const QuotaLimit&) const = default;
};

// The quota `key` of a client, in Kafka's order: (user, client-id), (user, default), user; the same three of the default user; client-id;
// the default client-id. nullopt: none.
std::optional<QuotaLimit> find_limit(const QuotaTable& table, std::string_view key, const std::string& user, const std::string& client_id);
// How many connections a second an address may open.
std::optional<QuotaLimit> find_ip_limit(const QuotaTable& table, const std::string& ip);

// An IP address in its one usual form; nullopt: the text is none.
std::optional<std::string> usual_ip(const std::string& text);

// Why this cannot be an entity, or the key not one of its quotas, or the value not one of the key's. Errors: kInvalidArgument.
Result<> check_quota_entity(const QuotaEntity& entity);
Result<> check_quota_key(const QuotaEntity& entity, std::string_view key);
Result<> check_quota_value(std::string_view key, double value);

// As names and values of the log's entries: `client-id=app&user` (the default user), `consumer_byte_rate=1024&producer_byte_rate=0.5`.
// Bytes other than letters, digits and -._ are %XX.
std::string format_quota_entity(const QuotaEntity& entity);
std::string format_quota_values(const QuotaValues& values);
// Errors: kCorruption.
Result<QuotaEntity> parse_quota_entity(std::string_view text);
Result<QuotaValues> parse_quota_values(std::string_view text);

}  // namespace ms::kafka
