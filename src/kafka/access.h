// Which permission a request needs: one table for all APIs, and the questions its handlers ask.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kafka/error_code.h"
#include "security/acl.h"

namespace ms::kafka {

using security::cluster_resource;
using security::group_resource;
using security::Operation;
using security::Resource;
using security::ResourceType;
using security::topic_resource;
using security::transaction_resource;

// What one API asks for. An API that asks for several things has several lines; one that asks for nothing has one with kAny.
struct AccessLine {
  int16_t api_key;
  Operation operation;
  ResourceType type;
  ErrorCode error;  // of a denial that the client is told; kNone: what is denied is left out
};
std::span<const AccessLine> access_table();  // by ascending key
bool has_access_line(int16_t api_key, Operation operation, ResourceType type);

}  // namespace ms::kafka
