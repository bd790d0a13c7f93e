#include "io/tcp_server.h"

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "io/buffer_pool.h"
#include "io/endpoint.h"
#include "io/stream.h"

namespace ms::io {

namespace asio = boost::asio;
using asio::ip::tcp;
using Ec = boost::system::error_code;
constexpr auto kAwait = Stream::kAwait;

namespace {

constexpr size_t kStagingBytes = 8192;     // small frames arrive several at a time; of a large one at most this much is copied
constexpr size_t kGatherMax = 64;          // buffers per write
constexpr int64_t kWatchEveryUs = 1'000'000;
constexpr int64_t kBudgetRetryUs = 2'000;
constexpr int64_t kStallBytesPerSecond = 64 << 10;
constexpr size_t kLeavingMax = 256;  // connections that make room and have not closed yet

Metric& rejected(std::string_view reason) {
  return counter("millstream_tcp_rejected_total", "reason=\"" + std::string(reason) + "\"");
}

// Counts it, and says what whoever operates the client can do.
void refuse(std::string_view reason, const std::string& peer, std::string_view why) {
  rejected(reason).add();
  static LogLimit limit;
  if (limit.admit(system_clock().steady_us())) log_warn("connection_refused", {{"reason", reason}, {"peer", peer}, {"why", why}});
}

std::string describe(const tcp::socket& socket) {
  Ec error;
  const auto peer = socket.remote_endpoint(error);
  return error ? "?" : format_endpoint({.host = peer.address().to_string(), .port = peer.port()});
}

}  // namespace

struct TcpServer::Core : std::enable_shared_from_this<TcpServer::Core> {
  class Link;

  Core(TcpServerOptions o, IoRuntime& r, HandlerFactory f)
      : options(std::move(o)),
        runtime(r),
        factory(std::move(f)),
        pool(BufferPool::create(options.idle_block_bytes_max)),
        known(options.memory_bytes_max),
        strangers(options.strangers_bytes_max),
        acceptor(r.thread(0).context()),
        accept_retry(r.thread(0).context()) {}

  std::shared_ptr<const TlsContext> tls_context() const { return options.tls ? options.tls->current() : nullptr; }
  void add(tcp::socket socket, IoThread& thread);
  void remove(const std::shared_ptr<Link>& link);
  void settle(Link& link);
  bool make_room();  // mutex held
  asio::awaitable<void> accept_loop(std::shared_ptr<Core> self);

  const TcpServerOptions options;
  IoRuntime& runtime;
  const HandlerFactory factory;
  const std::shared_ptr<BufferPool> pool;
  struct Memory {
    explicit Memory(size_t bytes_max) : budget(std::make_shared<MemoryBudget>(bytes_max)) {}
    const std::shared_ptr<MemoryBudget> budget;
    std::atomic<int> waiting = 0;  // connections that wait for a part of it
  };
  Memory known, strangers;
  tcp::acceptor acceptor;              // used on thread 0
  asio::steady_timer accept_retry;     // used on thread 0
  uint16_t port = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  bool accepting = false;
  std::unordered_set<std::shared_ptr<Link>> links;
  std::list<Link*> newcomers;  // of the links, those that have not settled, the oldest first
};

// One connection. The socket and timers go away on the connection's thread; the object may live on in late completions.
class TcpServer::Core::Link final : public Connection {
 public:
  Link(std::shared_ptr<Core> core, tcp::socket socket, IoThread& thread)
      : core_(std::move(core)),
        thread_(thread),
        stream_(std::make_shared<Stream>(std::move(socket), core_->tls_context())),
        own_(std::make_shared<MemoryBudget>(core_->options.connection_memory_bytes_max, core_->known.budget)),
        wake_(std::make_unique<asio::steady_timer>(thread.context())),
        watch_(std::make_unique<Timer>(thread)),
        peer_(describe(stream_->socket())) {}

  void run() {
    auto self = std::static_pointer_cast<Link>(shared_from_this());
    last_activity_us_ = now_us();
    const auto& ask = core_->options.refuse_for_ms;
    if (const int64_t wait_ms = ask ? ask(host_of_peer(peer_)) : 0) return asio::co_spawn(thread_.context(), turn_away(self, wait_ms), asio::detached);
    if (stream_->encrypted()) handshake_started_us_ = last_activity_us_;
    else handler_ = core_->factory(self);
    watch();
    asio::co_spawn(thread_.context(), serve(self), asio::detached);
  }

  IoThread& thread() override { return thread_; }
  const std::string& peer() const override { return peer_; }
  const PeerSecurity& security() const override { return security_; }
  size_t unsent_bytes() const override { return unsent_bytes_; }
  void pause_reading() override { paused_ = true; }
  void resume_reading() override {
    if (!std::exchange(paused_, false) || !wake_) return;
    wake_->cancel();
  }
  void close() override {
    if (std::exchange(closed_, true)) return;
    if (stream_) stream_->close();
    if (wake_) wake_->cancel();
  }
  void send(std::vector<Slice> parts) override {
    if (closed_) return;
    for (Slice& part : parts) {
      unsent_bytes_ += part.size();
      if (!part.empty()) unsent_.push_back(std::move(part));
    }
    if (!writing_) write_some();
  }
  void settle() override { core_->settle(*this); }

  std::optional<std::list<Link*>::iterator> newcomer;  // its place among them, under the server's mutex

 private:
  static int64_t now_us() { return system_clock().steady_us(); }

  // Whoever is let go at once comes back at once.
  asio::awaitable<void> turn_away(std::shared_ptr<Link> self, int64_t wait_ms) {
    rejected("connection_rate").add();
    wake_->expires_after(std::chrono::microseconds(std::min(wait_ms * kMicrosPerMilli, core_->options.idle_timeout_us)));
    if (!closed_) co_await wake_->async_wait(kAwait);
    finish(self);
  }

  // Ends a connection on which nothing moves, or whose frame takes too long to arrive, or whose client may no longer be here.
  void watch() {
    if (closed_ || !watch_) return;
    const int64_t now = now_us();
    if (handshake_started_us_ && now - handshake_started_us_ > core_->options.handshake_timeout_us)
      return refuse("slow_handshake", peer_, "the client has not finished its TLS handshake in time"), close();
    if (expires_us_ <= system_clock().wall_us())
      return refuse("certificate_expired", peer_, "the certificate of " + security_.certificate_subject + " has expired: give the client a new one"), close();
    if (now - last_activity_us_ > core_->options.idle_timeout_us) return rejected("idle").add(), close();
    for (const int64_t started_us : {length_started_us_, frame_started_us_})
      if (started_us && now - started_us > core_->options.frame_timeout_us) return rejected("slow").add(), close();
    if (stalls(now)) return rejected("stalled").add(), close();
    watch_->start(kWatchEveryUs, [self = shared_from_this(), this] { watch(); });
  }

  // Holds memory that others wait for, and does not use it.
  bool stalls(int64_t now) const {
    if (!frame_started_us_ || memory_->waiting == 0) return false;
    const int64_t age = now - frame_started_us_;
    return age > core_->options.stall_timeout_us && static_cast<int64_t>(frame_arrived_) < age / kMicrosPerSecond * kStallBytesPerSecond;
  }

  void write_some() {
    size_t count = 0, skip = sent_of_first_;
    for (auto part = unsent_.begin(); part != unsent_.end() && count < kGatherMax; ++part, skip = 0)
      gather_[count++] = asio::const_buffer(part->data() + skip, part->size() - skip);
    if (count == 0) return;
    writing_ = true;
    stream_->write_some(std::span<const asio::const_buffer>(gather_.data(), count), [self = std::static_pointer_cast<Link>(shared_from_this())](Ec error, size_t n) {
      self->written(error, n);
    });
  }

  void written(Ec error, size_t n) {
    writing_ = false;
    if (closed_) return;
    if (error) return close();
    last_activity_us_ = now_us();
    unsent_bytes_ -= n;
    for (n += sent_of_first_; !unsent_.empty() && n >= unsent_.front().size(); unsent_.pop_front()) n -= unsent_.front().size();
    sent_of_first_ = n;
    if (!unsent_.empty()) return write_some();
    handler_->on_sent();
  }

  asio::awaitable<void> serve(std::shared_ptr<Link> self) {
    bool good = !closed_;
    if (good && stream_->encrypted()) good = co_await begin_session(self);
    if (good) co_await read_loop(self);
    finish(self);
  }

  // The handshake, and then the handler. False: the connection is over.
  asio::awaitable<bool> begin_session(std::shared_ptr<Link> self) {
    const bool open = co_await stream_->open(stream_, core_->options.handshake_bytes_max);
    const Stream::Refusal& refusal = stream_->refusal();
    if (!open && !closed_ && !refusal.reason.empty()) refuse(refusal.reason, peer_, refusal.text);
    if (!open || closed_) co_return false;
    handshake_started_us_ = 0;
    last_activity_us_ = now_us();
    security_ = {.encrypted = true, .certificate_subject = stream_->session()->subject()};
    expires_us_ = stream_->session()->expires_us();
    handler_ = core_->factory(self);
    co_return !closed_;
  }

  asio::awaitable<void> read_loop(std::shared_ptr<Link> self) {
    while (!closed_) {
      if (paused_) {
        wake_->expires_at(asio::steady_timer::time_point::max());
        co_await wake_->async_wait(kAwait);
        continue;
      }
      const bool more = co_await read_frame(self);
      if (!more) break;
    }
  }

  // Reads one frame and hands it over. False: the connection is over.
  asio::awaitable<bool> read_frame(std::shared_ptr<Link> self) {
    while (staged() < 4) {
      if (begin_ != 0) compact();
      if (staged() > 0 && !length_started_us_) length_started_us_ = now_us();
      const auto [error, n] =
          co_await stream_->read_some(asio::buffer(staging_.data() + end_, staging_.size() - end_));
      if (error || closed_) co_return false;
      arrived(n);
      end_ += n;
    }
    length_started_us_ = 0;
    uint32_t length;
    std::memcpy(&length, staging_.data() + begin_, 4);
    length = __builtin_bswap32(length);
    if (length > core_->options.frame_bytes_max) {
      refuse_length(length);
      co_return false;
    }
    const Admission admission = handler_->admits(length);
    if (admission == Admission::kRefused) co_return false;
    const bool stranger = admission == Admission::kStranger;
    memory_ = stranger ? &core_->strangers : &core_->known;
    begin_ += 4;
    const int64_t began_us = now_us();

    MemoryBudget& from = stranger ? *core_->strangers.budget : *own_;
    std::optional<MemoryHold> hold;
    if (stranger && length <= kSmallFrameBytes) hold.emplace();
    else hold = from.try_hold(length);
    const bool waits = !hold;
    if (waits) hold = co_await wait_for_memory(self, from, length);
    if (closed_) co_return false;
    frame_started_us_ = waits ? now_us() : began_us;

    const Block block = core_->pool->allocate(length);
    size_t filled = std::min<size_t>(staged(), length);
    std::memcpy(block.data, staging_.data() + begin_, filled);
    begin_ += filled;
    frame_arrived_ = filled;
    while (filled < length) {  // what follows the frame lands in the staging area by the same call
      begin_ = end_ = 0;
      const std::array<asio::mutable_buffer, 2> into{asio::buffer(block.data + filled, length - filled), asio::buffer(staging_)};
      const auto [error, n] = co_await stream_->read_some(into);
      if (error || closed_) co_return false;
      arrived(n);
      const size_t here = std::min(n, length - filled);
      filled += here;
      frame_arrived_ = filled;
      end_ = n - here;
    }
    frame_started_us_ = 0;
    handler_->on_frame(Frame{Slice(block.owner, block.data, length), std::move(*hold), began_us});
    co_return !closed_;
  }

  // Back-pressure: until its own requests, or those of others, have finished.
  asio::awaitable<std::optional<MemoryHold>> wait_for_memory(std::shared_ptr<Link> self, MemoryBudget& from, size_t length) {
    static_cast<void>(self);
    std::optional<MemoryHold> hold;
    while (!hold && !closed_) {
      const bool for_others = &from != own_.get() || own_->fits(length);
      if (for_others) ++memory_->waiting;
      last_activity_us_ = now_us();
      frame_started_us_ = 0;
      wake_->expires_after(std::chrono::microseconds(kBudgetRetryUs));
      co_await wake_->async_wait(kAwait);
      if (for_others) --memory_->waiting;
      hold = from.try_hold(length);
    }
    co_return hold;
  }

  // A client that speaks TLS to a listener in the clear announces some 350 MiB.
  void refuse_length(uint32_t length) {
    const bool tls = !stream_->encrypted() && begins_tls(std::span(staging_).subspan(begin_, 4));
    if (!tls) return refuse("oversized", peer_, "it announces a frame of " + std::to_string(length) + " bytes");
    refuse("tls_on_plain", peer_, "the client speaks TLS and this listener does not; connect to the one with TLS, or switch TLS off in the client");
  }

  size_t staged() const { return end_ - begin_; }
  void compact() {
    std::memmove(staging_.data(), staging_.data() + begin_, staged());
    end_ = staged();
    begin_ = 0;
  }
  void arrived(size_t) { last_activity_us_ = now_us(); }

  void finish(const std::shared_ptr<Link>& self) {
    close();
    if (handler_) handler_->on_closed();
    handler_.reset();
    unsent_.clear();
    stream_.reset();
    wake_.reset();
    watch_.reset();
    core_->remove(self);
  }

  const std::shared_ptr<Core> core_;
  IoThread& thread_;
  std::shared_ptr<Stream> stream_;
  const std::shared_ptr<MemoryBudget> own_;  // its part of what those who are known share
  std::unique_ptr<asio::steady_timer> wake_;  // ends a pause
  std::unique_ptr<Timer> watch_;
  const std::string peer_;
  PeerSecurity security_;
  int64_t handshake_started_us_ = 0;  // 0: over, or none
  int64_t expires_us_ = kNeverUs;     // the client's certificate, by the wall clock
  std::shared_ptr<FrameHandler> handler_;  // from the end of the handshake on
  bool paused_ = false, closed_ = false, writing_ = false;
  Memory* memory_ = nullptr;  // of the frame that comes
  int64_t last_activity_us_ = 0, frame_started_us_ = 0;
  int64_t length_started_us_ = 0;  // while a part of a frame's length is there
  size_t frame_arrived_ = 0;  // bytes of the frame since frame_started_us_
  std::array<uint8_t, kStagingBytes> staging_;
  size_t begin_ = 0, end_ = 0;
  std::deque<Slice> unsent_;
  std::array<asio::const_buffer, kGatherMax> gather_;  // of the write under way: Asio looks at it again when the socket was full
  size_t unsent_bytes_ = 0, sent_of_first_ = 0;
};

void TcpServer::Core::add(tcp::socket socket, IoThread& thread) {
  auto link = std::make_shared<Link>(shared_from_this(), std::move(socket), thread);
  {
    const std::lock_guard lock(mutex);
    if (stopping) return;
    if (links.size() >= options.connections_max && !make_room())
      return refuse("connections", link->peer(),
                    "the server has all the connections that it takes: close some, or give it more open files");
    links.insert(link);
    link->newcomer = newcomers.insert(newcomers.end(), link.get());
    gauge("millstream_tcp_connections").add(1);
  }
  thread.post([link] { link->run(); });
}

// The oldest connection that has not settled goes: whoever only connects keeps nobody out.
bool TcpServer::Core::make_room() {
  if (newcomers.empty() || links.size() >= options.connections_max + kLeavingMax) return false;
  Link& oldest = *newcomers.front();
  newcomers.pop_front();
  oldest.newcomer.reset();
  refuse("displaced", oldest.peer(), "it has sent no request or has not logged in, and the server has all the connections that it takes");
  oldest.thread().post([link = oldest.shared_from_this()] { link->close(); });
  return true;
}

void TcpServer::Core::settle(Link& link) {
  const std::lock_guard lock(mutex);
  if (const auto place = std::exchange(link.newcomer, std::nullopt)) newcomers.erase(*place);
}

void TcpServer::Core::remove(const std::shared_ptr<Link>& link) {
  settle(*link);
  const std::lock_guard lock(mutex);
  if (links.erase(link)) gauge("millstream_tcp_connections").add(-1);
  changed.notify_all();
}

asio::awaitable<void> TcpServer::Core::accept_loop(std::shared_ptr<Core> self) {
  while (acceptor.is_open()) {
    IoThread& thread = runtime.next();
    auto [error, socket] = co_await acceptor.async_accept(thread.context(), kAwait);
    if (!acceptor.is_open()) break;
    if (error) {  // out of descriptors, most likely: wait until some are free
      rejected("accept").add();
      accept_retry.expires_after(std::chrono::milliseconds(50));
      co_await accept_retry.async_wait(kAwait);
      continue;
    }
    Ec ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    add(std::move(socket), thread);
  }
  const std::lock_guard lock(mutex);
  accepting = false;
  changed.notify_all();
}

Result<std::unique_ptr<TcpServer>> TcpServer::start(TcpServerOptions options, IoRuntime& runtime, HandlerFactory factory) {
  auto core = std::make_shared<Core>(std::move(options), runtime, std::move(factory));
  const std::string where = core->options.host + ":" + std::to_string(core->options.port);
  Ec error;
  const auto address = asio::ip::make_address(core->options.host, error);
  if (error) return invalid("cannot listen on " + where + ": the host must be an IP address");
  const tcp::endpoint endpoint(address, core->options.port);
  core->acceptor.open(endpoint.protocol(), error);
  if (!error) core->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) core->acceptor.bind(endpoint, error);
  if (!error) core->acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    const auto kind = error == asio::error::address_in_use ? ErrorKind::kConflict : ErrorKind::kInternal;
    return fail(kind, "cannot listen on " + where + ": " + error.message());
  }
  core->port = core->acceptor.local_endpoint(error).port();
  core->accepting = true;
  asio::co_spawn(runtime.thread(0).context(), core->accept_loop(core), asio::detached);
  return std::unique_ptr<TcpServer>(new TcpServer(std::move(core)));
}

TcpServer::~TcpServer() { stop(); }

uint16_t TcpServer::port() const { return core_->port; }

void TcpServer::stop() {
  std::unique_lock lock(core_->mutex);
  if (std::exchange(core_->stopping, true)) return;
  core_->runtime.thread(0).post([core = core_] {
    Ec ignored;
    core->acceptor.close(ignored);
    core->accept_retry.cancel();
  });
  for (const auto& link : core_->links) link->thread().post([link] { link->close(); });
  const bool all = core_->changed.wait_for(lock, std::chrono::seconds(3), [&] { return core_->links.empty() && !core_->accepting; });
  if (!all) log_warn("tcp_stop_timeout", {{"connections", core_->links.size()}});
}

}  // namespace ms::io
