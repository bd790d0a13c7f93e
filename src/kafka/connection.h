// One client connection: frames in, calls out to the handlers, answers back in the order of the requests.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>

#include "io/tcp_server.h"
#include "kafka/broker.h"
#include "kafka/call.h"
#include "kafka/login.h"

namespace ms::kafka {

struct ApiEntry;

class KafkaConnection final : public io::FrameHandler, public CallSink, public std::enable_shared_from_this<KafkaConnection> {
 public:
  static std::shared_ptr<KafkaConnection> make(Broker& broker, std::shared_ptr<io::Connection> connection, std::shared_ptr<const AdvertisedAddress> advertised);
  KafkaConnection(Broker& broker, std::shared_ptr<io::Connection> connection, std::shared_ptr<const AdvertisedAddress> advertised);
  ~KafkaConnection() override;

  io::Admission admits(size_t frame_bytes) override;
  void on_frame(io::Frame frame) override;
  void on_sent() override;
  void on_closed() override;

  io::IoThread& thread() override { return connection_->thread(); }
  const std::string& client_host() const override { return client_host_; }
  const AdvertisedAddress& advertised() const override { return *advertised_; }
  void complete(uint64_t slot, std::vector<Slice> frame, RequestTrace trace) override;
  void abandon(std::string_view reason) override;
  void on_closed(uint64_t slot, io::Job job) override;
  Login& login() override { return login_; }
  std::shared_ptr<security::Session> session() override { return login_.session(); }
  void close_after_answers(int64_t delay_us) override;
  void charge(std::string_view quota_key, const std::string& client_id, double amount) override;
  int32_t throttle_ms(const std::string& client_id) override;

 private:
  struct Answer {
    const ApiEntry* api = nullptr;
    std::optional<RequestTrace> trace;  // once it is ready
    std::vector<Slice> frame;
    io::Job on_closed;
  };
  void on_bare_token(io::Frame frame);
  Call call_of(const ApiEntry& api, ParsedRequest request, io::Frame frame);
  void end_answers();
  void deliver(uint64_t slot, std::vector<Slice> frame, RequestTrace trace);
  void sent(size_t count);
  void handle(const ApiEntry& api, Call call, size_t frame_bytes);
  void charge_time(const std::string& client_id);
  int64_t throttled_us() const;
  void throttle();
  void send_ready();
  void begin();
  void look_again();  // at the session: users have changed
  void close_if_sent();

  Broker& broker_;
  const std::shared_ptr<AliveCount> alive_;
  const std::shared_ptr<io::Connection> connection_;
  const std::shared_ptr<const AdvertisedAddress> advertised_;
  const std::string client_host_;
  std::deque<Answer> answers_;  // of the requests in flight, the oldest first
  uint64_t first_slot_ = 0;     // of answers_.front()
  struct Sending {
    const ApiEntry* api;
    RequestTrace trace;
  };
  std::deque<Sending> sending_;  // answers that the system has not taken yet
  Login login_;
  std::optional<io::Timer> timer_;  // the login's end, then the delay of a failure
  int64_t handling_since_us_ = 0;                // what the handler at work has not been charged for yet; 0: none, or nobody counts
  std::atomic<int64_t> throttled_until_us_ = 0;  // by a quota
  std::unique_ptr<io::Timer> unthrottle_;        // made when needed, gone before the connection
  bool paused_ = false;
  bool settled_ = false;
  bool closing_ = false;  // as soon as the answers are sent
  bool may_close_ = false;
  bool closed_ = false;
};

}  // namespace ms::kafka
