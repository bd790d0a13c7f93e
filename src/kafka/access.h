// Which permission a request needs: one table for all APIs, and the questions its handlers ask.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kafka/error_code.h"
#include "security/acl.h"

namespace ms::kafka {

using security::Operation;
using security::Resource;
using security::ResourceType;

// What one API asks for. An API that asks for several things has several lines; one that asks for nothing has one with kAny.
struct AccessLine {
  int16_t api_key;
  Operation operation;
  ResourceType type;
  ErrorCode error;  // of a denial that the client is told; kNone: what is denied is left out
};
std::span<const AccessLine> access_table();  // by ascending key
bool has_access_line(int16_t api_key, Operation operation, ResourceType type);

inline Resource topic_resource(std::string_view name) { return {ResourceType::kTopic, name}; }
inline Resource group_resource(std::string_view name) { return {ResourceType::kGroup, name}; }
inline Resource transaction_resource(std::string_view id) { return {ResourceType::kTransactionalId, id}; }
inline Resource cluster_resource() { return {ResourceType::kCluster, security::kClusterName}; }

// "User:bob may not WRITE to topic 'orders'; a super user can allow it (kafka-acls.sh --add)". Says nothing about what exists.
std::string denial_text(std::string_view principal, Operation operation, const Resource& resource);

}  // namespace ms::kafka
