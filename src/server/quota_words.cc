#include "server/quota_words.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <tuple>

#include "base/nearest.h"

namespace ms::server {
namespace {

using kafka::QuotaPart;
namespace quota = kafka::quota;

Result<std::string> type_named(std::string_view option, const std::string& word) {
  const std::vector<std::string> types = {std::string(quota::kUser), std::string(quota::kClientId), std::string(quota::kIp)};
  for (const std::string& type : types)
    if (word == type) return type;
  return invalid(fmt::format("{} '{}' is none of {}{}", option, word, fmt::join(types, ", "), did_you_mean(word, types)));
}

struct Pair {
  std::string key, value;
};
Result<Pair> split(std::string_view what, const std::string& text, std::string_view form) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size()) return invalid(fmt::format("{} '{}' must be {}", what, text, form));
  return Pair{text.substr(0, at), text.substr(at + 1)};
}

Result<std::vector<QuotaPart>> parts_of(const QuotaWords& words) {
  std::vector<QuotaPart> parts;
  for (const std::string& text : words.names) {
    TRY_ASSIGN(const Pair pair, split("--name", text, "TYPE=NAME, for example user=alice"));
    TRY_ASSIGN(std::string type, type_named("--name", pair.key));
    std::string name = type == quota::kIp ? kafka::usual_ip(pair.value).value_or(pair.value) : pair.value;
    parts.push_back({std::move(type), QuotaPart::Match::kName, std::move(name)});
  }
  for (const auto& [option, types, match] : {std::tuple{"--default", &words.defaults, QuotaPart::Match::kDefault}, std::tuple{"--any", &words.any, QuotaPart::Match::kAny}})
    for (const std::string& word : *types) {
      TRY_ASSIGN(std::string type, type_named(option, word));
      parts.push_back({std::move(type), match, std::nullopt});
    }
  return parts;
}

Result<double> number_of(const Pair& quota) {
  double value = 0;
  const auto [end, error] = std::from_chars(quota.value.data(), quota.value.data() + quota.value.size(), value);
  if (error != std::errc() || end != quota.value.data() + quota.value.size() || !std::isfinite(value))
    return invalid(fmt::format("{} = '{}' is not a number", quota.key, quota.value));
  return value;
}

}  // namespace

Result<kafka::QuotaEntity> quota_entity(const QuotaWords& words) {
  TRY_ASSIGN(const auto parts, parts_of(words));
  if (parts.empty()) return invalid("say whose quota: --name user=NAME, client-id=NAME or ip=ADDRESS, or --default TYPE for whoever has none by name");
  kafka::QuotaEntity entity;
  for (const QuotaPart& part : parts)
    if (!entity.emplace(part.type, part.name).second) return invalid(fmt::format("{} is named twice; a quota is of one", part.type));
  return entity;
}

Result<kafka::QuotaFilter> quota_filter(const QuotaWords& words) {
  kafka::QuotaFilter filter{.parts = {}, .strict = words.strict};
  TRY_ASSIGN(filter.parts, parts_of(words));
  if (filter.strict && filter.parts.empty()) return invalid("--strict goes with --name, --default or --any: nothing but these");
  return filter;
}

Result<kafka::QuotaChange> quotas_to_set(const QuotaWords& words) {
  kafka::QuotaChange change;
  TRY_ASSIGN(change.entity, quota_entity(words));
  for (const std::string& text : words.quotas) {
    TRY_ASSIGN(const Pair pair, split("the quota", text, "QUOTA=NUMBER, for example producer_byte_rate=1048576"));
    TRY_ASSIGN(const double value, number_of(pair));
    if (!change.values.emplace(pair.key, value).second) return invalid(fmt::format("{} is set twice", pair.key));
  }
  return change;
}

Result<kafka::QuotaChange> quotas_to_clear(const QuotaWords& words, const kafka::QuotaValues& now) {
  kafka::QuotaChange change;
  TRY_ASSIGN(change.entity, quota_entity(words));
  std::vector<std::string> known;
  for (const auto& [key, value] : now) known.push_back(key);
  for (const std::string& key : words.quotas.empty() ? known : words.quotas) {
    if (!now.contains(key))
      return not_found(fmt::format("{} has no quota '{}'{}", kafka::quota_entity_text(change.entity), key, did_you_mean(key, known)));
    change.values[key] = std::nullopt;
  }
  return change;
}

std::string quota_value_text(double value) {
  constexpr double kWholeMax = 9e15;  // a double holds every whole number up to here
  return value == std::floor(value) && std::abs(value) <= kWholeMax ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

}  // namespace ms::server
