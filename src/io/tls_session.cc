#include "io/tls_session.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "io/tls_time.h"

namespace ms::io {

// OpenSSL's side of the two buffers.
struct TlsBio {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }
  static int read(BIO* bio, char* into, int size) {
    auto& input = session(bio).input_;
    BIO_clear_retry_flags(bio);
    if (input.empty()) return BIO_set_retry_read(bio), -1;
    const size_t n = std::min(input.size(), static_cast<size_t>(std::max(size, 0)));
    std::memcpy(into, input.data(), n);
    input = input.subspan(n);
    return static_cast<int>(n);
  }
  static int write(BIO* bio, const char* from, int size) {
    auto& output = session(bio).output_;
    output.insert(output.end(), from, from + size);
    return size;
  }
  static long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }
  static int created(BIO* bio) { return BIO_set_init(bio, 1), 1; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millstream");
      CHECK(m);
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      BIO_meth_set_create(m, created);
      return m;
    }();
    return made;
  }
};

namespace {

// What whoever operates either end can do about it.
std::string_view advice(std::string_view reason) {
  static constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"unknown ca", "the client does not know who signed this server's certificate: give it the authority's (ssl.ca.location, ssl.truststore)"},
      {"certificate unknown", "the client refuses this server's certificate: its authority is not in the client's trust store, or its name is not the host's"},
      {"bad certificate", "the client refuses this server's certificate: compare its names with the host that the client connects to"},
      {"certificate expired", "the client refuses this server's certificate as expired: compare the clocks"},
      {"did not return a certificate", "tls_client_auth is required: give the client a certificate of tls_client_ca"},
      {"certificate verify failed", "the client's certificate is not good for tls_client_ca"},
      {"unsupported protocol", "the client knows TLS 1.1 or older only, and 1.2 is the oldest here"},
      {"no shared cipher", "the client knows none of the ciphers with forward secrecy and authenticated encryption"},
  };
  for (const auto& [part, text] : kKnown)
    if (reason.find(part) != std::string_view::npos) return text;
  return "";
}

}  // namespace

bool begins_tls(std::span<const uint8_t> first) {
  constexpr std::array<uint8_t, 2> kHandshakeRecord{0x16, 0x03};
  const size_t seen = std::min(first.size(), kHandshakeRecord.size());
  return std::equal(first.begin(), first.begin() + static_cast<ptrdiff_t>(seen), kHandshakeRecord.begin());
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context) : context_(std::move(context)), ssl_(SSL_new(context_->native())) {
  BIO* const bio = BIO_new(TlsBio::method());
  CHECK(ssl_ && bio);
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

void TlsSession::fail(int result) {
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ) return;
  if (error == SSL_ERROR_ZERO_RETURN) {
    state_ = State::kEnded;
    return;
  }
  state_ = State::kFailed;
  failure_ = take_tls_error();
  const std::string_view what_to_do = advice(failure_);
  if (const long verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK)
    failure_ += fmt::format(" ({})", X509_verify_cert_error_string(verdict));
  if (!what_to_do.empty()) failure_ += fmt::format(": {}", what_to_do);
}

void TlsSession::shake_hands() {
  if (state_ != State::kHandshake) return;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) state_ = State::kOpen;
  else fail(result);
}

size_t TlsSession::read(std::span<uint8_t> into) {
  size_t done = 0;
  while (done < into.size() && state_ == State::kOpen) {
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_read_ex(ssl_, into.data() + done, into.size() - done, &n);
    if (result != 1) {
      fail(result);
      break;
    }
    done += n;
  }
  return done;
}

bool TlsSession::write(std::span<const uint8_t> plaintext) {
  if (state_ != State::kOpen && state_ != State::kEnded) return false;
  ERR_clear_error();
  size_t n = 0;
  const int result = plaintext.empty() ? 1 : SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &n);
  if (result == 1) return true;
  fail(result);
  state_ = State::kFailed;
  return false;
}

void TlsSession::end() {
  if (state_ != State::kOpen && state_ != State::kEnded) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string TlsSession::subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (!certificate) return {};
  BIO* const text = BIO_new(BIO_s_mem());
  CHECK(text);
  // As Java prints it: letters beyond ASCII as they are.
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text, &bytes);
  std::string subject(bytes, static_cast<size_t>(std::max(size, 0L)));
  BIO_free(text);
  return subject;
}

int64_t TlsSession::expires_us() const {
  int64_t first = kNeverUs;
  const auto* chain = SSL_get0_peer_certificate(ssl_) ? SSL_get0_verified_chain(ssl_) : nullptr;
  for (int i = 0; chain && i < sk_X509_num(chain); ++i) first = std::min(first, to_wall_us(X509_get0_notAfter(sk_X509_value(chain, i))));
  return first;
}

}  // namespace ms::io
