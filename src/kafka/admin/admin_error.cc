#include "kafka/admin/admin_error.h"

#include <fmt/format.h>

#include <algorithm>

#include "kafka/error_code.h"

namespace ms::kafka {

namespace {

struct Meaning {
  ErrorCode code;
  ErrorKind kind;
  std::string_view name, advice;
};

constexpr Meaning kMeanings[] = {
    {ErrorCode::kUnknownServerError, ErrorKind::kInternal, "UNKNOWN_SERVER_ERROR", "the server's log says more"},
    {ErrorCode::kOffsetOutOfRange, ErrorKind::kInvalidArgument, "OFFSET_OUT_OF_RANGE", "the partition does not reach there; 'millstream topic describe' shows from where to where it does"},
    {ErrorCode::kUnknownTopicOrPartition, ErrorKind::kNotFound, "UNKNOWN_TOPIC_OR_PARTITION", "there is no such topic or partition; see 'millstream topic list'"},
    {ErrorCode::kRequestTimedOut, ErrorKind::kTimeout, "REQUEST_TIMED_OUT", "the server was too slow; 'millstream doctor' looks for the reason"},
    {ErrorCode::kCoordinatorNotAvailable, ErrorKind::kUnavailable, "COORDINATOR_NOT_AVAILABLE", "try again in a moment"},
    {ErrorCode::kNotCoordinator, ErrorKind::kUnavailable, "NOT_COORDINATOR", "try again in a moment"},
    {ErrorCode::kInvalidTopicException, ErrorKind::kInvalidArgument, "INVALID_TOPIC_EXCEPTION", "letters, digits, '.', '_' and '-', at most 249"},
    {ErrorCode::kIllegalGeneration, ErrorKind::kConflict, "ILLEGAL_GENERATION", "the group has moved on; try again"},
    {ErrorCode::kInvalidGroupId, ErrorKind::kInvalidArgument, "INVALID_GROUP_ID", "a group needs a name"},
    {ErrorCode::kUnknownMemberId, ErrorKind::kConflict, "UNKNOWN_MEMBER_ID", "the group has members now; stop them first"},
    {ErrorCode::kRebalanceInProgress, ErrorKind::kConflict, "REBALANCE_IN_PROGRESS", "the group's members are being counted; try again in a moment"},
    {ErrorCode::kTopicAuthorizationFailed, ErrorKind::kInvalidArgument, "TOPIC_AUTHORIZATION_FAILED", "you may not do this to the topic"},
    {ErrorCode::kGroupAuthorizationFailed, ErrorKind::kInvalidArgument, "GROUP_AUTHORIZATION_FAILED", "you may not do this to the group"},
    {ErrorCode::kClusterAuthorizationFailed, ErrorKind::kInvalidArgument, "CLUSTER_AUTHORIZATION_FAILED", "you may not do this to the cluster"},
    {ErrorCode::kUnsupportedSaslMechanism, ErrorKind::kInvalidArgument, "UNSUPPORTED_SASL_MECHANISM", "the server's security file does not offer SCRAM"},
    {ErrorCode::kIllegalSaslState, ErrorKind::kInvalidArgument, "ILLEGAL_SASL_STATE", "the server has no users: leave out --user"},
    {ErrorCode::kSaslAuthenticationFailed, ErrorKind::kInvalidArgument, "SASL_AUTHENTICATION_FAILED", "check the user name and the password"},
    {ErrorCode::kUnsupportedVersion, ErrorKind::kUnsupported, "UNSUPPORTED_VERSION", "use a program of the server's version"},
    {ErrorCode::kInvalidPartitions, ErrorKind::kInvalidArgument, "INVALID_PARTITIONS", "partitions can only become more"},
    {ErrorCode::kInvalidConfig, ErrorKind::kInvalidArgument, "INVALID_CONFIG", "'millstream topic describe' shows the names and values"},
    {ErrorCode::kInvalidRequest, ErrorKind::kInvalidArgument, "INVALID_REQUEST", "the server does not take this"},
    {ErrorCode::kPolicyViolation, ErrorKind::kConflict, "POLICY_VIOLATION", "the server's rules forbid it"},
    {ErrorCode::kTransactionalIdAuthorizationFailed, ErrorKind::kInvalidArgument, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "you may not do this to the transactional id"},
    {ErrorCode::kSecurityDisabled, ErrorKind::kInvalidArgument, "SECURITY_DISABLED", "the server keeps no users and no ACLs"},
    {ErrorCode::kKafkaStorageError, ErrorKind::kInternal, "KAFKA_STORAGE_ERROR", "the disk refused; 'millstream doctor' says whether it is full"},
    {ErrorCode::kNonEmptyGroup, ErrorKind::kConflict, "NON_EMPTY_GROUP", "it has members; stop its consumers first"},
    {ErrorCode::kGroupIdNotFound, ErrorKind::kNotFound, "GROUP_ID_NOT_FOUND", "there is no such group; see 'millstream group list'"},
    {ErrorCode::kGroupSubscribedToTopic, ErrorKind::kConflict, "GROUP_SUBSCRIBED_TO_TOPIC", "its members read the topic; stop them first"},
    {ErrorCode::kResourceNotFound, ErrorKind::kNotFound, "RESOURCE_NOT_FOUND", "there is none of that name"},
    {ErrorCode::kDuplicateResource, ErrorKind::kInvalidArgument, "DUPLICATE_RESOURCE", "it was named twice"},
    {ErrorCode::kUnacceptableCredential, ErrorKind::kInvalidArgument, "UNACCEPTABLE_CREDENTIAL", "the server does not take this user or password"},
    {ErrorCode::kUnknownTopicId, ErrorKind::kNotFound, "UNKNOWN_TOPIC_ID", "the topic was deleted meanwhile"},
};

const Meaning* find(int16_t code) {
  const auto* at = std::ranges::find(kMeanings, static_cast<ErrorCode>(code), &Meaning::code);
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
