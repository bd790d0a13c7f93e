// What requests change beside users and ACLs, for the audit file: docs/security.md lists the fields.
#pragma once

#include "kafka/call.h"
#include "kafka/config_resources.h"
#include "kafka/quotas.h"

namespace ms::kafka {

struct Broker;

// After the change is durable. Nothing without an audit file.
void audit_quota_change(Broker& broker, Call& call, const QuotaChange& change);
void audit_topic_created(Broker& broker, Call& call, const std::string& name);
void audit_config_change(Broker& broker, Call& call, const ConfigChanges& change);

}  // namespace ms::kafka
