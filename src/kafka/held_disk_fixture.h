// A disk that a test holds, so that what happens while the log waits for it happens in a known order.
#pragma once

#include <atomic>
#include <latch>

#include "log/testing/faulty_disk.h"

namespace ms::kafka {

// The next sync, once asked for, waits until it is let go.
struct HeldDisk {
  HeldDisk() {
    disk_.syncing = [this] {
      if (hold_next_.exchange(false)) held_.count_down(), go_on_.wait();
    };
  }
  log::testing::FaultyDisk disk_{posix_file_system()};
  std::atomic<bool> hold_next_ = false;
  std::latch held_{1}, go_on_{1};
};

}  // namespace ms::kafka
