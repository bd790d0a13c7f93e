// SaslHandshake (17), versions 0-1: which mechanism SaslAuthenticate will speak; after version 0 tokens come without Kafka's frame
// (36_sasl_authenticate.cc). Old clients look whether there is a version 0 and then use 1: librdkafka up to 2.0.
//
// - PLAIN is offered only where passwords cannot be listened to. While no user exists there is nothing to authenticate for:
//   ILLEGAL_SASL_STATE, as on Kafka's listeners without SASL.
#include "kafka/handlers.h"
#include "kafka/login.h"
#include "kafka/messages/sasl_handshake.h"

namespace ms::kafka {

void handle_sasl_handshake(Broker&, Call call) {
  SaslHandshakeRequest request;
  if (!call.decode(request)) return;
  SaslHandshakeResponse response;
  response.error_code = code(call.login().handshake(request.mechanism, call.version() == 0 ? Tokens::kBare : Tokens::kFramed));
  response.mechanisms = call.login().mechanisms();
  call.reply(response);
}

}  // namespace ms::kafka
