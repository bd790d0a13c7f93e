#include "kafka/consumer_protocol.h"

#include <algorithm>

#include "kafka/wire.h"

namespace ms::kafka {

namespace {

constexpr int16_t kVersionMax = 3;

struct TopicPartitions {
  std::string topic;
  std::vector<int32_t> partitions;
  template <class C>
  void code(C& c) {
    c.value(topic);
    c.value(partitions);
  }
};

struct SubscriptionMessage {
  std::vector<std::string> topics;
  std::optional<std::vector<int8_t>> user_data;  // the assignor's business
  std::vector<TopicPartitions> owned;
  int32_t generation = -1;
  std::optional<std::string> rack_id;
  template <class C>
  void code(C& c) {
    c.value(topics);
    c.nullable(user_data, true);
    if (c.version() >= 1) c.value(owned);
    if (c.version() >= 2) c.value(generation);
    if (c.version() >= 3) c.nullable(rack_id, true);
  }
};

struct AssignmentMessage {
  std::vector<TopicPartitions> assigned;
  std::optional<std::vector<int8_t>> user_data;
  template <class C>
  void code(C& c) {
    c.value(assigned);
    c.nullable(user_data, true);
  }
};

// Both begin with their version.
template <class Message>
std::optional<int16_t> decode(std::string_view bytes, Message& into) {
  int16_t version = -1;
  Decoder head(Slice::copy(bytes.substr(0, sizeof version)), 0, false);
  head.value(version);
  if (!head.ok() || version < 0) return std::nullopt;
  Decoder in(Slice::copy(bytes.substr(sizeof version)), std::min(version, kVersionMax), false);
  into.code(in);
  return in.ok() ? std::optional(std::min(version, kVersionMax)) : std::nullopt;
}

template <class Message>
std::string encode(int16_t version, Message message) {
  Encoder out(version, false);
  out.value(version);
  message.code(out);
  return out.take_bytes();
}

PartitionsByName by_name(const std::vector<TopicPartitions>& topics) {
  PartitionsByName out;
  for (const TopicPartitions& t : topics) out[t.topic].insert(t.partitions.begin(), t.partitions.end());
  return out;
}

std::vector<TopicPartitions> listed(const PartitionsByName& partitions) {
  std::vector<TopicPartitions> out;
  for (const auto& [topic, numbers] : partitions) out.push_back({topic, {numbers.begin(), numbers.end()}});
  return out;
}

}  // namespace

std::optional<Subscription> decode_subscription(std::string_view bytes) {
  SubscriptionMessage message;
  const auto version = decode(bytes, message);
  if (!version) return std::nullopt;
  return Subscription{*version, std::move(message.topics), by_name(message.owned), message.generation, std::move(message.rack_id)};
}

std::optional<PartitionsByName> decode_assignment(std::string_view bytes) {
  AssignmentMessage message;
  if (!decode(bytes, message)) return std::nullopt;
  return by_name(message.assigned);
}

std::string encode_subscription(const Subscription& s) {
  return encode(s.version, SubscriptionMessage{s.topics, {}, listed(s.owned), s.generation, s.rack_id});
}

std::string encode_assignment(int16_t version, const PartitionsByName& partitions) {
  return encode(std::min(version, kVersionMax), AssignmentMessage{listed(partitions), {}});
}

}  // namespace ms::kafka
