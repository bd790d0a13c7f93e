// SaslAuthenticate (36), versions 0-2: the messages of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER.
//
// - Every failure is SASL_AUTHENTICATION_FAILED with one text, at a time that does not tell what it took, and then the connection ends.
// - A session ends with its token, and after the security file's session_max; clients that know KIP-368 authenticate again
//   before that, as the same user.
#include "kafka/handlers.h"
#include "kafka/login.h"
#include "kafka/messages/sasl_authenticate.h"

namespace ms::kafka {

namespace {

void finish(Call call, Login::Outcome outcome, int64_t came_us) {
  LoginAnswer answer = call.login().finish(std::move(outcome));
  SaslAuthenticateResponse response;
  response.error_code = code(answer.error);
  if (answer.error != ErrorCode::kNone) response.error_message = std::move(answer.message);
  response.auth_bytes = Slice::copy(answer.bytes);
  response.session_lifetime_ms = answer.session_lifetime_ms;
  const auto sink = call.sink();
  if (answer.error != ErrorCode::kNone) sink->close_after_answers(failure_wait_us(system_clock().steady_us() - came_us));
  call.reply(response);
}

}  // namespace

void handle_sasl_authenticate(Broker&, Call call) {
  SaslAuthenticateRequest request;
  if (!call.decode(request)) return;
  Login& login = call.login();
  std::string bytes(request.auth_bytes.view());
  login.authenticate(std::move(bytes), [call = std::move(call), came_us = system_clock().steady_us()](Login::Outcome outcome) mutable {
    if (call.thread().is_current()) return finish(std::move(call), std::move(outcome), came_us);
    io::IoThread& thread = call.thread();
    thread.post([call = std::move(call), outcome = std::move(outcome), came_us]() mutable {
      finish(std::move(call), std::move(outcome), came_us);
    });
  });
}

}  // namespace ms::kafka
