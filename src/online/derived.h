// Derived features of a reply, from what its views answered and the fields of the request.
#pragma once

#include "online/online.h"

namespace ms::online {

// Fills in reply.derived for all entities, from `rows` and `request`. Does nothing when the service has none.
void derive(Reply& reply);

}  // namespace ms::online
