// What a client's TLS connections trust and show. TLS 1.2 and 1.3; a server's certificate must be good and name the host.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"

struct ssl_ctx_st;
struct ssl_st;

namespace ms::io {

// Paths of PEM files; all may be empty.
struct ClientTlsFiles {
  std::string ca;           // the authorities of servers; empty: the system's
  std::string certificate;  // our own, followed by those in between it and its root; with its key
  std::string key;          // not encrypted
};

// Immutable, thread-safe. Outlives its connections.
class ClientTls {
 public:
  // Reads the files. Errors: kInvalidArgument (missing, not PEM, the key is of another certificate), which says what to do.
  static Result<std::shared_ptr<const ClientTls>> load(const ClientTlsFiles& files);
  ~ClientTls();
  ClientTls(const ClientTls&) = delete;
  ClientTls& operator=(const ClientTls&) = delete;

  // For io/ only: a session to `host` (a name or an address) over a connected socket, not yet shaken hands.
  ssl_st* session(int socket, const std::string& host) const;

 private:
  ClientTls();
  ssl_ctx_st* context_ = nullptr;
};

}  // namespace ms::io
