#include "server/interrupt.h"

#include <semaphore.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace ms::server {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

// What a handler may touch; two of them may run at once, on two threads.
std::atomic<int> first_signal = 0, signals_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free);
sem_t arrived;

void on_signal(int signal) {
  const int error = errno;
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  ++signals_seen;
  ::sem_post(&arrived);
  errno = error;
}

}  // namespace

Interrupts::Interrupts() {
  ::sem_init(&arrived, 0, 0);
  thread_ = std::thread([this] {
    while (!done_) {
      while (::sem_wait(&arrived) != 0) {}
      if (first_signal != 0) stop_.request_stop();
    }
  });
  for (const int signal : kSignals) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction action{};
    action.sa_handler = on_signal;
    ::sigaction(signal, &action, nullptr);
  }
}

Interrupts::~Interrupts() {
  done_ = true;
  ::sem_post(&arrived);
  thread_.join();
}

int Interrupts::count() { return signals_seen; }
int Interrupts::signal() { return first_signal; }

}  // namespace ms::server
