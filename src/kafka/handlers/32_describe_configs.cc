// DescribeConfigs (32), versions 1-4.
//
// - Topics (2): every configuration with its effective value and where it comes from. Brokers (4): the few read-only
//   settings a client may ask for. Groups (32), whether there are any members or not: their settings. Other resources are INVALID_REQUEST. No documentation texts, no sensitive values.
#include <algorithm>
#include <charconv>

#include "kafka/config_resources.h"
#include "kafka/group_config.h"
#include "kafka/handlers.h"
#include "kafka/messages/describe_configs.h"

namespace ms::kafka {

namespace {

using Asked = DescribeConfigsRequest::Resource;
using Answer = DescribeConfigsResponse::Result;

enum Source : int8_t { kTopicSet = 1, kStaticBroker = 4, kDefault = 5, kGroupSet = 8 };
enum Type : int8_t { kBoolean = 1, kString = 2, kInt = 3, kLong = 5, kList = 7 };
constexpr std::string_view kInts[] = {"consumer.heartbeat.interval.ms", "consumer.session.timeout.ms", "index.interval.bytes", "max.message.bytes", "min.insync.replicas", "offsets.retention.minutes", "segment.bytes", "segment.index.bytes"};

Type type_of(std::string_view name, std::string_view value) {
  int64_t number;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc() && end == value.data() + value.size()) return std::ranges::find(kInts, name) == std::end(kInts) ? kLong : kInt;
  if (value == "true" || value == "false") return kBoolean;
  return is_list_config(name) ? kList : kString;
}

// A request and the room its answer has.
struct Question {
  const DescribeConfigsRequest& request;
  AnswerRoom& room;
};

void add(const Question& question, const Asked& asked, std::string_view name, const std::string& value, Source source, Answer& answer) {
  const bool synonyms = question.request.include_synonyms;
  const auto& keys = asked.configuration_keys;
  if (keys && std::ranges::find(*keys, name) == keys->end()) return;
  if (!question.room.take(sizeof(Answer::Config) + sizeof(Answer::Config::Synonym) + 2 * (name.size() + value.size()))) return;
  auto& config = answer.configs.emplace_back();
  config.name = name;
  config.value = value;
  config.read_only = source == kStaticBroker;
  config.config_source = source;
  if (synonyms) config.synonyms.push_back({config.name, value, source});
  config.config_type = type_of(name, value);
}

void describe(const Broker& broker, const Question& question, const Asked& asked, Answer& answer) {
  const auto refuse = [&](ErrorCode error, std::string message) {
    answer.error_code = code(error);
    answer.error_message = std::move(message);
  };
  if (asked.resource_type == kTopicResource) {
    const auto info = broker.log.find_topic(asked.resource_name);
    if (!info) return refuse(ErrorCode::kUnknownTopicOrPartition, "there is no topic '" + asked.resource_name + "'");
    for (const auto& [name, value] : broker.log.effective_config(*info))
      add(question, asked, name, value, info->config.contains(name) ? kTopicSet : kDefault, answer);
  } else if (asked.resource_type == kBrokerResource) {
    if (!asked.resource_name.empty() && asked.resource_name != std::to_string(broker.options.node_id))
      return refuse(ErrorCode::kInvalidRequest, "there is no broker '" + asked.resource_name + "'");
    if (asked.resource_name.empty()) return;  // cluster-wide dynamic settings: none
    for (const auto& [name, value] : broker_config(broker.options)) add(question, asked, name, value, kStaticBroker, answer);
  } else if (asked.resource_type == kGroupResource) {
    if (asked.resource_name.empty()) return refuse(ErrorCode::kInvalidRequest, "the configuration of a group needs its name");
    const GroupConfig set = group_config(broker.log, asked.resource_name);
    for (const auto& [name, value] : effective_group_config(broker.options.consumer_groups, set))
      add(question, asked, name, value, set.contains(name) ? kGroupSet : kDefault, answer);
  } else {
    refuse(ErrorCode::kInvalidRequest, "resource type " + std::to_string(asked.resource_type) + " has no configuration here");
  }
}

}  // namespace

void handle_describe_configs(Broker& broker, Call call) {
  DescribeConfigsRequest request;
  if (!call.decode(request)) return;
  DescribeConfigsResponse response;
  const Question question{request, call.room()};
  for (const auto& asked : request.resources) {
    if (!question.room.take(sizeof(Answer) + 2 * asked.resource_name.size())) break;
    auto& answer = response.results.emplace_back();
    answer.resource_type = asked.resource_type;
    answer.resource_name = asked.resource_name;
    const Resource resource = config_resource(asked.resource_type, asked.resource_name);
    if (call.may(Operation::kDescribeConfigs, resource)) {
      describe(broker, question, asked, answer);
    } else {
      answer.error_code = code(denied_config(asked.resource_type));
      answer.error_message = call.denial(Operation::kDescribeConfigs, resource);
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
