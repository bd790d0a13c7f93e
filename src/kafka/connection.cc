#include "kafka/connection.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "base/metrics.h"
#include "io/endpoint.h"
#include "kafka/handlers.h"

namespace ms::kafka {

namespace {
// Beyond either, the connection is not read until the client has taken answers.
constexpr size_t kInFlightMax = 64;
constexpr size_t kUnsentBytesMax = 16u << 20;
constexpr size_t kStrangersUnsentBytesMax = 64u << 10;
constexpr size_t kSendingMax = 256;  // answers whose sending is timed

// Passwords may cross the loopback: who listens there has the machine.
bool is_private(const std::string& peer) { return io::is_loopback(io::host_of_peer(peer)); }
}  // namespace

KafkaConnection::KafkaConnection(Broker& broker, std::shared_ptr<io::Connection> connection,
                                 std::shared_ptr<const AdvertisedAddress> advertised)
    : broker_(broker),
      alive_(broker.alive),
      connection_(std::move(connection)),
      advertised_(std::move(advertised)),
      client_host_("/" + io::host_of_peer(connection_->peer())),
      login_(broker, connection_->peer(), connection_->security(),
             broker.options.plain_in_the_clear || connection_->security().encrypted || is_private(connection_->peer())) {
  alive_->add(1);
}

KafkaConnection::~KafkaConnection() {
  broker_.connections.remove(this);
  alive_->add(-1);
}

std::shared_ptr<KafkaConnection> KafkaConnection::make(Broker& broker, std::shared_ptr<io::Connection> connection,
                                                       std::shared_ptr<const AdvertisedAddress> advertised) {
  auto made = std::make_shared<KafkaConnection>(broker, std::move(connection), std::move(advertised));
  made->begin();
  return made;
}

void KafkaConnection::begin() {
  if (!broker_.options.authority) return;
  broker_.connections.add(this, [weak = weak_from_this(), &thread = thread()] {
    thread.post([weak] {
      if (const auto self = weak.lock()) self->look_again();
    });
  });
  login_.audit_certificate();
  if (login_.done()) return;
  timer_.emplace(thread()).start(kLoginTimeoutUs, [this] {
    if (!login_.done()) abandon("login_timeout");
  });
}

void KafkaConnection::look_again() {
  if (closed_) return;
  if (login_.is_over()) return close_after_answers(0);
  login_.audit_certificate();
}

void KafkaConnection::close_after_answers(int64_t delay_us) {
  if (closed_ || std::exchange(closing_, true)) return;
  connection_->pause_reading();
  for (Answer& answer : answers_)
    if (answer.on_closed) thread().post(std::exchange(answer.on_closed, nullptr));  // fetches that wait
  if (!timer_) timer_.emplace(thread());
  timer_->start(delay_us, [this] {
    may_close_ = true;
    close_if_sent();
  });
}

void KafkaConnection::close_if_sent() {
  if (!may_close_ || closed_) return;
  send_ready();
  if (answers_.empty() && connection_->unsent_bytes() == 0) connection_->close();
}

io::Admission KafkaConnection::admits(size_t frame_bytes) {
  if (login_.done()) return io::Admission::kKnown;
  if (frame_bytes <= kLoginFrameBytesMax) return io::Admission::kStranger;
  abandon("login_too_large");
  return io::Admission::kRefused;
}

void KafkaConnection::on_frame(io::Frame frame) {
  if (closed_ || closing_) return;
  if (login_.expects_bare_token()) return on_bare_token(std::move(frame));
  const auto head = peek_header(frame.bytes);
  if (!head) return abandon("malformed");
  const ApiEntry* api = find_api(head->api_key);
  if (!api) return abandon("unknown_api");
  if (const auto reason = login_.refuse(head->api_key); !reason.empty()) return abandon(reason);
  // ApiVersions answers also a version it does not know; its header then has the oldest form.
  const bool known = head->version >= api->spec.min_version && head->version <= api->spec.max_version;
  if (!known && api->spec.key != 18) return abandon("unknown_version");
  std::optional<ParsedRequest> parsed;
  if (known) {
    parsed = parse_request(frame.bytes, api->spec.is_flexible(head->version));
  } else {
    parsed = ParsedRequest{*head, {}};
  }
  if (!parsed) return abandon("malformed");
  if (login_.done() && !std::exchange(settled_, true)) connection_->settle();
  const size_t frame_bytes = frame.bytes.size();
  handle(*api, call_of(*api, std::move(*parsed), std::move(frame)), frame_bytes);
  throttle();
}

void KafkaConnection::on_bare_token(io::Frame frame) {
  const ApiEntry& api = *find_api(36);
  if (const auto reason = login_.refuse(api.spec.key); !reason.empty()) return abandon(reason);
  ParsedRequest request{{.api_key = api.spec.key, .version = 0, .correlation = 0, .client_id = {}}, frame.bytes};
  handle_bare_token(broker_, call_of(api, std::move(request), std::move(frame)));
  throttle();
}

Call KafkaConnection::call_of(const ApiEntry& api, ParsedRequest request, io::Frame frame) {
  api.metrics->requests.add();
  const uint64_t slot = first_slot_ + answers_.size();
  answers_.emplace_back().api = &api;
  return Call(shared_from_this(), slot, api.spec, std::move(request), std::move(frame));
}

void KafkaConnection::handle(const ApiEntry& api, Call call, size_t frame_bytes) {
  if (!broker_.quotas.any()) return api.handler(broker_, std::move(call));
  const std::string client_id = call.header().client_id;
  if (api.spec.key == 0) charge(quota::kProducerByteRate, client_id, static_cast<double>(frame_bytes));
  handling_since_us_ = system_clock().steady_us();
  api.handler(broker_, std::move(call));
  charge_time(client_id);
  handling_since_us_ = 0;
}

// ---- quotas

void KafkaConnection::charge(std::string_view quota_key, const std::string& client_id, double amount) {
  if (!broker_.quotas.any()) return;
  const int64_t wait_us = broker_.quotas.record(quota_key, login_.session()->user(), client_id, amount) * kMicrosPerMilli;
  if (wait_us > 0) throttled_until_us_ = std::max(throttled_until_us_.load(), system_clock().steady_us() + wait_us);
}

// The time that this thread has worked for the request, in hundredths of a second: 1 % of a second is one a second.
void KafkaConnection::charge_time(const std::string& client_id) {
  const int64_t now = system_clock().steady_us();
  const int64_t since = std::exchange(handling_since_us_, now);
  if (since != 0) charge(quota::kRequestPercentage, client_id, static_cast<double>(now - since) * 100 / kMicrosPerSecond);
}

int32_t KafkaConnection::throttle_ms(const std::string& client_id) {
  if (thread().is_current() && handling_since_us_ != 0) charge_time(client_id);
  const int64_t left_ms = (throttled_us() + kMicrosPerMilli - 1) / kMicrosPerMilli;
  return static_cast<int32_t>(std::min<int64_t>(left_ms, std::numeric_limits<int32_t>::max()));
}

int64_t KafkaConnection::throttled_us() const {
  const int64_t until = throttled_until_us_;
  return until == 0 ? 0 : std::max<int64_t>(until - system_clock().steady_us(), 0);
}

// ---- answers

void KafkaConnection::complete(uint64_t slot, std::vector<Slice> frame, RequestTrace trace) {
  if (thread().is_current()) return deliver(slot, std::move(frame), std::move(trace));
  thread().post([self = shared_from_this(), slot, frame = std::move(frame), trace = std::move(trace)]() mutable {
    self->deliver(slot, std::move(frame), std::move(trace));
  });
}

void KafkaConnection::deliver(uint64_t slot, std::vector<Slice> frame, RequestTrace trace) {
  if (closed_) return;
  Answer& answer = answers_[slot - first_slot_];
  answer.trace = std::move(trace);
  answer.frame = std::move(frame);
  answer.on_closed = nullptr;
  if (closing_) return close_if_sent();
  send_ready();
  // Answers to which nothing is sent are over; and of those that a slow client lets pile up, only so many are remembered.
  if (connection_->unsent_bytes() == 0) sent(sending_.size());
  else if (sending_.size() > kSendingMax) sent(sending_.size() - kSendingMax);
  throttle();
}

// In the order of the requests, up to the first that has no answer yet.
void KafkaConnection::send_ready() {
  while (!answers_.empty() && answers_.front().trace) {
    Answer& next = answers_.front();
    sending_.push_back({next.api, std::move(*next.trace)});
    if (!next.frame.empty()) connection_->send(std::move(next.frame));
    answers_.pop_front();
    ++first_slot_;
  }
}

// The oldest `count` answers are with the system, or are not waited for any more.
void KafkaConnection::sent(size_t count) {
  if (count == 0) return;
  const int64_t now_us = system_clock().steady_us();
  for (; count > 0; --count) {
    auto& [api, trace] = sending_.front();
    trace.times.enter(Stage::kSend, now_us);
    broker_.requests.answered(api->spec, *api->metrics, trace, client_host_);
    sending_.pop_front();
  }
}

void KafkaConnection::abandon(std::string_view reason) {
  if (!thread().is_current()) {
    thread().post([self = shared_from_this(), reason = std::string(reason)] { self->abandon(reason); });
    return;
  }
  if (std::exchange(closed_, true)) return;
  counter("millstream_kafka_requests_refused_total", "reason=\"" + std::string(reason) + "\"").add();
  end_answers();
  connection_->close();
}

void KafkaConnection::on_closed(uint64_t slot, io::Job job) {
  if (closed_) return thread().post(std::move(job));
  answers_[slot - first_slot_].on_closed = std::move(job);
}

// Nobody waits for them any more.
void KafkaConnection::end_answers() {
  for (Answer& answer : std::exchange(answers_, {}))
    if (answer.on_closed) thread().post(std::move(answer.on_closed));
}

// Reads or does not read.
void KafkaConnection::throttle() {
  if (closed_ || closing_) return;
  const int64_t wait_us = throttled_us();
  if (wait_us > 0) {
    if (!unthrottle_) unthrottle_ = std::make_unique<io::Timer>(thread());
    unthrottle_->start(wait_us, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->throttle();
    });
  }
  const size_t unsent_max = !login_.done() ? kStrangersUnsentBytesMax : broker_.responses_short() ? 0 : kUnsentBytesMax;
  const bool busy = wait_us > 0 || answers_.size() >= kInFlightMax || connection_->unsent_bytes() > unsent_max;
  if (busy == paused_) return;
  paused_ = busy;
  busy ? connection_->pause_reading() : connection_->resume_reading();
}

void KafkaConnection::on_sent() {
  if (!closed_) sent(sending_.size());
  if (closing_) return close_if_sent();
  throttle();
}

void KafkaConnection::on_closed() {
  closed_ = true;
  timer_.reset();
  unthrottle_.reset();
  end_answers();
}

}  // namespace ms::kafka
