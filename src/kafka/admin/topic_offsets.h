// Where the logs of partitions begin and end, and where a time lies in them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kafka/admin/admin_client.h"

namespace ms::kafka {

using PartitionName = std::pair<std::string, int32_t>;  // topic and partition

// Where a partition of `name` goes in a request whose topics hold their partitions. Ask topic by topic.
template <class Topics>
auto& partitions_in(Topics& topics, const std::string& name) {
  if (topics.empty() || topics.back().name != name) topics.push_back({.name = name, .partitions = {}});
  return topics.back().partitions;
}

inline constexpr int64_t kLatestTimestamp = -1, kEarliestTimestamp = -2;

// For each partition the first offset at or after `timestamp_ms`, or one of the two constants above; -1 when there is no such
// record. Partitions that do not exist (any more) are left out.
Result<std::map<PartitionName, int64_t>> list_offsets(AdminClient& client, const std::set<PartitionName>& partitions, int64_t timestamp_ms);

// All partitions of the topics; never creates one. Errors: kNotFound with the nearest name.
Result<std::set<PartitionName>> partitions_of(AdminClient& client, const std::vector<std::string>& topics);

// Removes what is below the offsets, for good; gives what each partition begins with then. Errors: the first partition's.
Result<std::map<PartitionName, int64_t>> delete_records(AdminClient& client, const std::map<PartitionName, int64_t>& before);

}  // namespace ms::kafka
