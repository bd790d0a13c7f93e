#include "api/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/ulid.h"

namespace ms::api {

JobTable::JobTable(const Clock& clock) : clock_(clock), thread_([this] { run(); }), watch_thread_([this] { run_watchers(); }) {}

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
  return describe_locked(id);
}

Result<Json> JobTable::describe_locked(const std::string& id) const {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return not_found(fmt::format("there is no job '{}' (a restart and time forget them)", id));
  return to_json(id, *at->second);
}

void JobTable::watch(const std::string& id, int64_t wait_ms, Watch done) {
  constexpr int64_t kWaitMaxMs = 10'000;
  std::unique_lock lock(mutex_);
  const auto at = jobs_.find(id);
  if (stopping_ || wait_ms <= 0 || at == jobs_.end() || at->second->finished_us != 0 || watchers_.size() >= kWatchersMax) {
    auto job = describe_locked(id);
    lock.unlock();
    return done(std::move(job));
  }
  const int64_t until_us = clock_.steady_us() + std::min(wait_ms, kWaitMaxMs) * kMicrosPerMilli;
  watchers_.push_back({id, at->second->changes, until_us, std::move(done)});
  changed_.notify_all();
}

std::vector<JobTable::Told> JobTable::take_due(int64_t now_us) {
  std::vector<Told> due;
  std::erase_if(watchers_, [&](Watcher& w) {
    const auto at = jobs_.find(w.id);
    if (!stopping_ && at != jobs_.end() && at->second->changes == w.seen && now_us < w.until_us) return false;
    due.push_back({std::move(w.done), describe_locked(w.id)});
    return true;
  });
  return due;
}

void JobTable::run_watchers() {
  std::unique_lock lock(mutex_);
  while (true) {
    const int64_t now_us = clock_.steady_us();
    if (auto due = take_due(now_us); !due.empty()) {
      lock.unlock();
      for (Told& told : due) told.done(std::move(told.job));
      lock.lock();
      continue;  // something may have changed meanwhile
    }
    if (stopping_) return;
    if (watchers_.empty()) {
      changed_.wait(lock);
    } else {
      const int64_t next_us = std::ranges::min_element(watchers_, {}, &Watcher::until_us)->until_us;
      changed_.wait_for(lock, std::chrono::microseconds(next_us - now_us));
    }
  }
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
  // One that waits ends here: it must not wait for its turn only to say so.
  if (const auto queued = std::ranges::find(queue_, id); queued != queue_.end()) {
    queue_.erase(queued);
    at->second->work = nullptr;
    finish_locked(id, fail(ErrorKind::kCancelled, "cancelled before it began"));
  }
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
  finish_locked(id, std::move(result));
}

void JobTable::finish_locked(const std::string& id, Result<Json> result) {
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
  watch_thread_.join();
}

void answer_started(const JobTable& jobs, const Result<std::string>& id, io::HttpReply& reply) {
  if (!id) return answer_error(reply, id.error());
  const auto job = jobs.describe(*id);
  if (!job) return answer_error(reply, job.error());
  answer_json(reply, *job, 202);
  reply.headers.emplace_back("Location", "/v1/jobs/" + *id);
}

}  // namespace ms::api
