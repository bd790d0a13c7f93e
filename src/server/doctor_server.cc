// The checks of millstream doctor that ask a running server.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "io/blocking_socket.h"
#include "kafka/admin/cluster_admin.h"
#include "kafka/admin/group_admin.h"
#include "server/api_client.h"
#include "server/doctor_findings.h"
#include "server/output.h"

namespace ms::server {
namespace {

constexpr int64_t kPatienceMs = 5'000;
constexpr int64_t kNotUploadedMax = int64_t{2} << 30;  // reconciling begins at half of the tail cache, 256 MiB unless it was changed
constexpr int64_t kOverdueMs = 10'000;                 // the server looks for timeouts every second
constexpr size_t kNamedMax = 5;
constexpr int64_t kCertificateWantedS = 14 * 86'400;

// "a, b and 3 more"
std::string some_of(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kNamedMax); ++i) out += (i > 0 ? ", " : "") + names[i];
  return names.size() > kNamedMax ? fmt::format("{} and {} more", out, names.size() - kNamedMax) : out;
}

// The value of a metric, named with its labels; -1 when it is not there.
int64_t metric_of(std::string_view metrics, std::string_view name) {
  const std::string begin = fmt::format("\n{} ", name);
  size_t at = metrics.find(begin);
  if (at == std::string_view::npos) return -1;
  at += begin.size();
  int64_t value = -1;
  std::from_chars(metrics.data() + at, metrics.data() + metrics.size(), value);
  return value;
}

Finding advertised(kafka::AdminClient& client) {
  const auto endpoints = kafka::advertised_endpoints(client);
  if (!endpoints) return {"advertised address", Verdict::kProblem, endpoints.error().message};
  for (const io::Endpoint& endpoint : *endpoints) {
    const auto socket = io::BlockingSocket::connect(endpoint, system_clock().steady_us() + kPatienceMs * kMicrosPerMilli);
    if (!socket)
      return {"advertised address", Verdict::kProblem,
              fmt::format("clients are sent to {}, and nothing answers there ({}); restart with --advertised-kafka HOST:PORT that they reach",
                          io::format_endpoint(endpoint), socket.error().message)};
  }
  return {"advertised address", Verdict::kOk, endpoints->empty() ? "none" : io::format_endpoint(endpoints->front()) + " answers, as seen from here"};
}

Finding groups(kafka::AdminClient& client) {
  const auto listed = kafka::list_groups(client);
  if (!listed) return {"groups", Verdict::kProblem, listed.error().message};
  std::vector<GroupState> states;
  for (const auto& group : *listed) {
    const auto positions = kafka::group_positions(client, group.name, {});
    if (!positions) return {"groups", Verdict::kProblem, positions.error().message};
    GroupState& state = states.emplace_back(group.name, 0, group.state != "Empty" && group.state != "Dead");
    for (const auto& [p, at] : *positions) state.lag += at.lag().value_or(0);
  }
  return judge_groups(states);
}

Finding transactions(kafka::AdminClient& client) {
  const auto open = kafka::open_transactions(client);
  if (!open) return {"transactions", Verdict::kProblem, open.error().message};
  const int64_t now_ms = system_clock().wall_us() / kMicrosPerMilli;
  std::vector<TransactionState> states;
  for (const auto& t : *open) states.push_back({t.id, now_ms - t.start_ms, t.timeout_ms});
  return judge_transactions(states);
}

}  // namespace

Finding judge_groups(const std::vector<GroupState>& groups) {
  std::vector<std::string> left;
  for (const GroupState& g : groups)
    if (!g.has_members && g.lag > 0) left.push_back(fmt::format("{} (lag {})", g.name, human_count(g.lag)));
  if (left.empty()) return {"groups", Verdict::kOk, fmt::format("{}, none is behind without members", human_count(static_cast<int64_t>(groups.size())))};
  return {"groups", Verdict::kWarning, fmt::format("nobody reads for {}; start the consumers, or forget what is not used: millstream group delete NAME", some_of(left))};
}

Finding judge_transactions(const std::vector<TransactionState>& open) {
  std::vector<std::string> overdue;
  for (const TransactionState& t : open)
    if (t.open_ms > t.timeout_ms + kOverdueMs) overdue.push_back(fmt::format("{} (for {}, timeout {})", t.id, human_age(t.open_ms), human_age(t.timeout_ms)));
  if (overdue.empty()) return {"transactions", Verdict::kOk, fmt::format("{} open, none beyond its timeout", human_count(static_cast<int64_t>(open.size())))};
  return {"transactions", Verdict::kProblem, fmt::format("open beyond their timeout: {}; read_committed consumers wait for them: restart the server, and see "
                                                         "log_expire_transactions_failed in its log", some_of(overdue))};
}

Finding judge_appends(std::string_view metrics) {
  const int64_t refused = metric_of(metrics, R"(millstream_kafka_batches_refused_total{error_code="56"})");  // KAFKA_STORAGE_ERROR
  if (refused <= 0) return {"appends", Verdict::kOk, "none was refused by the disk since the server's start"};
  return {"appends", Verdict::kWarning, fmt::format("{} batches were refused since the server's start, because the disk was full or did not keep up; producers send "
                                                    "them again: look at disk space and fdatasync above", human_count(refused))};
}

Finding judge_upload(std::string_view metrics) {
  const int64_t bytes = metric_of(metrics, "millstream_log_wal_live_bytes");
  if (bytes < 0) return {"stream objects", Verdict::kOk, "nothing was moved into objects yet"};
  const std::string text = fmt::format("{} are in the write-ahead log only", human_bytes(bytes));
  if (bytes <= kNotUploadedMax) return {"stream objects", Verdict::kOk, text};
  return {"stream objects", Verdict::kWarning, text + "; they should move within a minute: see log_reconcile_failed in the server's log, and the space of the object store"};
}

Finding judge_certificate(std::string_view metrics, int64_t now_s) {
  const int64_t until = metric_of(metrics, "millstream_tls_certificate_expires_seconds");
  if (until < 0) return {"certificate", Verdict::kOk, "there is no listener with TLS"};
  if (until <= now_s)
    return {"certificate", Verdict::kProblem, fmt::format("expired at {}; clients refuse it: put a new one in its place, the server takes it up by itself", format_time(until * kMicrosPerSecond))};
  const std::string text = fmt::format("good for {}", human_age((until - now_s) * 1'000));
  if (until - now_s >= kCertificateWantedS) return {"certificate", Verdict::kOk, text};
  return {"certificate", Verdict::kWarning, text + "; put a new one in its place, the server takes it up by itself"};
}

std::vector<Finding> look_at_server(const io::Endpoint& kafka, const io::Endpoint& http, Target as) {
  std::vector<Finding> findings;
  auto client = connect_kafka(as, kafka, kPatienceMs);
  if (client) {
    findings.push_back({"kafka answers", Verdict::kOk, io::format_endpoint(kafka)});
    findings.insert(findings.end(), {advertised(*client), groups(*client), transactions(*client)});
  } else {
    findings.push_back({"kafka answers", Verdict::kProblem, client.error().message});
  }
  as.url = "http://" + io::format_endpoint(http);
  auto api = ApiClient::to(as);
  const auto metrics = api ? api->get_text("/metrics") : Result<std::string>(Unexpected(api.error()));
  if (metrics) findings.insert(findings.end(), {{"http answers", Verdict::kOk, io::format_endpoint(http)}, judge_appends(*metrics), judge_upload(*metrics),
                                             judge_certificate(*metrics, system_clock().wall_us() / kMicrosPerSecond)});
  else findings.push_back({"http answers", Verdict::kProblem, metrics.error().message});
  return findings;
}

}  // namespace ms::server
