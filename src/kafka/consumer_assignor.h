// How the partitions of subscribed topics are spread over the members of a consumer group: the server-side assignors of
// KIP-848. Pure and deterministic.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace ms::kafka {

using PartitionsByTopic = std::map<TopicId, std::set<int32_t>>;
size_t count_partitions(const PartitionsByTopic& partitions);

struct TopicShape {
  TopicId id;
  int32_t partitions = 0;
  bool operator==(const TopicShape&) const = default;
};
// Every topic there is, by name.
struct TopicsImage {
  std::map<std::string, TopicShape, std::less<>> by_name;
  std::map<TopicId, std::string> names;
  void add(std::string name, TopicShape shape);
  PartitionsByTopic existing(const std::map<std::string, std::set<int32_t>>& partitions) const;  // those that there are
};

struct MemberToAssign {
  std::optional<std::string> instance_id;
  std::set<TopicId> topics;    // it subscribes to
  PartitionsByTopic had;       // in the assignment before
};
using MembersToAssign = std::map<std::string, MemberToAssign, std::less<>>;
using TargetAssignment = std::map<std::string, PartitionsByTopic, std::less<>>;
using PartitionCounts = std::map<TopicId, int32_t>;  // of the topics that exist

enum class Assignor : uint8_t { kUniform, kRange };
std::string_view to_string(Assignor assignor);
std::optional<Assignor> assignor_named(std::string_view name);

// Every partition that somebody subscribes to goes to exactly one of its subscribers.
TargetAssignment assign(Assignor assignor, const MembersToAssign& members, const PartitionCounts& topics);

// Numbers of partitions differ as little as subscriptions allow, and as few partitions as that takes move.
TargetAssignment assign_uniformly(const MembersToAssign& members, const PartitionCounts& topics);
// Topic by topic a run of neighbouring partitions per subscriber, in the order of instance ids, then member ids: topics with
// the same partitions and subscribers are split alike.
TargetAssignment assign_ranges(const MembersToAssign& members, const PartitionCounts& topics);

}  // namespace ms::kafka
