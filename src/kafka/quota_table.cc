#include "kafka/quota_table.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "io/http_message.h"

namespace ms::kafka {

namespace {

std::optional<double> value_of(const QuotaTable& table, const QuotaEntity& entity, std::string_view key) {
  const auto values = table.find(entity);
  if (values == table.end()) return std::nullopt;
  const auto value = values->second.find(key);
  return value == values->second.end() ? std::nullopt : std::optional(value->second);
}

QuotaEntity part(std::string_view type, std::optional<std::string> name) { return {{std::string(type), std::move(name)}}; }

QuotaEntity both(std::optional<std::string> user, std::optional<std::string> client_id) {
  return {{std::string(quota::kUser), std::move(user)}, {std::string(quota::kClientId), std::move(client_id)}};
}

// Calls `take(name, value)` for the parts of a=b&c, with nullopt where there is no '='.
template <class Take>
Result<> split(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t mark = one.find('=');
    TRY(take(one.substr(0, mark), mark == one.npos ? std::nullopt : std::optional(one.substr(mark + 1))));
  }
  return {};
}

bool is_client_key(std::string_view key) {
  return key == quota::kProducerByteRate || key == quota::kConsumerByteRate || key == quota::kRequestPercentage;
}

}  // namespace

std::optional<QuotaLimit> find_limit(const QuotaTable& table, std::string_view key, const std::string& user, const std::string& client_id) {
  if (table.empty()) return std::nullopt;
  const QuotaEntity of_both = both(user, client_id), of_user = part(quota::kUser, user), of_client = part(quota::kClientId, client_id);
  const std::array<std::pair<QuotaEntity, const QuotaEntity*>, 8> order{{{of_both, &of_both},
                                                                        {both(user, std::nullopt), &of_both},
                                                                        {of_user, &of_user},
                                                                        {both(std::nullopt, client_id), &of_both},
                                                                        {both(std::nullopt, std::nullopt), &of_both},
                                                                        {part(quota::kUser, std::nullopt), &of_user},
                                                                        {of_client, &of_client},
                                                                        {part(quota::kClientId, std::nullopt), &of_client}}};
  for (const auto& [entity, counted] : order)
    if (const auto value = value_of(table, entity, key)) return QuotaLimit{*value, *counted};
  return std::nullopt;
}

std::optional<QuotaLimit> find_ip_limit(const QuotaTable& table, const std::string& ip) {
  const QuotaEntity counted = part(quota::kIp, ip);
  for (const QuotaEntity& entity : {counted, part(quota::kIp, std::nullopt)})
    if (const auto value = value_of(table, entity, quota::kConnectionCreationRate)) return QuotaLimit{*value, counted};
  return std::nullopt;
}

std::optional<std::string> usual_ip(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  char out[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, text.c_str(), bytes.data()) == 1) return ::inet_ntop(family, bytes.data(), out, sizeof out);
  return std::nullopt;
}

Result<> check_quota_entity(const QuotaEntity& entity) {
  if (entity.empty()) return invalid("a quota needs an entity: user, client-id, both, or ip");
  for (const auto& [type, name] : entity) {
    if (type != quota::kUser && type != quota::kClientId && type != quota::kIp)
      return invalid(fmt::format("'{}' is not an entity type; there are user, client-id and ip", type));
    if (type == quota::kIp && name && usual_ip(*name) != *name) return invalid(fmt::format("'{}' is not an IP address as it is usually written", *name));
    if (name && name->empty()) return invalid(fmt::format("the name of the {} is empty; the default is null", type));
  }
  if (entity.contains(quota::kIp) && entity.size() > 1) return invalid("a quota of an ip cannot name a user or client-id as well");
  return {};
}

Result<> check_quota_key(const QuotaEntity& entity, std::string_view key) {
  const bool ip = entity.contains(quota::kIp);
  if (ip ? key == quota::kConnectionCreationRate : is_client_key(key)) return {};
  return invalid(fmt::format("'{}' is not a quota of this entity; there {}", key,
                             ip ? "is connection_creation_rate" : "are producer_byte_rate, consumer_byte_rate and request_percentage"));
}

Result<> check_quota_value(std::string_view key, double value) {
  if (!std::isfinite(value) || value <= 0) return invalid(fmt::format("{} = {}: it must be above 0; remove the quota to lift it", key, value));
  constexpr double kWholeMax = 9e15;
  if (key != quota::kRequestPercentage && (value != std::floor(value) || value > kWholeMax))
    return invalid(fmt::format("{} = {}: it must be a whole number", key, value));
  return {};
}

std::string format_quota_entity(const QuotaEntity& entity) {
  std::string out;
  for (const auto& [type, name] : entity) {
    if (!out.empty()) out += '&';
    out += type;
    if (name) out += '=' + io::percent_encode(*name);
  }
  return out;
}

std::string format_quota_values(const QuotaValues& values) {
  std::string out;
  for (const auto& [key, value] : values) out += fmt::format("{}{}={}", out.empty() ? "" : "&", key, value);
  return out;
}

Result<QuotaEntity> parse_quota_entity(std::string_view text) {
  QuotaEntity entity;
  TRY(split(text, [&](std::string_view type, std::optional<std::string_view> name) -> Result<> {
    std::optional<std::string>& place = entity[std::string(type)];
    if (!name) return {};
    place = io::percent_decode(*name);
    return place ? Result<>() : corruption(fmt::format("'{}' is not the escaped name of a quota's entity", *name));
  }));
  if (const auto good = check_quota_entity(entity); !good) return corruption(fmt::format("quota of '{}': {}", text, good.error().message));
  return entity;
}

Result<QuotaValues> parse_quota_values(std::string_view text) {
  QuotaValues values;
  TRY(split(text, [&](std::string_view key, std::optional<std::string_view> number) -> Result<> {
    double value = 0;
    const std::string_view digits = number.value_or("");
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) return corruption(fmt::format("quotas '{}': '{}' is not a number", text, digits));
    values[std::string(key)] = value;
    return {};
  }));
  return values;
}

}  // namespace ms::kafka
