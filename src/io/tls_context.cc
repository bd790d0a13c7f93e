#include "io/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "base/clock.h"
#include "io/tls_time.h"

namespace ms::io {

namespace {

constexpr auto kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr long kCertificateBytesMax = 32 << 10;  // of a client's chain
constexpr int kChainMax = 8;

// A password would be asked for on the terminal, under a server that waits.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

std::string take_tls_error() {
  const unsigned long first = ERR_peek_error();
  ERR_clear_error();
  if (first == 0) return "no reason given";
  if (ERR_SYSTEM_ERROR(first)) return std::system_category().message(ERR_GET_REASON(first));
  const char* reason = ERR_reason_error_string(first);
  return reason ? reason : fmt::format("error {:x}", first);
}

Unexpected bad_tls_file(std::string_view what, const std::string& path, std::string_view advice) {
  return invalid(fmt::format("cannot use the {} '{}': {}. {}", what, path, take_tls_error(), advice));
}

TlsContext::TlsContext() : context_(SSL_CTX_new(TLS_server_method())) {
  CHECK(context_);
  CHECK(SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set_cipher_list(context_, kCiphers12) == 1);
  SSL_CTX_set_security_level(context_, 2);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A resumed session would bring back a client certificate that is not looked at again.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  CHECK(SSL_CTX_set_num_tickets(context_, 0) == 1);
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context_, kCertificateBytesMax);
  SSL_CTX_set_verify_depth(context_, kChainMax);
  SSL_CTX_set_default_passwd_cb(context_, no_password);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsFiles& files) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> context(new TlsContext);
  TRY(context->read(files));
  return context;
}

Result<> TlsContext::read(const TlsFiles& files) {
  TRY(read_certificate(files));
  if (files.client_auth != ClientAuth::kNone) TRY(read_client_ca(files));
  return {};
}

Result<> TlsContext::read_certificate(const TlsFiles& files) {
  if (SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str()) != 1)
    return bad_tls_file("TLS certificate", files.certificate, "It must be a PEM file with the server's certificate first and those of its issuers behind it");
  if (SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_tls_file("TLS key", files.key, fmt::format("It must be the PEM file with the unencrypted private key of '{}'", files.certificate));
  not_after_us_ = to_wall_us(X509_get0_notAfter(SSL_CTX_get0_certificate(context_)));
  if (not_after_us_ <= system_clock().wall_us())
    return invalid(fmt::format("the TLS certificate '{}' has expired: no client would take it. Put a new one there", files.certificate));
  return {};
}

Result<> TlsContext::read_client_ca(const TlsFiles& files) {
  auto* const names = SSL_load_client_CA_file(files.client_ca.c_str());
  if (!names || SSL_CTX_load_verify_file(context_, files.client_ca.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return bad_tls_file("roots of client certificates", files.client_ca, "It must be a PEM file with the certificates of the authorities whose clients may come in");
  }
  SSL_CTX_set_client_CA_list(context_, names);
  const int must = files.client_auth == ClientAuth::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | must, nullptr);
  return {};
}

}  // namespace ms::io
