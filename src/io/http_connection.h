// One HTTP connection: bytes in, requests to the handler, responses out. Internal to io/; lives on one IoThread.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <unordered_set>

#include "io/http_server.h"

namespace ms::io {

class HttpConnection;

// What all connections of a server share; lives as long as the last of them.
struct HttpShared {
  HttpServerOptions options;
  HttpHandler* handler = nullptr;
  std::atomic<size_t> connections{0}, buffered_bytes{0};
};
// What the connections of one I/O thread share; touched by that thread only.
struct HttpLoop {
  std::shared_ptr<HttpShared> shared;
  IoThread* thread = nullptr;
  std::unordered_set<std::shared_ptr<HttpConnection>> open;
  std::string date;  // of this second
  bool stopping = false;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpLoop> loop);
  ~HttpConnection();

  void start();
  void close();
  // Closes when a deadline has passed; called about once a second.
  void check_deadline(int64_t now_us);
  // The answer to a deferred request, on this connection's thread.
  void finish_deferred(HttpReply reply);
  IoThread& thread() { return *loop_->thread; }

 private:
  enum class Framing : uint8_t { kHead, kBody };
  enum class Step : uint8_t { kGoOn, kStop };  // kStop: wait for bytes, for the writer, for a deferred answer, or closed

  void read_more();
  void on_bytes(size_t count);
  void run();  // serves what the buffer holds, then reads on
  Step take_head();
  Step take_body();
  Step dispatch();
  Step send_reply();
  void refuse(int status, std::string_view reason);  // a problem document, then close
  bool make_room();                                  // false: over a budget
  void set_capacity(size_t bytes);
  void give_back();
  void request_done();
  void continue_writing();
  void format_reply_head();
  void close_when_read();
  void set_deadline(int64_t ms);

  boost::asio::ip::tcp::socket socket_;
  const std::shared_ptr<HttpLoop> loop_;
  HttpShared& shared_;
  std::unique_ptr<char[]> in_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;  // unread bytes are in_[begin_, end_)
  size_t charged_ = 0;                         // bytes counted in shared_.buffered_bytes
  size_t scanned_ = 0;                         // of the head, while looking for its end
  Framing framing_ = Framing::kHead;
  std::string peer_;
  HttpHead head_;
  bool head_moved_ = false;   // in_ has moved since head_ was parsed
  size_t head_bytes_ = 0;
  size_t wire_bytes_ = 0;     // of the body, known once it is whole
  size_t body_bytes_ = 0;     // for the handler
  size_t chunk_at_ = 0;       // progress of chunks_ in the body's wire bytes
  ChunkDecoder chunks_;
  HttpReply reply_;
  std::string out_head_;
  size_t out_done_ = 0;
  bool head_only_ = false;    // the method is HEAD
  bool close_after_ = false;
  bool draining_ = false;     // refused: reads and drops until the client has seen the answer
  size_t drained_bytes_ = 0;
  bool busy_ = false;         // writing, or waiting for a deferred answer
  bool reading_ = false;
  bool closed_ = false;
  int64_t deadline_us_ = 0;   // 0: none
};

}  // namespace ms::io
