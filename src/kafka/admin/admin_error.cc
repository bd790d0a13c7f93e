#include "kafka/admin/admin_error.h"

#include <fmt/format.h>

#include <algorithm>

namespace ms::kafka {

namespace {

struct Meaning {
  int16_t code;
  ErrorKind kind;
  std::string_view name, advice;
};

constexpr Meaning kMeanings[] = {
    {-1, ErrorKind::kInternal, "UNKNOWN_SERVER_ERROR", "the server's log says more"},
    {1, ErrorKind::kInvalidArgument, "OFFSET_OUT_OF_RANGE", "the partition does not reach there; 'millstream topic describe' shows from where to where it does"},
    {3, ErrorKind::kNotFound, "UNKNOWN_TOPIC_OR_PARTITION", "there is no such topic or partition; see 'millstream topic list'"},
    {7, ErrorKind::kTimeout, "REQUEST_TIMED_OUT", "the server was too slow; 'millstream doctor' looks for the reason"},
    {15, ErrorKind::kUnavailable, "COORDINATOR_NOT_AVAILABLE", "try again in a moment"},
    {16, ErrorKind::kUnavailable, "NOT_COORDINATOR", "try again in a moment"},
    {17, ErrorKind::kInvalidArgument, "INVALID_TOPIC_EXCEPTION", "letters, digits, '.', '_' and '-', at most 249"},
    {22, ErrorKind::kConflict, "ILLEGAL_GENERATION", "the group has moved on; try again"},
    {24, ErrorKind::kInvalidArgument, "INVALID_GROUP_ID", "a group needs a name"},
    {25, ErrorKind::kConflict, "UNKNOWN_MEMBER_ID", "the group has members now; stop them first"},
    {27, ErrorKind::kConflict, "REBALANCE_IN_PROGRESS", "the group's members are being counted; try again in a moment"},
    {29, ErrorKind::kInvalidArgument, "TOPIC_AUTHORIZATION_FAILED", "you may not do this to the topic"},
    {30, ErrorKind::kInvalidArgument, "GROUP_AUTHORIZATION_FAILED", "you may not do this to the group"},
    {31, ErrorKind::kInvalidArgument, "CLUSTER_AUTHORIZATION_FAILED", "you may not do this to the cluster"},
    {33, ErrorKind::kInvalidArgument, "UNSUPPORTED_SASL_MECHANISM", "the server's security file does not offer SCRAM"},
    {34, ErrorKind::kInvalidArgument, "ILLEGAL_SASL_STATE", "the server has no users: leave out --user"},
    {58, ErrorKind::kInvalidArgument, "SASL_AUTHENTICATION_FAILED", "check the user name and the password"},
    {35, ErrorKind::kUnsupported, "UNSUPPORTED_VERSION", "use a program of the server's version"},
    {37, ErrorKind::kInvalidArgument, "INVALID_PARTITIONS", "partitions can only become more"},
    {40, ErrorKind::kInvalidArgument, "INVALID_CONFIG", "'millstream topic describe' shows the names and values"},
    {42, ErrorKind::kInvalidArgument, "INVALID_REQUEST", "the server does not take this"},
    {44, ErrorKind::kConflict, "POLICY_VIOLATION", "the server's rules forbid it"},
    {56, ErrorKind::kInternal, "KAFKA_STORAGE_ERROR", "the disk refused; 'millstream doctor' says whether it is full"},
    {68, ErrorKind::kConflict, "NON_EMPTY_GROUP", "it has members; stop its consumers first"},
    {69, ErrorKind::kNotFound, "GROUP_ID_NOT_FOUND", "there is no such group; see 'millstream group list'"},
    {86, ErrorKind::kConflict, "GROUP_SUBSCRIBED_TO_TOPIC", "its members read the topic; stop them first"},
    {100, ErrorKind::kNotFound, "UNKNOWN_TOPIC_ID", "the topic was deleted meanwhile"},
};

const Meaning* find(int16_t code) {
  const auto* at = std::ranges::find(kMeanings, code, &Meaning::code);
  return at == std::end(kMeanings) ? nullptr : at;
}

}  // namespace

std::string error_name(int16_t code) {
  const Meaning* meaning = find(code);
  return meaning ? std::string(meaning->name) : fmt::format("error code {}", code);
}

Error to_error(int16_t code, std::string_view what, const std::optional<std::string>& message) {
  const Meaning* meaning = find(code);
  const bool said = message && !message->empty();
  const std::string words = said ? *message : meaning ? std::string(meaning->advice) : "the server's log may say more";
  return {meaning ? meaning->kind : ErrorKind::kInternal, fmt::format("{}: {}: {}", what, error_name(code), words)};
}

Result<> check(int16_t code, std::string_view what, const std::optional<std::string>& message) {
  if (code == 0) return {};
  return Unexpected(to_error(code, what, message));
}

}  // namespace ms::kafka
