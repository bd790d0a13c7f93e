// Certificates for tests, made on the spot: an authority, what it signs, and files of both.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/rng.h"
#include "io/tls_context.h"

namespace ms::io::testing {

struct Freed {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Freed>;

// A certificate with its key.
struct Identity {
  Owned<X509> certificate;
  Owned<EVP_PKEY> key;

  std::string certificate_pem() const {
    const Owned<BIO> out(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_X509(out.get(), certificate.get()) == 1);
    return text_of(out.get());
  }
  std::string key_pem() const {
    const Owned<BIO> out(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return text_of(out.get());
  }

 private:
  static std::string text_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return {bytes, static_cast<size_t>(size)};
  }
};

struct Wanted {
  std::string common_name;
  std::string organization;
  long from_s = -3600, to_s = 24 * 3600;  // its validity, from now
  bool authority = false;
};

// Signed by `issuer`; nullptr: by itself.
inline Identity make_identity(const Wanted& wanted, const Identity* issuer = nullptr) {
  static std::atomic<long> serial = 1;
  Identity made{Owned<X509>(X509_new()), Owned<EVP_PKEY>(EVP_EC_gen("P-256"))};
  X509* const x = made.certificate.get();
  CHECK(x && made.key);
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), wanted.from_s);
  X509_gmtime_adj(X509_getm_notAfter(x), wanted.to_s);
  X509_set_pubkey(x, made.key.get());
  const auto add = [&](const char* field, const std::string& value) {
    if (!value.empty())
      CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), field, MBSTRING_UTF8, reinterpret_cast<const uint8_t*>(value.c_str()), -1, -1, 0) == 1);
  };
  add("O", wanted.organization);
  add("CN", wanted.common_name);
  X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer->certificate.get() : x));
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer ? issuer->certificate.get() : x, x, nullptr, nullptr, 0);
  const auto extend = [&](int kind, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    CHECK(extension && X509_add_ext(x, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!wanted.authority) extend(NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  CHECK(X509_sign(x, issuer ? issuer->key.get() : made.key.get(), EVP_sha256()) > 0);
  return made;
}

// A folder with the files of a listener; gone with the object.
class CertificateFolder {
 public:
  CertificateFolder() : path_(std::filesystem::temp_directory_path() / ("ms-tls-" + random_uuid().to_string())) {
    std::filesystem::create_directories(path_);
    write("ca.pem", authority.certificate_pem());
    install(make_identity({.common_name = "server"}, &authority));
  }
  ~CertificateFolder() { std::filesystem::remove_all(path_); }

  // Puts it where the listener's certificate is.
  void install(const Identity& server) {
    write("server.pem", server.certificate_pem());
    write("server.key", server.key_pem());
  }
  void write(const std::string& name, std::string_view bytes) { std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << bytes; }
  std::string path(const std::string& name) const { return (path_ / name).string(); }
  TlsFiles files(ClientAuth auth = ClientAuth::kNone) const {
    return {.certificate = path("server.pem"), .key = path("server.key"), .client_ca = auth == ClientAuth::kNone ? "" : path("ca.pem"), .client_auth = auth};
  }

  const Identity authority = make_identity({.common_name = "authority", .authority = true});

 private:
  std::filesystem::path path_;
};

}  // namespace ms::io::testing
