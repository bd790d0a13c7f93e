#include "io/client_tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "io/tls_context.h"

namespace ms::io {

namespace {

bool is_address(const std::string& host) {
  in6_addr bytes{};
  return ::inet_pton(AF_INET, host.c_str(), &bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), &bytes) == 1;
}

}  // namespace

ClientTls::ClientTls() : context_(SSL_CTX_new(TLS_client_method())) {
  CHECK(context_);
  CHECK(SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION) == 1);
  SSL_CTX_set_security_level(context_, 2);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

ClientTls::~ClientTls() { SSL_CTX_free(context_); }

Result<std::shared_ptr<const ClientTls>> ClientTls::load(const ClientTlsFiles& files) {
  ERR_clear_error();
  std::shared_ptr<ClientTls> made(new ClientTls);
  SSL_CTX* const context = made->context_;
  // The file and the directory, but not OpenSSL's default store: with libarrow in the process, loading that one crashes in OpenSSL 3.0.
  if (files.ca.empty()) CHECK(SSL_CTX_set_default_verify_file(context) == 1 && SSL_CTX_set_default_verify_dir(context) == 1);
  else if (SSL_CTX_load_verify_file(context, files.ca.c_str()) != 1)
    return bad_tls_file("authorities of servers", files.ca,
                    "It must be a PEM file with the certificates of those who sign servers' certificates");
  if (files.certificate.empty() != files.key.empty())
    return invalid("a client's certificate and its key go together: give both files, or neither");
  if (files.certificate.empty()) return made;
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    return bad_tls_file("client's certificate", files.certificate,
                    "It must be a PEM file with the certificate first and those of its issuers behind it");
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_tls_file("client's key", files.key,
                    fmt::format("It must be the PEM file with the unencrypted private key of '{}'", files.certificate));
  return made;
}

ssl_st* ClientTls::session(int socket, const std::string& host) const {
  ssl_st* const session = SSL_new(context_);
  CHECK(session && SSL_set_fd(session, socket) == 1);
  if (is_address(host)) CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1);
  else CHECK(SSL_set1_host(session, host.c_str()) == 1 && SSL_set_tlsext_host_name(session, host.c_str()) == 1);
  return session;
}

}  // namespace ms::io
