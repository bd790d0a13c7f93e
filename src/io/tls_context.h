// What a TLS listener shows and asks for: a certificate with its key, and whose client certificates it takes. TLS 1.2 and
// 1.3 with forward secrecy and authenticated encryption alone; no renegotiation, no resumption, no ALPN.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct ssl_ctx_st;

namespace ms::io {

enum class ClientAuth : uint8_t {
  kNone,      // no certificate is asked for
  kOptional,  // one that is shown must be good
  kRequired,
};

// Paths of PEM files.
struct TlsFiles {
  std::string certificate;  // the server's, followed by those in between it and its root
  std::string key;          // not encrypted
  std::string client_ca;    // the roots of client certificates; needed unless client_auth is kNone
  ClientAuth client_auth = ClientAuth::kNone;
};

// Immutable, thread-safe. A session keeps the one that it began with.
class TlsContext {
 public:
  // Reads the files. Errors: kInvalidArgument (missing, not PEM, the key is of another certificate, expired), which says what to do.
  static Result<std::shared_ptr<const TlsContext>> load(const TlsFiles& files);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  int64_t not_after_us() const { return not_after_us_; }  // the end of the server's certificate, microseconds since 1970
  ssl_ctx_st* native() const { return context_; }         // for io/ only

 private:
  TlsContext();
  Result<> read(const TlsFiles& files);
  Result<> read_certificate(const TlsFiles& files);
  Result<> read_client_ca(const TlsFiles& files);

  ssl_ctx_st* context_ = nullptr;
  int64_t not_after_us_ = 0;
};

// The first error that OpenSSL has noted on this thread, as text; what followed from it is forgotten.
std::string take_tls_error();
// kInvalidArgument: the file at `path` cannot be used for what it is for, by the error that take_tls_error() takes.
Unexpected bad_tls_file(std::string_view what, const std::string& path, std::string_view advice);

}  // namespace ms::io
