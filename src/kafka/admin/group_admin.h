// Consumer groups as an operator sees and moves them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kafka/admin/topic_offsets.h"

namespace ms::kafka {

struct GroupListing {
  std::string name, type, state;  // type: "classic", "consumer"; empty when the server is too old to say
};
struct GroupMember {
  std::string id, instance_id, client_id, host;
  std::set<PartitionName> assigned;
};
struct GroupDescription {
  GroupListing group;
  std::string assignor;  // or the classic protocol that was chosen
  std::vector<GroupMember> members;
};
// Each -1 when there is none.
struct PartitionPosition {
  int64_t committed = -1, log_start = -1, log_end = -1;
  std::optional<int64_t> lag() const {
    if (committed < 0 || log_end < 0) return std::nullopt;
    return std::max<int64_t>(log_end - committed, 0);
  }
};
using Positions = std::map<PartitionName, PartitionPosition>;

// Errors of all: those of AdminClient::call and of admin_error.h.
Result<std::vector<GroupListing>> list_groups(AdminClient& client);  // by name
// Errors: kNotFound with the nearest name.
Result<GroupListing> find_group(AdminClient& client, const std::string& name);
Result<GroupDescription> describe_group(AdminClient& client, const GroupListing& group);
// What is committed, and of each partition in `also` where its log begins and ends.
Result<Positions> group_positions(AdminClient& client, const std::string& group, const std::set<PartitionName>& also);
Result<Positions> log_positions(AdminClient& client, const std::set<PartitionName>& partitions);  // nothing committed
Result<> delete_group(AdminClient& client, const std::string& group);

}  // namespace ms::kafka
