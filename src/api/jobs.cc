#include "api/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/ulid.h"

namespace ms::api {

JobTable::JobTable(const Clock& clock) : clock_(clock), thread_([this] { run(); }) {}

JobTable::~JobTable() { stop(); }

Result<std::string> JobTable::start(std::string kind, JobWork work) {
  const std::scoped_lock lock(mutex_);
  if (stopping_ || queue_.size() >= kQueueMax) return fail(ErrorKind::kUnavailable, "too many jobs are waiting; try again when one is done");
  std::string id = make_ulid(clock_.wall_us());
  auto job = std::make_unique<Job>();
  job->kind = std::move(kind);
  job->work = std::move(work);
  job->created_us = clock_.wall_us();
  jobs_[id] = std::move(job);
  queue_.push_back(id);
  wake_.notify_all();
  return id;
}

Result<Json> JobTable::describe(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return not_found(fmt::format("there is no job '{}' (a restart and time forget them)", id));
  return to_json(id, *at->second);
}

Result<Json> JobTable::wait(const std::string& id, int64_t wait_ms) {
  constexpr int64_t kWaitMaxMs = 10'000;
  {
    std::unique_lock lock(mutex_);
    const auto at = jobs_.find(id);
    if (at != jobs_.end() && at->second->finished_us == 0) {
      const uint64_t seen = at->second->changes;
      changed_.wait_for(lock, std::chrono::milliseconds(std::clamp<int64_t>(wait_ms, 0, kWaitMaxMs)), [&] {
        const auto now = jobs_.find(id);
        return stopping_ || now == jobs_.end() || now->second->changes != seen;
      });
    }
  }
  return describe(id);
}

Json JobTable::list() const {
  const std::scoped_lock lock(mutex_);
  Json list = Json::array();
  for (auto at = jobs_.rbegin(); at != jobs_.rend(); ++at) list.push_back(to_json(at->first, *at->second));
  return {{"jobs", std::move(list)}};
}

Result<> JobTable::cancel(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return not_found(fmt::format("there is no job '{}' (a restart and time forget them)", id));
  at->second->stop.request_stop();
  return {};
}

void JobTable::run() {
  while (true) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::string id = std::move(queue_.front());
    queue_.pop_front();
    Job& job = *jobs_.at(id);  // stays: only finished jobs are forgotten
    job.state = State::kRunning;
    JobWork work = std::move(job.work);
    const std::stop_token stop = job.stop.get_token();
    lock.unlock();
    if (stop.stop_requested()) {
      finish(id, fail(ErrorKind::kCancelled, "cancelled before it began"));
      continue;
    }
    const auto progress = [this, &job](const JobProgress& p) {
      const std::scoped_lock progress_lock(mutex_);
      job.progress = p;
      ++job.changes;
      changed_.notify_all();
    };
    finish(id, work(progress, stop));
  }
}

void JobTable::finish(const std::string& id, Result<Json> result) {
  const std::scoped_lock lock(mutex_);
  Job& job = *jobs_.at(id);
  job.finished_us = clock_.wall_us();
  ++job.changes;
  changed_.notify_all();
  if (result) {
    job.state = State::kDone;
    job.report = std::move(*result);
  } else {
    job.state = result.error().kind == ErrorKind::kCancelled ? State::kCancelled : State::kFailed;
    job.error = std::move(result.error());
  }
  finished_.push_back(id);
  if (finished_.size() > kFinishedKept) {
    jobs_.erase(finished_.front());
    finished_.pop_front();
  }
}

Json JobTable::to_json(const std::string& id, const Job& job) const {
  static constexpr const char* kStates[] = {"queued", "running", "done", "failed", "cancelled"};
  Json json{{"id", id}, {"kind", job.kind}, {"state", kStates[static_cast<size_t>(job.state)]}};
  json["phase"] = job.progress.phase;
  json["done"] = job.progress.done;
  json["total"] = job.progress.total;
  json["rows_per_second"] = job.progress.rows_per_second;
  json["seconds_left"] = job.progress.seconds_left;
  json["created_at"] = format_time(job.created_us);
  json["finished_at"] = job.finished_us ? Json(format_time(job.finished_us)) : Json();
  if (job.state == State::kDone) json["report"] = job.report;
  if (job.error) json["error"] = {{"code", code_of(job.error->kind)}, {"detail", job.error->message}};
  return json;
}

void JobTable::stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    for (auto& [id, job] : jobs_) job->stop.request_stop();
  }
  wake_.notify_all();
  changed_.notify_all();
  thread_.join();
}

}  // namespace ms::api
