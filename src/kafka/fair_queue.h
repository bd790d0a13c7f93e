// What waits for its turn. Those that wait take turns, however much each of them has waiting. Not thread-safe.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace ms::kafka {

template <class Job>
class FairQueue {
 public:
  explicit FairQueue(size_t jobs_max) : jobs_max_(jobs_max) {}

  bool empty() const { return jobs_ == 0; }

  // The last of what `whose` has waiting. When the queue is full, who has most waiting loses the last of it. What was lost is
  // returned: this job, when nobody has more.
  std::optional<Job> push(const std::string& whose, Job job) {
    std::optional<Job> lost;
    if (jobs_ >= jobs_max_) {
      lost = take_of_longest(whose);
      if (!lost) return job;
    }
    auto& waiting = waiting_[whose];
    if (waiting.empty()) turns_.push_back(whose);
    waiting.push_back(std::move(job));
    ++jobs_;
    return lost;
  }

  // The next one; the queue must not be empty.
  Job pop() {
    const std::string whose = std::move(turns_.front());
    turns_.pop_front();
    const auto at = waiting_.find(whose);
    Job job = std::move(at->second.front());
    at->second.pop_front();
    --jobs_;
    if (at->second.empty()) waiting_.erase(at);
    else turns_.push_back(whose);
    return job;
  }

 private:
  // It keeps at least one, and so its turn.
  std::optional<Job> take_of_longest(const std::string& than) {
    const auto longest = std::ranges::max_element(waiting_, {}, [](const auto& entry) { return entry.second.size(); });
    const auto mine = waiting_.find(than);
    const size_t has = mine == waiting_.end() ? 0 : mine->second.size();
    if (longest == waiting_.end() || longest->second.size() <= has + 1) return std::nullopt;
    Job job = std::move(longest->second.back());
    longest->second.pop_back();
    --jobs_;
    return job;
  }

  const size_t jobs_max_;
  size_t jobs_ = 0;
  std::map<std::string, std::deque<Job>> waiting_;  // none is empty
  std::deque<std::string> turns_;                   // of those in waiting_
};

}  // namespace ms::kafka
