// Ctrl-C, SIGTERM and a closed terminal, for commands that must tidy up before they end.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace ms::server {

// While it lives these signals no longer end the process: the first one requests the stop. A signal that was ignored
// before (nohup, a shell's background job) stays ignored. One at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  static int count();   // how many came
  static int signal();  // the first one; 0: none came, also after the object is gone

 private:
  std::stop_source stop_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace ms::server
