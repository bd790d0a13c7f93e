#include "kafka/admin/group_admin.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "kafka/admin/admin_error.h"
#include "kafka/admin/topic_offsets.h"
#include "kafka/consumer_protocol.h"
#include "kafka/error_code.h"
#include "kafka/messages/consumer_group_describe.h"
#include "kafka/messages/delete_groups.h"
#include "kafka/messages/describe_groups.h"
#include "kafka/messages/list_groups.h"
#include "kafka/messages/metadata.h"
#include "kafka/messages/offset_fetch.h"

namespace ms::kafka {

namespace {

constexpr int16_t kOffsetFetchByName = 9;  // from version 10 on topics are ids

std::string named(std::string_view group) { return fmt::format("group '{}'", group); }

// What a classic member holds. Another protocol's bytes (Kafka Connect) give nothing.
std::set<PartitionName> assigned_to(const Slice& assignment) {
  std::set<PartitionName> assigned;
  for (const auto& [topic, partitions] : decode_assignment(assignment.view()).value_or(PartitionsByName{}))
    for (const int32_t p : partitions) assigned.emplace(topic, p);
  return assigned;
}

Result<GroupDescription> describe_classic(AdminClient& client, const GroupListing& listing) {
  DescribeGroupsRequest request{.groups = {listing.name}};
  TRY_ASSIGN(auto answer, client.call<DescribeGroupsResponse>(request));
  if (answer.groups.size() != 1) return corruption("DescribeGroups was answered without the group");
  auto& group = answer.groups.front();
  TRY(check(group.error_code, named(listing.name), group.error_message));
  GroupDescription out{.group = listing, .assignor = group.protocol_data, .members = {}};
  out.group.state = group.group_state;
  const bool consumers = group.protocol_type == kConsumerProtocolType;
  for (auto& m : group.members)
    out.members.push_back({m.member_id, m.group_instance_id.value_or(""), m.client_id, m.client_host,
                           consumers ? assigned_to(m.member_assignment) : std::set<PartitionName>{}});
  return out;
}

Result<GroupDescription> describe_consumer(AdminClient& client, const GroupListing& listing) {
  ConsumerGroupDescribeRequest request{.group_ids = {listing.name}};
  TRY_ASSIGN(auto answer, client.call<ConsumerGroupDescribeResponse>(request));
  if (answer.groups.size() != 1) return corruption("ConsumerGroupDescribe was answered without the group");
  auto& group = answer.groups.front();
  TRY(check(group.error_code, named(listing.name), group.error_message));
  GroupDescription out{.group = listing, .assignor = group.assignor_name, .members = {}};
  out.group.state = group.group_state;
  for (auto& m : group.members) {
    auto& member = out.members.emplace_back(m.member_id, m.instance_id.value_or(""), m.client_id, m.client_host);
    for (const auto& topic : m.assignment.topic_partitions)
      for (const int32_t p : topic.partitions) member.assigned.emplace(topic.topic_name, p);
  }
  return out;
}

Result<std::map<PartitionName, int64_t>> committed_offsets(AdminClient& client, const std::string& group) {
  OffsetFetchRequest request;
  request.group_id = group;
  request.groups.push_back({.group_id = group, .topics = std::nullopt});
  TRY_ASSIGN(const auto answer, client.call<OffsetFetchResponse>(request, kOffsetFetchByName));
  if (answer.groups.size() != 1) return fail(ErrorKind::kUnsupported, "the server answers OffsetFetch in a form before version 8; use a newer server");
  TRY(check(answer.groups.front().error_code, named(group)));
  std::map<PartitionName, int64_t> committed;
  for (const auto& topic : answer.groups.front().topics)
    for (const auto& p : topic.partitions)
      if (p.committed_offset >= 0) committed[{topic.name, p.partition_index}] = p.committed_offset;
  return committed;
}

}  // namespace

Result<std::vector<GroupListing>> list_groups(AdminClient& client) {
  ListGroupsRequest request;
  TRY_ASSIGN(const auto answer, client.call<ListGroupsResponse>(request));
  TRY(check(answer.error_code, "the list of groups"));
  std::vector<GroupListing> groups;
  for (const auto& g : answer.groups) groups.push_back({g.group_id, g.group_type, g.group_state});
  std::ranges::sort(groups, {}, &GroupListing::name);
  return groups;
}

Result<GroupListing> find_group(AdminClient& client, const std::string& name) {
  TRY_ASSIGN(const auto groups, list_groups(client));
  const auto at = std::ranges::find(groups, name, &GroupListing::name);
  if (at != groups.end()) return *at;
  std::vector<std::string> names;
  for (const GroupListing& g : groups) names.push_back(g.name);
  const std::string near = did_you_mean(name, names);
  return not_found(fmt::format("there is no group '{}'{}", name, near.empty() ? "; see 'millstream group list'" : near));
}

Result<GroupDescription> describe_group(AdminClient& client, const GroupListing& group) {
  return group.type == "consumer" ? describe_consumer(client, group) : describe_classic(client, group);
}

Result<Positions> group_positions(AdminClient& client, const std::string& group, const std::set<PartitionName>& also) {
  TRY_ASSIGN(const auto committed, committed_offsets(client, group));
  std::set<PartitionName> all = also;
  for (const auto& [p, offset] : committed) all.insert(p);
  TRY_ASSIGN(Positions positions, log_positions(client, all));
  for (const auto& [p, offset] : committed) positions[p].committed = offset;
  return positions;
}

Result<Positions> log_positions(AdminClient& client, const std::set<PartitionName>& partitions) {
  Positions positions;
  for (const PartitionName& p : partitions) positions[p];
  TRY_ASSIGN(const auto starts, list_offsets(client, partitions, kEarliestTimestamp));
  TRY_ASSIGN(const auto ends, list_offsets(client, partitions, kLatestTimestamp));
  for (const auto& [p, offset] : starts) positions[p].log_start = offset;
  for (const auto& [p, offset] : ends) positions[p].log_end = offset;
  return positions;
}

Result<> delete_group(AdminClient& client, const std::string& group) {
  DeleteGroupsRequest request{.groups_names = {group}};
  TRY_ASSIGN(const auto answer, client.call<DeleteGroupsResponse>(request));
  if (answer.results.size() != 1) return corruption("DeleteGroups was answered without the group");
  return check(answer.results.front().error_code, named(group));
}

}  // namespace ms::kafka
