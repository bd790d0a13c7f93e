#include "kafka/empty_groups.h"

#include <charconv>

#include "base/logging.h"

namespace ms::kafka {

namespace {

const std::string kSpace = "empty-groups";
constexpr size_t kGroupsPerChange = 16;  // their names are at most 32 KiB long each: half of what a change may hold

int64_t time_of(const std::string& text) {
  int64_t since_ms = INT64_MAX;  // what is no time is later than any
  std::from_chars(text.data(), text.data() + text.size(), since_ms);
  return since_ms;
}

}  // namespace

EmptyGroups::EmptyGroups(log::Log& log, io::IoThread& thread, std::shared_ptr<AliveCount> alive) : log_(log), thread_(thread), alive_(std::move(alive)) {
  for (const auto& [group, text] : log.entries(kSpace)) recorded_[group] = time_of(text);
}

void EmptyGroups::left(const std::string& group, int64_t now_ms) {
  if (!recorded_.contains(group)) unrecorded_.try_emplace(group, now_ms);
}

int64_t EmptyGroups::since(const std::string& group, int64_t now_ms) {
  const auto at = recorded_.find(group);
  return at != recorded_.end() ? at->second : unrecorded_.try_emplace(group, now_ms).first->second;
}

void EmptyGroups::enter(const std::string& group, Then then) {
  unrecorded_.erase(group);
  if (!recorded_.contains(group)) return then(true);
  const bool under_way = forgetting_.contains(group);
  forgetting_[group].push_back(std::move(then));
  if (!under_way) forget({group});
}

void EmptyGroups::forget(std::vector<std::string> groups) {
  log::EntryChanges changes;
  for (const std::string& group : groups) changes[group] = std::nullopt;
  log_.change_entries(kSpace, changes, [this, groups = std::move(groups), hold = hold(alive_)](Result<> result) mutable {
    thread_.post([this, groups = std::move(groups), hold = std::move(hold), done = result.has_value()] { forgotten(groups, done); });
  });
}

void EmptyGroups::forgotten(const std::vector<std::string>& groups, bool done) {
  for (const std::string& group : groups) {
    if (done) recorded_.erase(group);
    auto waiting = forgetting_.extract(group);
    for (Then& then : waiting.mapped()) then(done);
  }
}

void EmptyGroups::record(const std::set<std::string, std::less<>>& with_offsets) {
  std::erase_if(unrecorded_, [&](const auto& group) { return !with_offsets.contains(group.first); });
  while (!unrecorded_.empty()) {
    log::EntryChanges changes;
    while (changes.size() < kGroupsPerChange && !unrecorded_.empty()) {
      auto group = unrecorded_.extract(unrecorded_.begin());
      changes[group.key()] = std::to_string(group.mapped());
      recorded_.insert(std::move(group));
    }
    log_.change_entries(kSpace, changes, [](const Result<>& result) {
      if (!result) log_warn("kafka_empty_groups_not_recorded", {{"error", result.error().message}});
    });
  }
  std::vector<std::string> gone;
  const auto forget_some = [&] {
    for (const std::string& group : gone) forgetting_[group];
    if (!gone.empty()) forget(std::exchange(gone, {}));
  };
  for (const auto& [group, since_ms] : recorded_) {
    if (with_offsets.contains(group) || forgetting_.contains(group)) continue;
    gone.push_back(group);
    if (gone.size() == kGroupsPerChange) forget_some();
  }
  forget_some();
}

}  // namespace ms::kafka
