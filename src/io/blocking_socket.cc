#include "io/blocking_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "io/tls_context.h"

namespace ms::io {
namespace {

constexpr int kReadBytes = 64 << 10;
constexpr size_t kWriteBytes = 1u << 20;  // of one call of OpenSSL

// Waits until the socket is ready for `events`.
Result<> wait_for(int socket, short events, int64_t deadline_us) {
  while (true) {
    const int64_t left_ms = (deadline_us - system_clock().steady_us() + 999) / kMicrosPerMilli;
    if (left_ms <= 0) return fail(ErrorKind::kTimeout, "no answer in time");
    pollfd p{.fd = socket, .events = events, .revents = 0};
    const int n = ::poll(&p, 1, static_cast<int>(std::min<int64_t>(left_ms, 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return connection_lost("poll", errno);
  }
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  if (code) return fail(ErrorKind::kUnavailable, fmt::format("cannot find the host '{}': {}", endpoint.host, ::gai_strerror(code)));
  return Addresses(list);
}

Result<int> connect_one(const addrinfo& address, int64_t deadline_us) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return connection_lost("socket", errno);
  int error = ::connect(socket, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    if (const auto ready = wait_for(socket, POLLOUT, deadline_us); !ready) {
      ::close(socket);
      return Unexpected(ready.error());
    }
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error) {
    ::close(socket);
    return connection_lost("connect", error);
  }
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket;
}

}  // namespace

Unexpected connection_lost(std::string_view what, int error_number) {
  return fail(ErrorKind::kUnavailable, fmt::format("{}: {}", what, std::strerror(error_number)));
}

void BlockingSocket::FreeSession::operator()(ssl_st* session) const { SSL_free(session); }

BlockingSocket::BlockingSocket(BlockingSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), session_(std::move(other.session_)) {}

BlockingSocket& BlockingSocket::operator=(BlockingSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(session_, other.session_);
  return *this;
}

void BlockingSocket::close() {
  session_.reset();
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<BlockingSocket> BlockingSocket::connect(const Endpoint& endpoint, int64_t deadline_us, const ClientTls* tls) {
  TRY_ASSIGN(const Addresses addresses, resolve(endpoint));
  Result<int> socket = connection_lost("connect", EHOSTUNREACH);
  for (const addrinfo* a = addresses.get(); a && !socket; a = a->ai_next) socket = connect_one(*a, deadline_us);
  if (!socket) return Unexpected(socket.error());
  BlockingSocket connected(*socket);
  if (tls) TRY(connected.shake_hands(*tls, endpoint.host, deadline_us));
  return connected;
}

// After a call of OpenSSL that has not succeeded: waits for what it wants. Errors: kTimeout, kUnavailable (it cannot succeed).
Result<> BlockingSocket::wait_for_session(int returned, std::string_view what, int64_t deadline_us) {
  switch (SSL_get_error(session_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return wait_for(fd_, POLLIN, deadline_us);
    case SSL_ERROR_WANT_WRITE:
      return wait_for(fd_, POLLOUT, deadline_us);
    case SSL_ERROR_ZERO_RETURN:
      return connection_lost(what, ECONNRESET);
    case SSL_ERROR_SYSCALL:
      return connection_lost(what, errno ? errno : ECONNRESET);
    default:
      break;
  }
  if (const long verdict = SSL_get_verify_result(session_.get()); verdict != X509_V_OK) {
    ERR_clear_error();
    return fail(ErrorKind::kUnavailable,
                fmt::format("the server's certificate is not trusted: {}", X509_verify_cert_error_string(verdict)));
  }
  return fail(ErrorKind::kUnavailable, fmt::format("{}: TLS: {}", what, take_tls_error()));
}

Result<> BlockingSocket::shake_hands(const ClientTls& tls, const std::string& host, int64_t deadline_us) {
  session_.reset(tls.session(fd_, host));
  while (true) {
    ERR_clear_error();
    const int done = SSL_connect(session_.get());
    if (done == 1) return {};
    TRY(wait_for_session(done, "the TLS handshake", deadline_us));
  }
}

Result<> BlockingSocket::write_all(std::string_view bytes, int64_t deadline_us) {
  while (!bytes.empty()) {
    if (session_) ERR_clear_error();
    const ssize_t n = session_ ? SSL_write(session_.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), kWriteBytes)))
                               : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    else if (session_) TRY(wait_for_session(static_cast<int>(n), "send", deadline_us));
    else if (errno == EAGAIN) TRY(wait_for(fd_, POLLOUT, deadline_us));
    else if (errno != EINTR) return connection_lost("send", errno);
  }
  return {};
}

Result<size_t> BlockingSocket::read_some(std::string& in, int64_t deadline_us) {
  const size_t before = in.size();
  while (true) {
    in.resize(before + kReadBytes);
    if (session_) ERR_clear_error();
    const ssize_t n = session_ ? SSL_read(session_.get(), in.data() + before, kReadBytes) : ::recv(fd_, in.data() + before, kReadBytes, 0);
    in.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n > 0) return static_cast<size_t>(n);
    if (session_) {
      if (SSL_get_error(session_.get(), static_cast<int>(n)) == SSL_ERROR_ZERO_RETURN) return 0;
      TRY(wait_for_session(static_cast<int>(n), "receive", deadline_us));
      continue;
    }
    if (n == 0) return 0;
    if (errno != EAGAIN && errno != EINTR) return connection_lost("receive", errno);
    TRY(wait_for(fd_, POLLIN, deadline_us));
  }
}

}  // namespace ms::io
