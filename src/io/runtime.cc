#include "io/runtime.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string>
#include <system_error>

#include "base/check.h"
#include "base/cores.h"

namespace ms::io {

namespace asio = boost::asio;

struct IoThread::Loop : asio::io_context {
  using asio::io_context::io_context;
  using asio::execution_context::shutdown;  // destroys the handlers, keeps the services
};

struct IoThread::Work {
  asio::executor_work_guard<asio::io_context::executor_type> guard;
};

IoThread::IoThread()
    : loop_(std::make_unique<Loop>(1)), work_(new Work{asio::make_work_guard(context())}) {}

IoThread::~IoThread() { stop(); }

asio::io_context& IoThread::context() { return *loop_; }

void IoThread::post(Job job) {
  asio::post(*loop_, [job = std::move(job)]() mutable { job(); });
}

bool IoThread::is_current() const { return id_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

void IoThread::start(size_t number) {
  thread_ = std::thread([this, number] {
    id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    pthread_setname_np(pthread_self(), ("io-" + std::to_string(number)).c_str());
    loop_->run();
  });
}

void IoThread::stop() {
  loop_->stop();
  if (thread_.joinable()) thread_.join();
}

void IoThread::discard() { loop_->shutdown(); }

// Shared with the pending wait, which may complete (as aborted) after the Timer is gone.
struct Timer::State {
  explicit State(asio::io_context& context) : timer(context) {}
  asio::steady_timer timer;
  Job job;
  uint64_t round = 0;  // a wait of an earlier round is void even when its completion was already queued
};

Timer::Timer(IoThread& thread) : state_(std::make_shared<State>(thread.context())) {}

Timer::~Timer() { cancel(); }

void Timer::start(int64_t delay_us, Job job) {
  state_->job = std::move(job);
  const uint64_t round = ++state_->round;
  state_->timer.expires_after(std::chrono::microseconds(delay_us));
  state_->timer.async_wait([state = state_, round](const boost::system::error_code& error) {
    if (error || state->round != round || !state->job) return;
    auto due = std::move(state->job);
    state->job = nullptr;
    due();
  });
}

void Timer::cancel() {
  ++state_->round;
  state_->job = nullptr;
  state_->timer.cancel();
}

bool Timer::pending() const { return static_cast<bool>(state_->job); }

Result<std::unique_ptr<IoRuntime>> IoRuntime::start(IoRuntimeOptions options) {
  const size_t count = options.threads ? options.threads : usable_cores();
  auto runtime = std::unique_ptr<IoRuntime>(new IoRuntime);
  try {
    for (size_t i = 0; i < count; ++i) runtime->threads_.push_back(std::make_unique<IoThread>());
    for (size_t i = 0; i < count; ++i) runtime->threads_[i]->start(i);
  } catch (const std::system_error& e) {
    return internal(std::string("cannot start an I/O thread: ") + e.what());
  }
  return runtime;
}

IoRuntime::~IoRuntime() {
  stop();
  for (auto& thread : threads_) thread->discard();
}

void IoRuntime::stop() {
  for (auto& thread : threads_) thread->stop();
}

}  // namespace ms::io
