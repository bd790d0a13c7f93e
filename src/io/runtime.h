// The event loops: one thread per core, each with one io_context. Everything a connection does runs on its one thread,
// so connections need no locks. Outside io/ only post() and Timer are used; Asio's headers stay in .cc files.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"

namespace boost::asio {
class io_context;
}

namespace ms::io {

using Job = std::move_only_function<void()>;

// One thread with one event loop.
class IoThread {
 public:
  IoThread();
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Runs `job` on this thread, after the caller has returned, in the order of the posts. Thread-safe. A job posted after
  // stop() is destroyed without a run, at the latest with the runtime.
  void post(Job job);
  bool is_current() const;
  boost::asio::io_context& context();  // for io/ only

 private:
  friend class IoRuntime;
  void start(size_t number);
  void stop();
  void discard();

  struct Loop;
  struct Work;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Work> work_;
  std::thread thread_;
  std::atomic<std::thread::id> id_;
};

// A deadline on one IoThread; created, used and destroyed on that thread (or while the runtime is stopped).
class Timer {
 public:
  explicit Timer(IoThread& thread);
  ~Timer();  // cancels
  // Runs `job` once, `delay_us` from now; replaces an earlier deadline that has not run.
  void start(int64_t delay_us, Job job);
  void cancel();  // the job will not run after this returns
  bool pending() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct IoRuntimeOptions {
  size_t threads = 0;  // 0: one per core
};

class IoRuntime {
 public:
  // Starts the threads. Errors: kInternal when the system refuses a thread.
  static Result<std::unique_ptr<IoRuntime>> start(IoRuntimeOptions options = {});
  ~IoRuntime();  // stops; what never ran is destroyed while every loop is still there, so it may own timers of any of them

  // Stops the loops and joins the threads; what was posted and has not run never will. Services stop before this. Idempotent.
  void stop();

  size_t size() const { return threads_.size(); }
  IoThread& thread(size_t i) { return *threads_[i]; }
  IoThread& next() { return *threads_[placed_.fetch_add(1, std::memory_order_relaxed) % threads_.size()]; }  // round robin

 private:
  IoRuntime() = default;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::atomic<size_t> placed_{0};
};

}  // namespace ms::io
