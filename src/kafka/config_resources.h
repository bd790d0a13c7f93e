// Configuration as Kafka's clients see it: resources and their changes.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/call.h"
#include "kafka/error_code.h"
#include "kafka/kafka_server.h"

namespace ms::kafka {

struct Broker;

inline constexpr int8_t kTopicResource = 2;
inline constexpr int8_t kBrokerResource = 4;
inline constexpr int8_t kGroupResource = 32;

// What a broker tells of itself; read-only.
std::map<std::string, std::string> broker_config(const KafkaServerOptions& options);

struct ConfigOutcome {
  ErrorCode error = ErrorCode::kNone;
  std::optional<std::string> message;
};

enum class ConfigOperation : int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };
struct ConfigChange {
  std::string name;
  ConfigOperation operation = ConfigOperation::kSet;
  std::optional<std::string> value;
};

// What one resource of a request asks for. `replace_all` is the old AlterConfigs: what is not named goes back to its default.
struct ConfigChanges {
  int8_t resource_type = 0;
  std::string resource_name;
  std::vector<ConfigChange> changes;
  bool replace_all = false;
  bool validate_only = false;
};
// Applies the changes of a request, each resource all or nothing; one outcome per resource. Topics and groups can be
// changed; one that is named twice is changed not at all. May wait for the disk.
std::vector<ConfigOutcome> change_configs(Broker& broker, Call& call, std::span<const ConfigChanges> wanted);

// What a permission for a configuration is asked of, and the error of a denial.
Resource config_resource(int8_t resource_type, const std::string& name);
ErrorCode denied_config(int8_t resource_type);

// Appending to and subtracting from is for lists alone.
bool is_list_config(std::string_view name);

// A comma-separated list with `item` added (once) or taken out.
std::string with_item(const std::string& list, const std::string& item);
std::string without_item(const std::string& list, const std::string& item);

}  // namespace ms::kafka
