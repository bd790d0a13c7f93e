// DeleteTopics (20), versions 1-6. From version 6 on a topic is named or given by its id, not both. One that the request has
// twice is not deleted. One that features read is POLICY_VIOLATION.
#include <map>

#include "kafka/handlers.h"
#include "kafka/messages/delete_topics.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

using Topic = DeleteTopicsRequest::Topic;
using Answer = DeleteTopicsResponse::Response;

void refuse(Answer& out, ErrorCode error, std::string message) {
  out.error_code = code(error);
  out.error_message = std::move(message);
}

constexpr const char* kNoTopic = "there is no such topic";

// By id, who may not describe the topic learns neither its name nor that it is there.
bool check(Call& call, const Topic& topic, const std::optional<log::TopicInfo>& info, Answer& out) {
  if (!topic.name && !info) return true;
  const std::string name = topic.name ? *topic.name : info->name;
  if (call.may(Operation::kDelete, topic_resource(name))) return true;
  const ErrorCode error = denied_topic(call, name, !topic.name);
  const bool hidden = error == ErrorCode::kUnknownTopicId;
  refuse(out, error, hidden ? kNoTopic : call.denial(Operation::kDelete, topic_resource(name)));
  if (!hidden) out.name = name;
  return false;
}

void remove(Broker& broker, Call& call, const Topic& topic, Answer& out) {
  const auto info = topic.name ? broker.log.find_topic(*topic.name) : broker.log.find_topic(topic.topic_id);
  if (!check(call, topic, info, out)) return;
  if (!info) return refuse(out, topic.name ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kUnknownTopicId, kNoTopic);
  out.name = info->name;
  out.topic_id = info->id;
  const auto removed = broker.options.delete_topic ? broker.options.delete_topic(*info) : broker.log.delete_topic(info->id);
  if (!removed) refuse(out, topic_error(removed.error()), removed.error().message);
}

}  // namespace

void handle_delete_topics(Broker& broker, Call call) {
  DeleteTopicsRequest request;
  if (!call.decode(request)) return;
  for (std::string& name : request.topic_names) request.topics.push_back({.name = std::move(name), .topic_id = {}});
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    DeleteTopicsResponse response;
    std::map<std::pair<std::optional<std::string>, TopicId>, size_t> asked;
    for (const Topic& topic : request.topics) ++asked[{topic.name, topic.topic_id}];
    for (const Topic& topic : request.topics) {
      Answer& out = response.responses.emplace_back();
      out.name = topic.name;
      out.topic_id = topic.topic_id;
      if (topic.name.has_value() != topic.topic_id.uuid.is_nil()) refuse(out, ErrorCode::kInvalidRequest, "a topic needs either a name or an id");
      else if (asked[{topic.name, topic.topic_id}] > 1) refuse(out, ErrorCode::kInvalidRequest, "the request has this topic twice");
      else remove(broker, call, topic, out);
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
