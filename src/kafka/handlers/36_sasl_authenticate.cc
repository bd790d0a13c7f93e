// SaslAuthenticate (36), versions 0-2: the messages of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER.
//
// - Every failure is SASL_AUTHENTICATION_FAILED with one text, at a time that does not tell what it took, and then the connection ends.
// - A session ends with its token, and after the security file's session_max; clients that know KIP-368 authenticate again
//   before that, as the same user.
// - After SaslHandshake 0 a token is a frame by itself, and so is its answer; of a failure nothing is told but the connection's end.
#include "kafka/handlers.h"
#include "kafka/login.h"
#include "kafka/messages/sasl_authenticate.h"

namespace ms::kafka {

namespace {

void finish_framed(Call& call, LoginAnswer answer) {
  SaslAuthenticateResponse response;
  response.error_code = code(answer.error);
  if (answer.error != ErrorCode::kNone) response.error_message = std::move(answer.message);
  response.auth_bytes = Slice::copy(answer.bytes);
  response.session_lifetime_ms = answer.session_lifetime_ms;
  call.reply(response);
}

void finish_bare(Call& call, const LoginAnswer& answer) { answer.error == ErrorCode::kNone ? call.reply_bare(answer.bytes) : call.reply_nothing(); }

void finish(Call call, Login::Outcome outcome, Tokens tokens, int64_t came_us) {
  LoginAnswer answer = call.login().finish(std::move(outcome));
  if (answer.error != ErrorCode::kNone) call.sink()->close_after_answers(failure_wait_us(system_clock().steady_us() - came_us));
  tokens == Tokens::kBare ? finish_bare(call, answer) : finish_framed(call, std::move(answer));
}

void authenticate(Call call, std::string bytes, Tokens tokens) {
  Login& login = call.login();
  login.authenticate(std::move(bytes), [call = std::move(call), tokens, came_us = system_clock().steady_us()](Login::Outcome outcome) mutable {
    if (call.thread().is_current()) return finish(std::move(call), std::move(outcome), tokens, came_us);
    io::IoThread& thread = call.thread();
    thread.post([call = std::move(call), outcome = std::move(outcome), tokens, came_us]() mutable {
      finish(std::move(call), std::move(outcome), tokens, came_us);
    });
  });
}

}  // namespace

void handle_sasl_authenticate(Broker&, Call call) {
  SaslAuthenticateRequest request;
  if (!call.decode(request)) return;
  std::string bytes(request.auth_bytes.view());
  authenticate(std::move(call), std::move(bytes), Tokens::kFramed);
}

void handle_bare_token(Broker&, Call call) {
  std::string bytes(call.bare_token().view());
  authenticate(std::move(call), std::move(bytes), Tokens::kBare);
}

}  // namespace ms::kafka
