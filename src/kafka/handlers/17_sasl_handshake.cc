// SaslHandshake (17), version 1: which mechanism SaslAuthenticate will speak.
//
// - PLAIN is offered only where passwords cannot be listened to. While no user exists there is nothing to authenticate for:
//   ILLEGAL_SASL_STATE, as on Kafka's listeners without SASL.
// - Deviation: no version 0, after which tokens came without Kafka's frame.
#include "kafka/handlers.h"
#include "kafka/login.h"
#include "kafka/messages/sasl_handshake.h"

namespace ms::kafka {

void handle_sasl_handshake(Broker&, Call call) {
  SaslHandshakeRequest request;
  if (!call.decode(request)) return;
  SaslHandshakeResponse response;
  response.error_code = code(call.login().handshake(request.mechanism));
  response.mechanisms = call.login().mechanisms();
  call.reply(response);
}

}  // namespace ms::kafka
