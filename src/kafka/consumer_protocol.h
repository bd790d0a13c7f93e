// What consumers put into the metadata and the assignments of a classic group (protocol type "consumer"): Kafka's embedded
// ConsumerProtocolSubscription and ConsumerProtocolAssignment, versions 0-3. Newer versions are read as 3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ms::kafka {

inline constexpr std::string_view kConsumerProtocolType = "consumer";

using PartitionsByName = std::map<std::string, std::set<int32_t>>;

struct Subscription {
  int16_t version = 0;
  std::vector<std::string> topics;
  PartitionsByName owned;  // version 1+: what a cooperative member goes on reading while it joins
  int32_t generation = -1;  // version 2+: in which it got them
  std::optional<std::string> rack_id;  // version 3+
};

// nullopt: malformed.
std::optional<Subscription> decode_subscription(std::string_view bytes);
std::optional<PartitionsByName> decode_assignment(std::string_view bytes);
std::string encode_subscription(const Subscription& subscription);
std::string encode_assignment(int16_t version, const PartitionsByName& partitions);

}  // namespace ms::kafka
