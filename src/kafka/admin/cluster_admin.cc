#include "kafka/admin/cluster_admin.h"

#include "kafka/admin/admin_error.h"
#include "kafka/messages/describe_transactions.h"
#include "kafka/messages/list_transactions.h"
#include "kafka/messages/metadata.h"

namespace ms::kafka {

Result<std::vector<io::Endpoint>> advertised_endpoints(AdminClient& client) {
  MetadataRequest request;
  request.topics.emplace();  // no topics: the brokers only
  request.allow_auto_topic_creation = false;
  TRY_ASSIGN(const auto answer, client.call<MetadataResponse>(request));
  std::vector<io::Endpoint> endpoints;
  for (const auto& broker : answer.brokers) endpoints.push_back({broker.host, static_cast<uint16_t>(broker.port)});
  return endpoints;
}

Result<std::vector<OpenTransaction>> open_transactions(AdminClient& client) {
  ListTransactionsRequest list{.state_filters = {"Ongoing"}};
  TRY_ASSIGN(const auto listed, client.call<ListTransactionsResponse>(list));
  TRY(check(listed.error_code, "the list of transactions"));
  DescribeTransactionsRequest describe;
  for (const auto& t : listed.transaction_states) describe.transactional_ids.push_back(t.transactional_id);
  std::vector<OpenTransaction> open;
  if (describe.transactional_ids.empty()) return open;
  TRY_ASSIGN(const auto described, client.call<DescribeTransactionsResponse>(describe));
  for (const auto& t : described.transaction_states)  // one that has ended meanwhile is not open
    if (t.error_code == 0 && t.transaction_state == "Ongoing") open.push_back({t.transactional_id, t.transaction_start_time_ms, t.transaction_timeout_ms});
  return open;
}

}  // namespace ms::kafka
