#include "kafka/admin/topic_offsets.h"

#include <fmt/format.h>

#include "base/nearest.h"
#include "kafka/admin/admin_error.h"
#include "kafka/error_code.h"
#include "kafka/messages/delete_records.h"
#include "kafka/messages/list_offsets.h"
#include "kafka/messages/metadata.h"

namespace ms::kafka {

Result<std::map<PartitionName, int64_t>> list_offsets(AdminClient& client, const std::set<PartitionName>& partitions, int64_t timestamp_ms) {
  ListOffsetsRequest request;
  request.replica_id = -1;
  request.timeout_ms = 30'000;
  for (const auto& [topic, partition] : partitions) partitions_in(request.topics, topic).push_back({.partition_index = partition, .timestamp = timestamp_ms});
  std::map<PartitionName, int64_t> offsets;
  if (partitions.empty()) return offsets;
  TRY_ASSIGN(const auto answer, client.call<ListOffsetsResponse>(request));
  for (const auto& topic : answer.topics) {
    for (const auto& p : topic.partitions) {
      if (p.error_code == code(ErrorCode::kUnknownTopicOrPartition)) continue;
      TRY(check(p.error_code, fmt::format("partition {} of topic '{}'", p.partition_index, topic.name)));
      offsets[{topic.name, p.partition_index}] = p.offset;
    }
  }
  return offsets;
}

Result<std::set<PartitionName>> partitions_of(AdminClient& client, const std::vector<std::string>& topics) {
  MetadataRequest request;  // null topics: all of them, whose names serve those that are misspelt
  request.allow_auto_topic_creation = false;
  TRY_ASSIGN(const auto answer, client.call<MetadataResponse>(request));
  std::map<std::string, std::set<PartitionName>> there;
  std::vector<std::string> names;
  for (const auto& topic : answer.topics) {
    names.push_back(topic.name.value_or(""));
    for (const auto& p : topic.partitions) there[names.back()].emplace(names.back(), p.partition_index);
  }
  std::set<PartitionName> partitions;
  for (const std::string& topic : topics) {
    const auto at = there.find(topic);
    if (at == there.end()) return not_found(fmt::format("there is no topic '{}'{}", topic, did_you_mean(topic, names)));
    partitions.insert(at->second.begin(), at->second.end());
  }
  return partitions;
}

Result<std::map<PartitionName, int64_t>> delete_records(AdminClient& client, const std::map<PartitionName, int64_t>& before) {
  DeleteRecordsRequest request;
  request.timeout_ms = 30'000;
  for (const auto& [p, offset] : before) partitions_in(request.topics, p.first).push_back({.partition_index = p.second, .offset = offset});
  std::map<PartitionName, int64_t> starts;
  TRY_ASSIGN(const auto answer, client.call<DeleteRecordsResponse>(request));
  for (const auto& topic : answer.topics) {
    for (const auto& p : topic.partitions) {
      TRY(check(p.error_code, fmt::format("partition {} of topic '{}'", p.partition_index, topic.name)));
      starts[{topic.name, p.partition_index}] = p.low_watermark;
    }
  }
  return starts;
}

}  // namespace ms::kafka
