#include "log/view.h"

namespace ms::log {

void View::load(const MetaState& state) {
  const std::unique_lock lock(mutex_);
  for (const auto& [id, topic] : state.topics()) {
    auto view = std::make_shared<TopicView>();
    view->info = topic.info;
    view->settings = topic_settings(topic.info.config);
    for (const PartitionHead& head : topic.partitions) {
      auto& p = view->partitions.emplace_back(std::make_shared<PartitionLog>(wal_, head.log_start, head.reconciled_floor, head.last_removed_us, head.transactions));
      for (const auto& [base, run] : head.runs) p->add_run({run.first, run.second});
    }
    by_name_[topic.info.name] = id;
    topics_[id] = std::move(view);
  }
  groups_ = state.groups();
  entries_ = state.entries();
  for (const auto& [id, transaction] : state.transactions().all())
    for (const auto& [group, offsets] : transaction.offsets)
      for (const auto& [key, value] : offsets) staged_[group][id].insert(key);
}

void View::publish(const Command& command) {
  const std::unique_lock lock(mutex_);
  std::visit([&](const auto& c) { on(c); }, command);
}

void View::publish(const TransactionStep& step, const TransactionOutcome& outcome) {
  const std::unique_lock lock(mutex_);
  if (const auto* stage = std::get_if<StageTransactionOffsets>(&step))
    for (const auto& [key, value] : stage->offsets) staged_[stage->group][stage->id].insert(key);
  if (!outcome.end) return;
  const std::string& id = std::visit([](const auto& s) -> const std::string& { return s.id; }, step);
  for (const auto& [group, offsets] : outcome.end->offsets) {
    const auto staged = staged_.find(group);
    if (staged != staged_.end() && staged->second.erase(id) > 0 && staged->second.empty()) staged_.erase(staged);
    if (outcome.end->commit) commit_into(groups_, group, offsets, topics_);
  }
}

void View::on(const CreateTopic& c) {
  auto view = std::make_shared<TopicView>();
  view->info = {.id = c.id, .name = c.name, .partitions = c.partitions, .config = c.config, .internal = c.internal};
  view->settings = topic_settings(c.config);
  for (int32_t i = 0; i < c.partitions; ++i) view->partitions.push_back(empty_partition());
  topics_[c.id] = std::move(view);
  by_name_[c.name] = c.id;
  ++revision_;
}

void View::on(const DeleteTopic& c) {
  const auto found = topics_.find(c.id);
  if (found == topics_.end()) return;
  by_name_.erase(found->second->info.name);
  topics_.erase(found);
  ++revision_;
  for (auto& [group, offsets] : groups_) std::erase_if(offsets, [&](const auto& item) { return item.first.first == c.id; });
  std::erase_if(groups_, [](const auto& item) { return item.second.empty(); });
}

void View::on(const CreatePartitions& c) {
  auto& current = topics_.at(c.id);
  auto view = std::make_shared<TopicView>(*current);
  view->info.partitions = c.total;
  while (view->partitions.size() < static_cast<size_t>(c.total)) view->partitions.push_back(empty_partition());
  current = std::move(view);
  ++revision_;
}

void View::on(const AlterConfig& c) {
  auto& current = topics_.at(c.id);
  auto view = std::make_shared<TopicView>(*current);
  for (const auto& [key, value] : c.changes) {
    if (value) view->info.config[key] = *value;
    else view->info.config.erase(key);
  }
  view->settings = topic_settings(view->info.config);
  current = std::move(view);
}

void View::on(const CommitOffsets& c) { commit_into(groups_, c.group, c.offsets, topics_); }
void View::on(const DeleteGroupOffsets& c) { groups_.erase(c.group); }
void View::on(const AddObject& c) {
  for (const ObjectRun& run : c.runs)
    if (PartitionLog* p = partition(run.of)) p->add_run({c.object, run});
}
void View::on(const ReplaceRuns& c) {
  for (const ObjectRun& run : c.runs)
    if (PartitionLog* p = partition(run.of)) p->replace_runs({c.object, run}, c.gone);
}
void View::on(const AdvanceLogStart& c) {
  if (PartitionLog* p = partition(c.of)) p->advance_log_start(c.to);
}

PartitionLog* View::partition(const TopicPartition& p) const {
  const auto found = topics_.find(p.topic);
  return found == topics_.end() ? nullptr : found->second->find(p.partition).get();
}

TopicViewPtr View::find(TopicId id) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(id);
  return found == topics_.end() ? nullptr : found->second;
}
TopicViewPtr View::find(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : topics_.at(found->second);
}
std::shared_ptr<PartitionLog> View::find(const TopicPartition& p) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(p.topic);
  return found == topics_.end() ? nullptr : found->second->find(p.partition);
}
std::vector<TopicViewPtr> View::topics() const {
  const std::shared_lock lock(mutex_);
  std::vector<TopicViewPtr> out;
  out.reserve(by_name_.size());
  for (const auto& [name, id] : by_name_) out.push_back(topics_.at(id));
  return out;
}
std::map<OffsetKey, CommittedOffset> View::group(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = groups_.find(name);
  return found == groups_.end() ? std::map<OffsetKey, CommittedOffset>{} : found->second;
}
std::set<OffsetKey> View::unstable_offsets(const std::string& group) const {
  const std::shared_lock lock(mutex_);
  std::set<OffsetKey> out;
  const auto staged = staged_.find(group);
  if (staged == staged_.end()) return out;
  for (const auto& [id, keys] : staged->second) out.insert(keys.begin(), keys.end());
  return out;
}
std::vector<std::string> View::groups() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, offsets] : groups_) out.push_back(name);
  return out;
}
Entries View::entries(const std::string& space) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(space);
  return found == entries_.end() ? Entries{} : found->second;
}

}  // namespace ms::log
