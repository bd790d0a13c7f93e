#include "kafka/consumer_assignor.h"

#include <algorithm>
#include <queue>

namespace ms::kafka {

namespace {

// A cap on the search for better balance, in edges looked at: subscriptions that are made to be awkward cost no more.
constexpr size_t kBalanceStepsMax = 20'000'000;

// Members and topics as numbers, for the search.
struct Spread {
  struct Topic {
    int32_t partitions = 0;
    std::vector<size_t> subscribers;
    std::vector<std::optional<size_t>> owners;  // by partition
  };
  std::vector<const std::string*> ids;  // of members, ascending
  std::vector<size_t> loads;
  std::vector<std::map<size_t, std::set<int32_t>>> owned;  // by member: topic -> partitions
  std::vector<TopicId> topic_ids;
  std::vector<Topic> topics;

  void give(size_t topic, int32_t partition, size_t member) {
    auto& owner = topics[topic].owners[static_cast<size_t>(partition)];
    if (owner) take(topic, partition, *owner);
    owner = member;
    owned[member][topic].insert(partition);
    ++loads[member];
  }
  void take(size_t topic, int32_t partition, size_t member) {
    topics[topic].owners[static_cast<size_t>(partition)].reset();
    auto& of_topic = owned[member][topic];
    of_topic.erase(partition);
    if (of_topic.empty()) owned[member].erase(topic);
    --loads[member];
  }
};

Spread spread_of(const MembersToAssign& members, const PartitionCounts& topics) {
  Spread s;
  std::map<TopicId, size_t> index;
  size_t m = 0;
  for (const auto& [id, member] : members) {
    s.ids.push_back(&id);
    for (const TopicId& topic : member.topics) {
      const auto exists = topics.find(topic);
      if (exists == topics.end()) continue;
      const auto [at, fresh] = index.try_emplace(topic, s.topics.size());
      if (fresh) {
        s.topic_ids.push_back(topic);
        s.topics.push_back({.partitions = exists->second, .subscribers = {}, .owners = std::vector<std::optional<size_t>>(static_cast<size_t>(exists->second))});
      }
      s.topics[at->second].subscribers.push_back(m);
    }
    ++m;
  }
  s.loads.resize(m);
  s.owned.resize(m);
  return s;
}

// What members had and may keep.
void keep(Spread& s, const MembersToAssign& members) {
  std::map<TopicId, size_t> index;
  for (size_t t = 0; t < s.topic_ids.size(); ++t) index[s.topic_ids[t]] = t;
  size_t m = 0;
  for (const auto& [id, member] : members) {
    for (const auto& [topic, partitions] : member.had) {
      const auto at = index.find(topic);
      if (at == index.end() || !member.topics.contains(topic)) continue;
      for (const int32_t p : partitions)
        if (p < s.topics[at->second].partitions && !s.topics[at->second].owners[static_cast<size_t>(p)]) s.give(at->second, p, m);
    }
    ++m;
  }
}

// What nobody has goes to the subscriber with the fewest; topics with the fewest subscribers choose first.
void hand_out(Spread& s) {
  std::vector<size_t> order(s.topics.size());
  for (size_t t = 0; t < order.size(); ++t) order[t] = t;
  std::ranges::sort(order, {}, [&](size_t t) { return std::pair(s.topics[t].subscribers.size(), s.topic_ids[t]); });
  for (const size_t t : order) {
    using Entry = std::pair<size_t, size_t>;  // load, member
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> least;
    for (const size_t m : s.topics[t].subscribers) least.emplace(s.loads[m], m);
    for (int32_t p = 0; p < s.topics[t].partitions; ++p) {
      if (s.topics[t].owners[static_cast<size_t>(p)]) continue;
      const size_t m = least.top().second;
      least.pop();
      s.give(t, p, m);
      least.emplace(s.loads[m], m);
    }
  }
}

// How a member can pass a partition on: to `to`, one of `topic`.
struct Step {
  size_t from = 0, topic = 0;
};

// The shortest way by which a partition of `from` ends at a member that has at least two fewer, each on the way passing one
// on; done if there is one.
bool shift_from(Spread& s, size_t from, size_t& steps_left) {
  std::vector<std::optional<Step>> reached(s.ids.size());
  std::vector<bool> seen_topic(s.topics.size());
  std::vector<size_t> queue{from};
  for (size_t next = 0; next < queue.size(); ++next) {
    const size_t member = queue[next];
    for (const auto& [topic, partitions] : s.owned[member]) {
      if (seen_topic[topic]) continue;
      seen_topic[topic] = true;
      const auto& subscribers = s.topics[topic].subscribers;
      if (subscribers.size() > steps_left) return false;
      steps_left -= subscribers.size();
      for (const size_t to : subscribers) {
        if (to == from || reached[to]) continue;
        reached[to] = Step{member, topic};
        queue.push_back(to);
        if (s.loads[to] + 2 > s.loads[from]) continue;
        for (size_t at = to; at != from; at = reached[at]->from) {
          const Step step = *reached[at];
          s.give(step.topic, *s.owned[step.from].at(step.topic).rbegin(), at);
        }
        return true;
      }
    }
  }
  return false;
}

// Nothing better is left when no member can pass anything on to one that has at least two fewer.
void balance(Spread& s) {
  size_t steps_left = kBalanceStepsMax;
  std::set<std::pair<size_t, size_t>, std::greater<>> by_load;  // those who may have too many
  for (size_t m = 0; m < s.loads.size(); ++m) by_load.emplace(s.loads[m], m);
  const auto fewest = [&] { return *std::ranges::min_element(s.loads); };
  while (!by_load.empty() && by_load.begin()->first >= fewest() + 2) {
    const size_t from = by_load.begin()->second;
    by_load.erase(by_load.begin());
    if (shift_from(s, from, steps_left)) {
      by_load.clear();
      for (size_t m = 0; m < s.loads.size(); ++m) by_load.emplace(s.loads[m], m);
    }
    if (steps_left < s.ids.size()) return;
    steps_left -= s.ids.size();
  }
}

TargetAssignment result_of(const Spread& s) {
  TargetAssignment out;
  for (size_t m = 0; m < s.ids.size(); ++m) {
    PartitionsByTopic& mine = out[*s.ids[m]];
    for (const auto& [topic, partitions] : s.owned[m]) mine[s.topic_ids[topic]] = partitions;
  }
  return out;
}

}  // namespace

size_t count_partitions(const PartitionsByTopic& partitions) {
  size_t sum = 0;
  for (const auto& [topic, of_topic] : partitions) sum += of_topic.size();
  return sum;
}

void TopicsImage::add(std::string name, TopicShape shape) {
  names[shape.id] = name;
  by_name[std::move(name)] = shape;
}

PartitionsByTopic TopicsImage::existing(const std::map<std::string, std::set<int32_t>>& partitions) const {
  PartitionsByTopic out;
  for (const auto& [name, numbers] : partitions) {
    const auto topic = by_name.find(name);
    if (topic == by_name.end()) continue;
    for (const int32_t p : numbers)
      if (p >= 0 && p < topic->second.partitions) out[topic->second.id].insert(p);
  }
  return out;
}

std::string_view to_string(Assignor assignor) { return assignor == Assignor::kUniform ? "uniform" : "range"; }
std::optional<Assignor> assignor_named(std::string_view name) {
  for (const Assignor a : {Assignor::kUniform, Assignor::kRange})
    if (to_string(a) == name) return a;
  return std::nullopt;
}

TargetAssignment assign(Assignor assignor, const MembersToAssign& members, const PartitionCounts& topics) {
  return assignor == Assignor::kUniform ? assign_uniformly(members, topics) : assign_ranges(members, topics);
}

TargetAssignment assign_uniformly(const MembersToAssign& members, const PartitionCounts& topics) {
  Spread s = spread_of(members, topics);
  keep(s, members);
  hand_out(s);
  balance(s);
  return result_of(s);
}

TargetAssignment assign_ranges(const MembersToAssign& members, const PartitionCounts& topics) {
  Spread s = spread_of(members, topics);
  std::vector<const MemberToAssign*> by_number;
  for (const auto& [id, member] : members) by_number.push_back(&member);
  for (size_t t = 0; t < s.topics.size(); ++t) {
    auto subscribers = s.topics[t].subscribers;
    std::ranges::sort(subscribers, {}, [&](size_t m) {
      const auto& instance = by_number[m]->instance_id;
      return std::pair(!instance, instance ? *instance : *s.ids[m]);
    });
    const auto count = static_cast<int32_t>(subscribers.size());
    const int32_t each = s.topics[t].partitions / count, more = s.topics[t].partitions % count;
    int32_t p = 0;
    for (int32_t i = 0; i < count; ++i)
      for (int32_t last = p + each + (i < more ? 1 : 0); p < last; ++p) s.give(t, p, subscribers[static_cast<size_t>(i)]);
  }
  return result_of(s);
}

}  // namespace ms::kafka
