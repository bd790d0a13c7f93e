// What millstream doctor finds, line by line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/endpoint.h"
#include "server/api_client.h"

namespace ms::server {

enum class Verdict : uint8_t { kOk, kWarning, kProblem };
struct Finding {
  std::string_view what;
  Verdict verdict = Verdict::kOk;
  std::string text;  // what was found and, unless it is fine, what to do
};

// Asks a running server, as the user of `as`. Never fails: what cannot be asked is a finding.
std::vector<Finding> look_at_server(const io::Endpoint& kafka, const io::Endpoint& http, Target as);

// ---- what is made of what was asked; pure

struct GroupState {
  std::string name;
  int64_t lag = 0;
  bool has_members = false;
};
Finding judge_groups(const std::vector<GroupState>& groups);

struct TransactionState {
  std::string id;
  int64_t open_ms = 0, timeout_ms = 0;
};
Finding judge_transactions(const std::vector<TransactionState>& open);

// `metrics`: the text of /metrics.
Finding judge_appends(std::string_view metrics);
Finding judge_upload(std::string_view metrics);
Finding judge_certificate(std::string_view metrics, int64_t now_s);

}  // namespace ms::server
