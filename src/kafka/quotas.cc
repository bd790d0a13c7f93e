#include "kafka/quotas.h"

#include <algorithm>

#include "base/logging.h"
#include "base/metrics.h"

namespace ms::kafka {

namespace {

constexpr std::string_view kSpace = "quotas";
constexpr size_t kEntitiesMax = 10'000;
constexpr size_t kSweepMin = 1'024;  // rates, before those that are over are looked for
constexpr int64_t kRequestThrottleMaxMs = 1'000;  // of request_percentage, as Kafka's
constexpr int64_t kThrottleMaxMs = 3600 * 1'000;

QuotaTable read_table(const log::Entries& entries) {
  QuotaTable table;
  for (const auto& [name, text] : entries) {
    const auto entity = parse_quota_entity(name);
    const auto values = parse_quota_values(text);
    if (entity && values) table[*entity] = *values;
    else log_error("quota_unreadable", {{"entity", name}, {"values", text}, {"now", "it is not in force; set it again"}});
  }
  return table;
}

}  // namespace

Quotas::Quotas(log::Log& log, const Clock& clock) : log_(log), clock_(clock), sweep_at_(kSweepMin) { publish(read_table(log.entries(std::string(kSpace)))); }

void Quotas::publish(QuotaTable table) {
  const std::lock_guard lock(mutex_);
  any_ = !table.empty();
  table_ = std::make_shared<const QuotaTable>(std::move(table));
}

std::shared_ptr<const QuotaTable> Quotas::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

std::string Quotas::counter_name(std::string_view key, const QuotaLimit& limit) const {
  return std::string(key) + ' ' + format_quota_entity(limit.counted);
}

// Clients choose their ids, so rates that are over are forgotten from time to time.
QuotaRate& Quotas::rate(const std::string& name, int64_t now_ms) {
  if (rates_.size() >= sweep_at_) {
    std::erase_if(rates_, [&](const auto& entry) { return entry.second.over(now_ms); });
    sweep_at_ = std::max(kSweepMin, 2 * rates_.size());
  }
  return rates_[name];
}

int64_t Quotas::record(std::string_view key, const std::string& user, const std::string& client_id, double amount) {
  const auto limit = find_limit(*table(), key, user, client_id);
  if (!limit) return 0;
  const int64_t now_ms = clock_.steady_us() / kMicrosPerMilli;
  const std::string name = counter_name(key, *limit);
  const std::lock_guard lock(mutex_);
  QuotaRate& counted = rate(name, now_ms);
  counted.record(amount, now_ms);
  const int64_t longest = key == quota::kRequestPercentage ? kRequestThrottleMaxMs : kThrottleMaxMs;
  const int64_t wait_ms = std::min(counted.throttle_ms(limit->value, now_ms), longest);
  if (wait_ms > 0) counter("millstream_kafka_throttled_total", "quota=\"" + std::string(key) + "\"").add();
  return wait_ms;
}

double Quotas::window_max(std::string_view key, const std::string& user, const std::string& client_id) const {
  const auto limit = find_limit(*table(), key, user, client_id);
  return limit ? limit->value * static_cast<double>(QuotaRate::kSamples - 1) : std::numeric_limits<double>::infinity();
}

int64_t Quotas::connect(const std::string& ip) {
  const auto limit = find_ip_limit(*table(), ip);
  if (!limit) return 0;
  const int64_t now_ms = clock_.steady_us() / kMicrosPerMilli;
  const std::string name = counter_name(quota::kConnectionCreationRate, *limit);
  const std::lock_guard lock(mutex_);
  QuotaRate& counted = rate(name, now_ms);
  QuotaRate with = counted;
  with.record(1, now_ms);
  const int64_t wait_ms = std::min(with.throttle_ms(limit->value, now_ms), kThrottleMaxMs);
  if (wait_ms == 0) counted = with;
  else counter("millstream_kafka_throttled_total", "quota=\"" + std::string(quota::kConnectionCreationRate) + "\"").add();
  return wait_ms;
}

Result<> Quotas::change(const std::vector<QuotaChange>& changes) {
  const std::lock_guard one(changing_);
  QuotaTable next = *table();
  log::EntryChanges entries;
  for (const QuotaChange& change : changes) {
    QuotaValues& values = next[change.entity];
    for (const auto& [key, value] : change.values) {
      if (value) values[key] = *value;
      else values.erase(key);
    }
    entries[format_quota_entity(change.entity)] = values.empty() ? std::nullopt : std::optional(format_quota_values(values));
    if (values.empty()) next.erase(change.entity);
  }
  if (next.size() > kEntitiesMax) return fail(ErrorKind::kExhausted, "there can be quotas of " + std::to_string(kEntitiesMax) + " entities; set fewer, or defaults");
  TRY(log_.change_entries(std::string(kSpace), entries));
  publish(std::move(next));
  return {};
}

}  // namespace ms::kafka
