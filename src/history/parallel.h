// The work of a training set, spread over a few threads that live as long as one call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/error.h"

namespace ms::history {

// Calls work(i, thread) for every i in [0, count) on up to `threads` threads, the caller's own among them. After an error
// or a stop request no further i is begun; of several errors the one with the smallest i is returned.
template <class Work>
Result<> parallel_for(unsigned threads, size_t count, const std::stop_token& stop, const Work& work) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::optional<std::pair<size_t, Error>> first;
  const auto run = [&](unsigned thread) {
    for (;;) {
      if (failed.load(std::memory_order_relaxed) || stop.stop_requested()) return;
      const size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      if (Result<> done = work(i, thread); !done) {
        const std::scoped_lock lock(mutex);
        if (!first || i < first->first) first.emplace(i, std::move(done).error());
        failed = true;
        return;
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    const size_t useful = std::min<size_t>(threads, count);
    for (unsigned t = 1; t < useful; ++t) helpers.emplace_back(run, t);
    run(0);
  }
  if (first) return Unexpected(std::move(first->second));
  if (stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
  return {};
}

}  // namespace ms::history
