// DeleteTopics (20), versions 1-6. From version 6 on a topic is named or given by its id. One that features read is
// POLICY_VIOLATION.
#include "kafka/handlers.h"
#include "kafka/messages/delete_topics.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

void remove(Broker& broker, const std::optional<log::TopicInfo>& info, ErrorCode unknown, DeleteTopicsResponse::Response& out) {
  if (!info) {
    out.error_code = code(unknown);
    return;
  }
  out.name = info->name;
  out.topic_id = info->id;
  Result<> removed = broker.options.may_delete_topic ? broker.options.may_delete_topic(*info) : Result<>();
  if (removed) removed = broker.log.delete_topic(info->id);
  if (!removed) {
    out.error_code = code(topic_error(removed.error()));
    out.error_message = removed.error().message;
  }
}

}  // namespace

void handle_delete_topics(Broker& broker, Call call) {
  DeleteTopicsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = std::move(call), request = std::move(request)]() mutable {
    DeleteTopicsResponse response;
    for (const std::string& name : request.topic_names) {
      auto& out = response.responses.emplace_back();
      out.name = name;
      remove(broker, broker.log.find_topic(name), ErrorCode::kUnknownTopicOrPartition, out);
    }
    for (const auto& topic : request.topics) {
      auto& out = response.responses.emplace_back();
      out.name = topic.name;
      out.topic_id = topic.topic_id;
      if (topic.name) {
        remove(broker, broker.log.find_topic(*topic.name), ErrorCode::kUnknownTopicOrPartition, out);
      } else {
        remove(broker, broker.log.find_topic(topic.topic_id), ErrorCode::kUnknownTopicId, out);
      }
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
