#include "kafka/access.h"

#include <algorithm>

namespace ms::kafka {

namespace {

using enum Operation;
using ResourceType::kTopic, ResourceType::kGroup, ResourceType::kCluster, ResourceType::kTransactionalId;

constexpr ErrorCode kTopicFailed = ErrorCode::kTopicAuthorizationFailed;
constexpr ErrorCode kGroupFailed = ErrorCode::kGroupAuthorizationFailed;
constexpr ErrorCode kClusterFailed = ErrorCode::kClusterAuthorizationFailed;
constexpr ErrorCode kIdFailed = ErrorCode::kTransactionalIdAuthorizationFailed;
constexpr ErrorCode kLeftOut = ErrorCode::kNone;
constexpr auto kNothing = ResourceType::kAny;

constexpr AccessLine kTable[] = {
    {0, kWrite, kTopic, kTopicFailed},                    // Produce
    {0, kDescribe, kTopic, kLeftOut},                     // that one given by its id is there
    {0, kWrite, kTransactionalId, kIdFailed},
    {1, kRead, kTopic, kTopicFailed},                     // Fetch
    {1, kDescribe, kTopic, kLeftOut},                     // that one given by its id is there
    {2, kDescribe, kTopic, kTopicFailed},                 // ListOffsets
    {3, kDescribe, kTopic, kTopicFailed},                 // Metadata; of all topics: left out
    {3, kCreate, kTopic, kTopicFailed},                   // a topic that does not exist yet; or
    {3, kCreate, kCluster, kTopicFailed},                 // this
    {3, kDescribe, kCluster, kLeftOut},                   // authorized operations
    {8, kRead, kGroup, kGroupFailed},                     // OffsetCommit
    {8, kRead, kTopic, kTopicFailed},
    {8, kDescribe, kTopic, kLeftOut},                     // that one given by its id is there
    {9, kDescribe, kGroup, kGroupFailed},                 // OffsetFetch
    {9, kDescribe, kTopic, kTopicFailed},                 // of all topics: left out
    {10, kDescribe, kGroup, kGroupFailed},                // FindCoordinator
    {10, kDescribe, kTransactionalId, kIdFailed},
    {11, kRead, kGroup, kGroupFailed},                    // JoinGroup
    {12, kRead, kGroup, kGroupFailed},                    // Heartbeat
    {13, kRead, kGroup, kGroupFailed},                    // LeaveGroup
    {14, kRead, kGroup, kGroupFailed},                    // SyncGroup
    {15, kDescribe, kGroup, kGroupFailed},                // DescribeGroups
    {16, kDescribe, kCluster, kLeftOut},                  // ListGroups: all groups; or
    {16, kDescribe, kGroup, kLeftOut},                    // those
    {17, Operation::kAny, kNothing, kLeftOut},            // SaslHandshake
    {18, Operation::kAny, kNothing, kLeftOut},            // ApiVersions
    {19, kCreate, kCluster, kTopicFailed},                // CreateTopics; or
    {19, kCreate, kTopic, kTopicFailed},                  // this
    {19, kDescribeConfigs, kTopic, kLeftOut},             // the configuration in the answer
    {20, kDelete, kTopic, kTopicFailed},                  // DeleteTopics
    {20, kDescribe, kTopic, kTopicFailed},                // that one given by its id is there, and its name
    {21, kDelete, kTopic, kTopicFailed},                  // DeleteRecords
    {22, kWrite, kTransactionalId, kIdFailed},            // InitProducerId; without an id:
    {22, kIdempotentWrite, kCluster, kClusterFailed},     // this, or WRITE on any topic
    {23, kDescribe, kTopic, kTopicFailed},                // OffsetForLeaderEpoch
    {24, kWrite, kTransactionalId, kIdFailed},            // AddPartitionsToTxn
    {24, kWrite, kTopic, kTopicFailed},
    {25, kWrite, kTransactionalId, kIdFailed},            // AddOffsetsToTxn
    {25, kRead, kGroup, kGroupFailed},
    {26, kWrite, kTransactionalId, kIdFailed},            // EndTxn
    {28, kWrite, kTransactionalId, kIdFailed},            // TxnOffsetCommit
    {28, kRead, kGroup, kGroupFailed},
    {28, kRead, kTopic, kTopicFailed},
    {29, kDescribe, kCluster, kClusterFailed},            // DescribeAcls
    {30, kAlter, kCluster, kClusterFailed},               // CreateAcls
    {31, kAlter, kCluster, kClusterFailed},               // DeleteAcls
    {32, kDescribeConfigs, kTopic, kTopicFailed},         // DescribeConfigs
    {32, kDescribeConfigs, kCluster, kClusterFailed},
    {32, kDescribeConfigs, kGroup, kGroupFailed},
    {33, kAlterConfigs, kTopic, kTopicFailed},            // AlterConfigs
    {33, kAlterConfigs, kCluster, kClusterFailed},
    {33, kAlterConfigs, kGroup, kGroupFailed},
    {35, kDescribe, kCluster, kClusterFailed},            // DescribeLogDirs
    {36, Operation::kAny, kNothing, kLeftOut},            // SaslAuthenticate
    {37, kAlter, kTopic, kTopicFailed},                   // CreatePartitions
    {42, kDelete, kGroup, kGroupFailed},                  // DeleteGroups
    {43, kAlter, kCluster, kClusterFailed},               // ElectLeaders
    {44, kAlterConfigs, kTopic, kTopicFailed},            // IncrementalAlterConfigs
    {44, kAlterConfigs, kCluster, kClusterFailed},
    {44, kAlterConfigs, kGroup, kGroupFailed},
    {45, kAlter, kCluster, kClusterFailed},               // AlterPartitionReassignments
    {46, kDescribe, kCluster, kClusterFailed},            // ListPartitionReassignments
    {47, kDelete, kGroup, kGroupFailed},                  // OffsetDelete
    {47, kRead, kTopic, kTopicFailed},
    {48, kDescribeConfigs, kCluster, kClusterFailed},     // DescribeClientQuotas
    {49, kAlterConfigs, kCluster, kClusterFailed},        // AlterClientQuotas
    {50, kDescribe, kCluster, kClusterFailed},            // DescribeUserScramCredentials
    {51, kAlter, kCluster, kClusterFailed},               // AlterUserScramCredentials
    {60, kDescribe, kCluster, kLeftOut},                  // DescribeCluster: authorized operations
    {61, kRead, kTopic, kTopicFailed},                    // DescribeProducers
    {65, kDescribe, kTransactionalId, kIdFailed},         // DescribeTransactions
    {65, kDescribe, kTopic, kLeftOut},                    // the topics of a transaction
    {66, kDescribe, kTransactionalId, kLeftOut},          // ListTransactions
    {68, kRead, kGroup, kGroupFailed},                    // ConsumerGroupHeartbeat
    {68, kDescribe, kTopic, kTopicFailed},                // names; of an expression: left out
    {69, kDescribe, kGroup, kGroupFailed},                // ConsumerGroupDescribe
    {69, kDescribe, kTopic, kTopicFailed},                // every topic of its members
    {74, kDescribeConfigs, kCluster, kClusterFailed},     // ListConfigResources
    {75, kDescribe, kTopic, kTopicFailed},                // DescribeTopicPartitions; of all topics: left out
};

}  // namespace

std::span<const AccessLine> access_table() { return kTable; }

bool has_access_line(int16_t api_key, Operation operation, ResourceType type) {
  return std::ranges::any_of(kTable, [&](const AccessLine& line) { return line.api_key == api_key && line.operation == operation && line.type == type; });
}

}  // namespace ms::kafka
