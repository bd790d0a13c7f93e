// One request on its way: what was asked, and the way to answer it exactly once. A handler answers at once or keeps the
// Call and answers later, from any thread; answers leave the connection in the order of the requests whatever happens.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "io/tcp_server.h"
#include "kafka/access.h"
#include "kafka/error_code.h"
#include "kafka/request.h"
#include "kafka/request_times.h"
#include "kafka/wire.h"
#include "security/session.h"

namespace ms::kafka {

// Where the clients of a listener are told that this broker is.
struct AdvertisedAddress {
  std::string host;
  std::atomic<int32_t> port = 0;  // known once the listener is there
};

class Login;

// Where the answers of one connection go. Thread-safe, but for login() and session(), which are the connection's thread's.
class CallSink {
 public:
  virtual ~CallSink() = default;
  virtual io::IoThread& thread() = 0;
  virtual const std::string& client_host() const = 0;
  virtual const AdvertisedAddress& advertised() const = 0;  // of the listener that the client came by
  virtual void complete(uint64_t slot, std::vector<Slice> frame, RequestTrace trace) = 0;  // an empty frame: no response
  virtual void abandon(std::string_view reason) = 0;                   // counts the reason and closes the connection
  // Counts against a quota of the client; over it, the connection is not read for a while. On thread().
  virtual void charge(std::string_view quota_key, const std::string& client_id, double amount) = 0;
  // For how long it will not be read, for an answer that is about to be made.
  virtual int32_t throttle_ms(const std::string& client_id) = 0;
  virtual void on_closed(uint64_t slot, io::Job job) = 0;              // runs when it closes with this slot unanswered
  virtual Login& login() = 0;
  virtual std::shared_ptr<security::Session> session() = 0;
  virtual void close_after_answers(int64_t delay_us) = 0;  // reads no more; `delay_us` from now what was answered is sent, then it closes
};

class Call {
 public:
  Call(std::shared_ptr<CallSink> sink, uint64_t slot, const ApiSpec& api, ParsedRequest request, io::Frame frame)
      : sink_(std::move(sink)), slot_(slot), api_(&api), request_(std::move(request)), session_(sink_->session()), hold_(std::move(frame.hold)),
        times_(frame.began_us, system_clock().steady_us()) {}
  Call(Call&&) = default;
  Call& operator=(Call&&) = default;
  ~Call() {  // dropped without an answer: the client must not wait for ever, nor take the next answer for this one
    if (sink_) sink_->abandon("dropped");
  }

  const RequestHeader& header() const { return request_.header; }
  int16_t version() const { return request_.header.version; }
  const std::string& client_host() const { return sink_->client_host(); }
  const AdvertisedAddress& advertised() const { return sink_->advertised(); }
  io::IoThread& thread() { return sink_->thread(); }  // the connection's own
  void charge(std::string_view quota_key, double amount) { sink_->charge(quota_key, header().client_id, amount); }
  void post(io::Job job) { sink_->thread().post(std::move(job)); }

  // What the request does from now on (request_times.h). A call begins in kWork, and a reply is kSend.
  void enter(Stage stage) { times_.enter(stage, system_clock().steady_us()); }
  // The call on its way to where it waits: `[call = call.leave_for(Stage::kQueue)]`.
  Call leave_for(Stage stage) {
    enter(stage);
    return std::move(*this);
  }

  // ---- who asks, and what it may. The table of access.h must have a line for what is asked.
  security::Session& session() const { return *session_; }
  std::shared_ptr<security::Session> shared_session() { return session_; }
  bool may(Operation operation, const Resource& resource, security::Told told = security::Told::kYes) {
    if (!session_->guarded()) return true;
    CHECK(has_access_line(api_->key, operation, resource.type));
    return session_->may(operation, resource, api_->name, told);
  }
  // For lists: what may not be seen is left out, and nobody is told.
  bool sees(Operation operation, const Resource& resource) { return may(operation, resource, security::Told::kNo); }
  std::string denial(Operation operation, const Resource& resource) const { return security::denial_text(session_->principal(), operation, resource); }
  Login& login() { return sink_->login(); }
  std::shared_ptr<CallSink> sink() { return sink_; }

  // False: malformed; the call is over and the connection closing.
  template <class Request>
  bool decode(Request& into) {
    Decoder in(request_.body, version(), api_->is_flexible(version()));
    into.code(in);
    subject_ = subject_of(into);
    request_.body = Slice();  // what is needed later is referred to by the request
    if (!in.refers()) keeps(in.copied_bytes());
    if (in.ok()) return true;
    drop("malformed");
    return false;
  }
  // The request needs no more than this from now on: the rest of its share of the memory budget is given back.
  void keeps(size_t bytes) { hold_.shrink(bytes); }
  size_t held_bytes() const { return hold_.bytes(); }
  AnswerRoom& room() { return room_; }
  // `job` runs on thread() when the connection closes before this call is answered. From thread() only.
  void on_closed(io::Job job) { sink_->on_closed(slot_, std::move(job)); }

  template <class Response>
  void reply(Response&& response) {
    reply_as(response, version());
  }
  // For ApiVersions only, whose answer may be of another version than the question.
  template <class Response>
  void reply_as(Response& response, int16_t version) {
    if (room_.over()) return drop("answer_too_large");
    const bool flexible = api_->is_flexible(version);
    if constexpr (requires { response.throttle_time_ms; }) response.throttle_time_ms = sink_->throttle_ms(header().client_id);
    Encoder out(version, flexible);
    out.value(request_.header.correlation);
    if (flexible && api_->key != 18) out.no_tags();
    response.code(out);
    auto frame = out.take_frame();
    if (!out.ok()) return drop("answer_too_large");
    complete(std::move(frame));
  }
  void reply_nothing() { complete({}); }
  // A frame without a header, and its answer: a SASL token after SaslHandshake 0.
  const Slice& bare_token() const { return request_.body; }
  void reply_bare(std::string_view token) {
    Encoder out(0, false);
    out.value(Slice::copy(token));
    complete({Slice::copy(out.take_bytes())});
  }
  // No answer; the connection is closed and the reason counted.
  void drop(std::string_view reason) { std::exchange(sink_, nullptr)->abandon(reason); }

 private:
  void complete(std::vector<Slice> frame) {
    enter(Stage::kSend);
    std::exchange(sink_, nullptr)->complete(slot_, std::move(frame), {times_, subject_, std::move(request_.header.client_id)});
  }

  std::shared_ptr<CallSink> sink_;
  uint64_t slot_ = 0;
  const ApiSpec* api_ = nullptr;
  ParsedRequest request_;
  std::shared_ptr<security::Session> session_;
  io::MemoryHold hold_;
  RequestTimes times_;
  Subject subject_;
  AnswerRoom room_;
};

// What is said of a topic that one has no permission for. Who asked by its id and may not describe it does not learn that it is there.
inline ErrorCode denied_topic(Call& call, const std::string& name, bool by_id) {
  return by_id && !call.sees(Operation::kDescribe, topic_resource(name)) ? ErrorCode::kUnknownTopicId
                                                                         : ErrorCode::kTopicAuthorizationFailed;
}

// The cluster's operations as a bit field; nothing for who may not describe it.
inline int32_t cluster_operations(Call& call) { return call.sees(Operation::kDescribe, cluster_resource()) ? call.session().operations(cluster_resource()) : 0; }

}  // namespace ms::kafka
