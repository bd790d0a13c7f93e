// Many Kafka clients on one thread. What a client does is written as a coroutine (Flow): `co_await connection.ask<Answer>(request)`.
// One epoll loop resumes whoever has its answer, so a thousand connections cost little more than their system calls.
#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <coroutine>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "bench/src/connect.h"
#include "kafka/admin/frame.h"

namespace ms::bench {

// Runs at once until its first wait; whoever has it may await its end. It must have ended before it is destroyed.
class Flow {
 public:
  struct promise_type {
    Flow get_return_object() { return Flow(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_never initial_suspend() noexcept { return {}; }
    struct AtEnd {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
        return self.promise().next ? self.promise().next : std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };
    AtEnd final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
    std::coroutine_handle<> next;
  };

  Flow(Flow&& other) noexcept : self_(std::exchange(other.self_, {})) {}
  Flow& operator=(Flow&&) = delete;
  ~Flow() {
    if (!self_) return;
    CHECK(self_.done());
    self_.destroy();
  }

  bool done() const { return self_.done(); }
  bool await_ready() const { return done(); }
  void await_suspend(std::coroutine_handle<> waiting) { self_.promise().next = waiting; }
  void await_resume() {}

 private:
  explicit Flow(std::coroutine_handle<promise_type> self) : self_(self) {}
  std::coroutine_handle<promise_type> self_;
};

class Connection;

class Loop {
 public:
  Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Loop() { close(epoll_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void add(int fd, Connection& connection) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }
  auto pause(int64_t us) {
    struct Pause {
      Loop& loop;
      int64_t due_us;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> waiting) { loop.pauses_.emplace(due_us, waiting); }
      void await_resume() {}
    };
    return Pause{*this, system_clock().steady_us() + us};
  }
  template <class Done>
  void run_until(Done done) {
    while (!done()) step();
  }

 private:
  static constexpr int64_t kSilenceMs = 60'000;  // nothing at all happens: the server is stuck
  void step();

  const int epoll_;
  std::multimap<int64_t, std::coroutine_handle<>> pauses_;  // by when they end
};

// One request at a time.
class Connection {
 public:
  Connection(Loop& loop, const std::string& address, std::string client_id) : fd_(connect_to(address)), client_id_(std::move(client_id)) {
    loop.add(fd_, *this);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends at once; the answer is what awaiting gives.
  template <class Response, class Request>
  auto ask(Request request) {
    const kafka::ApiSpec& api = Request::kApi;
    kafka::Encoder body(api.max_version, api.is_flexible(api.max_version));
    request.code(body);
    send_frame(kafka::request_frame(api, api.max_version, ++correlation_, client_id_, body.take_bytes()));
    return Answer<Response>{*this};
  }
  template <class Response>
  struct Answer {
    Connection& connection;
    bool await_ready() const { return connection.answer_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiting) { connection.waiting_ = waiting; }
    Response await_resume() {
      const kafka::ApiSpec& api = Response::kApi;
      const Slice frame = *std::exchange(connection.answer_, {});
      const auto body = kafka::answer_body(api, api.max_version, connection.correlation_, frame);
      if (!body) die(std::string(api.name) + ": the answer to another request");
      kafka::Decoder in(*body, api.max_version, api.is_flexible(api.max_version));
      Response response;
      response.code(in);
      if (!in.ok() || !in.at_end()) die(std::string(api.name) + ": an answer that cannot be read");
      return response;
    }
  };
  void receive();  // takes what is there

 private:
  void send_frame(const std::string& frame) {
    for (size_t at = 0; at < frame.size();) {
      const ssize_t put = send(fd_, frame.data() + at, frame.size() - at, MSG_NOSIGNAL);
      if (put <= 0) die("cannot send");
      at += static_cast<size_t>(put);
    }
  }

  const int fd_;
  const std::string client_id_;
  int32_t correlation_ = 0;
  std::string in_;
  std::optional<Slice> answer_;
  std::coroutine_handle<> waiting_;
};

inline void Connection::receive() {
  constexpr size_t kRoom = 16 << 10;
  const size_t had = in_.size();
  in_.resize(had + kRoom);
  const ssize_t got = recv(fd_, in_.data() + had, kRoom, 0);
  if (got <= 0) die("the server closed a connection");
  in_.resize(had + static_cast<size_t>(got));
  if (in_.size() < kafka::kFrameSizeBytes || in_.size() - kafka::kFrameSizeBytes < kafka::frame_size(in_)) return;
  answer_ = Slice::copy(std::string_view(in_).substr(kafka::kFrameSizeBytes));
  in_.clear();
  if (const auto waiting = std::exchange(waiting_, {})) waiting.resume();
}

inline void Loop::step() {
  constexpr int kEvents = 256;
  epoll_event events[kEvents];
  const int64_t now = system_clock().steady_us();
  int64_t wait_ms = kSilenceMs;
  if (!pauses_.empty()) wait_ms = std::max<int64_t>(0, (pauses_.begin()->first - now + kMicrosPerMilli - 1) / kMicrosPerMilli);
  const int ready = epoll_wait(epoll_, events, kEvents, static_cast<int>(wait_ms));
  if (ready < 0 && errno != EINTR) die("epoll_wait");
  if (ready == 0 && pauses_.empty()) die("no answer for a minute");
  for (int i = 0; i < ready; ++i) static_cast<Connection*>(events[i].data.ptr)->receive();
  while (!pauses_.empty() && pauses_.begin()->first <= system_clock().steady_us()) pauses_.extract(pauses_.begin()).mapped().resume();
}

}  // namespace ms::bench
