#include "io/blocking_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/clock.h"

namespace ms::io {
namespace {

constexpr size_t kReadBytes = 64u << 10;

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

BlockingSocket::BlockingSocket(BlockingSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

BlockingSocket& BlockingSocket::operator=(BlockingSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

void BlockingSocket::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<BlockingSocket> BlockingSocket::connect(const Endpoint& endpoint, int64_t deadline_us) {
  TRY_ASSIGN(const Addresses addresses, resolve(endpoint));
  Result<int> socket = connection_lost("connect", EHOSTUNREACH);
  for (const addrinfo* a = addresses.get(); a && !socket; a = a->ai_next) socket = connect_one(*a, deadline_us);
  if (!socket) return Unexpected(socket.error());
  return BlockingSocket(*socket);
}

Result<> BlockingSocket::write_all(std::string_view bytes, int64_t deadline_us) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    else if (errno == EAGAIN) TRY(wait_for(fd_, POLLOUT, deadline_us));
    else if (errno != EINTR) return connection_lost("send", errno);
  }
  return {};
}

Result<size_t> BlockingSocket::read_some(std::string& in, int64_t deadline_us) {
  const size_t before = in.size();
  in.resize(before + kReadBytes);
  while (true) {
    const ssize_t n = ::recv(fd_, in.data() + before, kReadBytes, 0);
    in.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR) return connection_lost("receive", errno);
    TRY(wait_for(fd_, POLLIN, deadline_us));
    in.resize(before + kReadBytes);
  }
}

}  // namespace ms::io
