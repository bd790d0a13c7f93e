// Where the time of one request goes, and what it is about: what metrics and the slow-request log are made of.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/types.h"

namespace ms::kafka {

enum class Stage : uint8_t {
  kRead,   // from its length to its last byte: the client's network, or the memory budget
  kQueue,  // for the worker's or the coordinator's thread
  kWork,   // in a handler
  kLog,    // for the group commit, with its fdatasync
  kWait,   // for what the client asked to wait for: records, other members of its group. Not slowness
  kSend,   // for the answers before it, and until the system has taken the last byte
};
inline constexpr size_t kStages = 6;
std::string_view to_string(Stage stage);  // "read"

// A stopwatch that is always in one stage. One thread at a time, as its Call.
class RequestTimes {
 public:
  // `began_us`: when the first bytes were there; 0: now.
  RequestTimes(int64_t began_us, int64_t now_us) : since_us_(now_us) { us_[0] = began_us ? now_us - began_us : 0; }
  void enter(Stage stage, int64_t now_us) {
    us_[static_cast<size_t>(stage_)] += now_us - since_us_;
    stage_ = stage;
    since_us_ = now_us;
  }
  int64_t us(Stage stage) const { return us_[static_cast<size_t>(stage)]; }
  int64_t total_us() const;  // of all stages but kWait
  Stage slowest() const;     // among the same; the first of equals

 private:
  std::array<int64_t, kStages> us_{};
  Stage stage_ = Stage::kWork;
  int64_t since_us_;
};

// The first topic or the group that a request names, and how many topics more. Made for every request: it reserves no memory.
struct Subject {
  static constexpr size_t kTextMax = 62;
  std::string_view text() const { return {text_, size_}; }
  void name(std::string_view text) {
    size_ = static_cast<uint8_t>(std::min(text.size(), kTextMax));
    std::memcpy(text_, text.data(), size_);
  }
  bool is_group = false;
  uint32_t more = 0;
  TopicId id;  // of a topic that was named by its id only

 private:
  uint8_t size_ = 0;
  char text_[kTextMax];  // what size_ says is written
};

namespace subject_detail {
template <class Topic>
void name_topic(Subject& subject, const Topic& topic) {
  if constexpr (std::is_same_v<Topic, std::string>) {
    subject.name(topic);
  } else {
    if constexpr (requires { { topic.name } -> std::convertible_to<std::string_view>; }) subject.name(topic.name);
    if constexpr (requires { { topic.topic } -> std::convertible_to<std::string_view>; }) subject.name(topic.topic);
    if constexpr (requires { { topic.topic_id } -> std::convertible_to<TopicId>; }) subject.id = topic.topic_id;
  }
}
template <class T>
void name_first(Subject& subject, const std::vector<T>& topics) {
  if (topics.empty()) return;
  name_topic(subject, topics.front());
  subject.more = static_cast<uint32_t>(topics.size() - 1);
}
template <class T>
void name_first(Subject& subject, const std::optional<std::vector<T>>& topics) {
  if (topics) name_first(subject, *topics);
}
}  // namespace subject_detail

template <class Request>
Subject subject_of(const Request& request) {
  Subject subject;
  if constexpr (requires { { request.group_id } -> std::convertible_to<std::string_view>; }) {
    subject.name(request.group_id);
    subject.is_group = !request.group_id.empty();
  } else if constexpr (requires { subject_detail::name_first(subject, request.topic_data); }) {
    subject_detail::name_first(subject, request.topic_data);
  } else if constexpr (requires { subject_detail::name_first(subject, request.topics); }) {
    subject_detail::name_first(subject, request.topics);
  }
  return subject;
}

// What is known of a request when it has been answered.
struct RequestTrace {
  RequestTimes times;
  Subject subject;
  std::string client_id;
};

}  // namespace ms::kafka
