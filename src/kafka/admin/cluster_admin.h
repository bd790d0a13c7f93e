// What an operator asks of a server as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kafka/admin/admin_client.h"

namespace ms::kafka {

// Where clients are told to connect, one address per broker. Errors of both: those of AdminClient::call and of admin_error.h.
Result<std::vector<io::Endpoint>> advertised_endpoints(AdminClient& client);

struct OpenTransaction {
  std::string id;
  int64_t start_ms = 0, timeout_ms = 0;
};
Result<std::vector<OpenTransaction>> open_transactions(AdminClient& client);

}  // namespace ms::kafka
