#include "kafka/worker.h"

#include <optional>
#include <vector>

namespace ms::kafka {

Worker::Worker(size_t queue_max) : jobs_(queue_max), thread_([this] { loop(); }) {}

Worker::~Worker() { stop(); }

void Worker::run(Job job, const std::string& whose) {
  std::optional<Job> lost;  // destroyed outside the lock
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    lost = jobs_.push(whose, std::move(job));
  }
  changed_.notify_one();
}

void Worker::stop() {
  std::vector<Job> dropped;  // destroyed outside the lock
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    while (!jobs_.empty()) dropped.push_back(jobs_.pop());
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    auto job = jobs_.pop();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace ms::kafka
