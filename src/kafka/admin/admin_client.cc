#include "kafka/admin/admin_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "kafka/error_code.h"
#include "kafka/admin/admin_error.h"
#include "kafka/admin/frame.h"
#include "kafka/messages/api_versions.h"
#include "kafka/messages/sasl_authenticate.h"
#include "kafka/messages/sasl_handshake.h"
#include "security/scram.h"

namespace ms::kafka {

namespace {
constexpr size_t kFrameBytesMax = 256u << 20;
constexpr std::string_view kNoServer = "Start one with 'millstream serve', or name its Kafka port with --kafka HOST:PORT";
constexpr std::string_view kLogIn = "If the server has users, log in with --user NAME";
constexpr std::string_view kOtherPort =
    "If that port speaks TLS, name its authorities with --tls-ca FILE; else name the Kafka port of a server with --kafka HOST:PORT";
constexpr std::string_view kTlsRefused = "Is there a Kafka port with TLS, and are --tls-ca and --tls-certificate right for it?";
}  // namespace

Result<AdminClient> AdminClient::connect(AdminOptions options) {
  AdminClient client(std::move(options));
  TRY(client.open(system_clock().steady_us() + client.options_.timeout_ms * kMicrosPerMilli));
  return client;
}

// Everything that a connection needs before the first question of the caller.
Result<> AdminClient::open(int64_t deadline_us) {
  auto socket = io::BlockingSocket::connect(options_.server, deadline_us, options_.tls.get());
  if (!socket)
    return Unexpected(advised(socket.error(), options_.tls ? "there is no Kafka server with TLS" : "there is no Kafka server",
                              options_.tls ? kTlsRefused : kNoServer));
  socket_ = std::move(*socket);
  TRY(negotiate());
  return options_.user.empty() ? Result<>() : log_in();
}

Result<> AdminClient::negotiate() {
  ApiVersionsRequest request{.client_software_name = "millstream", .client_software_version = "1"};
  // A server that does not know the newest version answers in version 0 and with its own range: version 0 is known to all.
  TRY_ASSIGN(const auto answer, ask<ApiVersionsResponse>(request, 0));
  if (answer.error_code != code(ErrorCode::kNone)) return not_understood(ApiVersionsRequest::kApi);
  versions_.clear();
  for (const auto& api : answer.api_keys) versions_[api.api_key] = {api.min_version, api.max_version};
  return {};
}

Result<> AdminClient::log_in() {
  constexpr auto kMechanism = security::ScramMechanism::kSha256;
  constexpr size_t kNonceBytes = 18;
  SaslHandshakeRequest handshake{.mechanism = std::string(security::to_string(kMechanism))};
  TRY_ASSIGN(const auto offered, ask<SaslHandshakeResponse>(handshake, 1));
  TRY(check(offered.error_code, fmt::format("logging in as '{}'", options_.user)));
  security::ScramClient scram(kMechanism, options_.user, options_.password, security::base64(security::random_bytes(kNonceBytes)));
  const auto say = [&](const std::string& message) -> Result<std::string> {
    SaslAuthenticateRequest request{.auth_bytes = Slice::copy(message)};
    TRY_ASSIGN(const auto answer, ask<SaslAuthenticateResponse>(request, 1));
    TRY(check(answer.error_code, fmt::format("logging in as '{}'", options_.user), answer.error_message));
    return std::string(answer.auth_bytes.view());
  };
  TRY_ASSIGN(const std::string challenge, say(scram.first()));
  TRY_ASSIGN(const std::string proof, scram.answer(challenge));
  TRY_ASSIGN(const std::string verified, say(proof));
  if (!scram.verifies(verified)) return corruption(fmt::format("{} does not know the password itself: do not trust it", io::format_endpoint(options_.server)));
  return {};
}

Result<int16_t> AdminClient::version_of(const ApiSpec& api, int16_t version_max) const {
  const auto theirs = versions_.find(api.key);
  if (theirs == versions_.end())
    return fail(ErrorKind::kUnsupported, fmt::format("the server at {} does not know {} requests; use a server of this program's version or newer",
                                                     io::format_endpoint(options_.server), api.name));
  const int16_t version = std::min({theirs->second.max, api.max_version, version_max});
  if (version >= std::max(theirs->second.min, api.min_version)) return version;
  return fail(ErrorKind::kUnsupported, fmt::format("the server at {} speaks {} {}-{}, this program {}-{}; use a program of the server's version",
                                                   io::format_endpoint(options_.server), api.name, theirs->second.min, theirs->second.max,
                                                   api.min_version, std::min(api.max_version, version_max)));
}

// A port with TLS closes the connection at the first bytes that are none, and a server that wants to know who asks at the first question.
std::string_view AdminClient::advice_without_answer(const ApiSpec& api) const {
  if (api.key == ApiVersionsRequest::kApi.key) return options_.tls ? kNoServer : kOtherPort;
  return options_.user.empty() ? kLogIn : kNoServer;
}

Result<Slice> AdminClient::exchange(const ApiSpec& api, int16_t version, const std::string& body) {
  const int64_t deadline_us = system_clock().steady_us() + options_.timeout_ms * kMicrosPerMilli;
  if (!socket_.is_open()) TRY(open(deadline_us));
  auto answer = round_trip(request_frame(api, version, ++correlation_, options_.client_id, body), deadline_us);
  if (!answer) {
    socket_.close();
    return Unexpected(advised(answer.error(), fmt::format("{} was not answered", api.name), advice_without_answer(api)));
  }
  return body_of(api, version, *answer);
}

Result<std::string> AdminClient::round_trip(const std::string& frame, int64_t deadline_us) {
  TRY(socket_.write_all(frame, deadline_us));
  std::string in;
  while (in.size() < kFrameSizeBytes || in.size() - kFrameSizeBytes < frame_size(in)) {
    if (in.size() >= kFrameSizeBytes && frame_size(in) > kFrameBytesMax) return corruption("what listens there does not speak Kafka");
    TRY_ASSIGN(const size_t n, socket_.read_some(in, deadline_us));
    if (n == 0) return fail(ErrorKind::kUnavailable, "the server closed the connection");
  }
  return in.substr(kFrameSizeBytes);
}

Result<Slice> AdminClient::body_of(const ApiSpec& api, int16_t version, const std::string& frame) {
  if (auto body = answer_body(api, version, correlation_, Slice::copy(frame))) return std::move(*body);
  return not_understood(api);
}

Unexpected AdminClient::not_understood(const ApiSpec& api) {
  socket_.close();
  return corruption(fmt::format("what {} answers to {} is not Kafka's protocol; name the Kafka port of a server with --kafka HOST:PORT",
                                io::format_endpoint(options_.server), api.name));
}

Error AdminClient::advised(const Error& error, std::string_view what, std::string_view advice) const {
  const std::string at = io::format_endpoint(options_.server);
  if (error.kind == ErrorKind::kTimeout) return {error.kind, fmt::format("{}: {} within {} ms; see whether the server is stuck: millstream doctor", at, what, options_.timeout_ms)};
  if (error.kind == ErrorKind::kUnavailable)
    return {error.kind, fmt::format("{} at {} ({}). {}", what, at, error.message, advice)};
  return error.within(at);
}

}  // namespace ms::kafka
