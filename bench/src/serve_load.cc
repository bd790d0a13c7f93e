// Reads features of random entities over a few connections, each in a closed loop, from Millstream (HTTP) or Redis (RESP).
// One thread and one epoll loop for both, so that the client costs the same. Prints one JSON line.
//
//   bench_serve_load http  HOST:PORT/SERVICE KEY read BATCH CONNECTIONS SECONDS ENTITIES
//   bench_serve_load redis HOST:PORT FIELDS read BATCH CONNECTIONS SECONDS ENTITIES
//   bench_serve_load http|redis ... sum ENTITIES             a checksum over the texts of all values of entities 0..ENTITIES-1
//   bench_serve_load http HOST:PORT/SERVICE KEY copy ENTITIES REDIS_HOST:PORT     one hash per entity, values as served
//
// A Redis request is BATCH pipelined HMGETs of FIELDS fields f0.. of user:<id>; an HTTP request asks for BATCH entities.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>

#include "base/clock.h"
#include "base/hash.h"
#include "bench/src/connect.h"
#include "bench/src/events.h"

namespace ms::bench {
namespace {

// What one connection has received; knows when a reply is whole.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void request(std::span<const uint64_t> entities, std::string& out) const = 0;
  // True when all `rows` answers are there. Dies when they are not what was asked for.
  virtual bool complete(std::string_view received, size_t rows) = 0;
  // The texts of the values of a complete reply, row by row.
  virtual std::vector<std::string_view> values(std::string_view received, size_t rows) const = 0;
  virtual void reset() = 0;
};

class HttpWire final : public Wire {
 public:
  HttpWire(std::string service, std::string key) : path_("/v1/services/" + service + "/features"), key_(std::move(key)) {}

  void request(std::span<const uint64_t> entities, std::string& out) const override {
    std::string body = "{\"entities\":[";
    for (const uint64_t e : entities) body += body.back() == '[' ? "{\"" : ",{\"", body += key_, body += "\":", body += std::to_string(e), body += '}';
    body += "]}";
    out += fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", path_, body.size());
    out += body;
  }
  bool complete(std::string_view received, size_t rows) override {
    if (whole_ == 0) {
      const size_t end = received.find("\r\n\r\n");
      if (end == std::string_view::npos) return false;
      if (!received.starts_with("HTTP/1.1 200")) die("refused: " + std::string(received));
      const size_t length = received.find("ontent-Length: ");
      if (length == std::string_view::npos || length > end) die("no Content-Length");
      whole_ = end + 4 + std::strtoull(received.data() + length + 15, nullptr, 10);
    }
    if (received.size() < whole_) return false;
    if (replies_++ % 64 == 0 && values(received, rows).size() % rows != 0) die("not one answer per entity");
    return true;
  }
  std::vector<std::string_view> values(std::string_view received, size_t rows) const override {
    std::vector<std::string_view> out;
    size_t at = 0;
    for (size_t row = 0; row < rows; ++row) {
      const size_t found = received.find("{\"found\":true,\"values\":[", at);
      if (found == std::string_view::npos) die("an entity was not found: " + std::string(received.substr(0, 2000)));
      for (at = found + 24;;) {
        const size_t end = received.find_first_of(",]", at);
        out.push_back(received.substr(at, end - at));
        at = end + 1;
        if (received[end] == ']') break;
      }
    }
    return out;
  }
  void reset() override { whole_ = 0; }

 private:
  const std::string path_, key_;
  size_t whole_ = 0;
  uint64_t replies_ = 0;
};

class RedisWire final : public Wire {
 public:
  explicit RedisWire(size_t fields) : fields_(fields) {
    for (size_t f = 0; f < fields; ++f) {
      const std::string name = "f" + std::to_string(f);
      names_ += fmt::format("${}\r\n{}\r\n", name.size(), name);
    }
  }
  static std::string key(uint64_t entity) { return "user:" + std::to_string(entity); }

  void request(std::span<const uint64_t> entities, std::string& out) const override {
    for (const uint64_t e : entities) {
      const std::string k = key(e);
      fmt::format_to(std::back_inserter(out), "*{}\r\n$5\r\nHMGET\r\n${}\r\n{}\r\n", fields_ + 2, k.size(), k);
      out += names_;
    }
  }
  bool complete(std::string_view received, size_t rows) override {
    return walk(received, at_, left_, rows_, rows, [](std::string_view) {});
  }
  std::vector<std::string_view> values(std::string_view received, size_t rows) const override {
    std::vector<std::string_view> out;
    size_t at = 0, left = 0, seen = 0;
    (void)walk(received, at, left, seen, rows, [&](std::string_view text) { out.push_back(text); });
    return out;
  }
  void reset() override { at_ = left_ = rows_ = 0; }

 private:
  // `left`: values that the array at hand still has; `seen`: arrays begun.
  template <class Take>
  bool walk(std::string_view received, size_t& at, size_t& left, size_t& seen, size_t rows, Take take) const {
    for (;;) {
      if (left == 0 && seen == rows) return true;
      const char* line = received.data() + at;
      const auto* end = static_cast<const char*>(std::memchr(line, '\n', received.size() - at));
      if (end == nullptr) return false;
      int64_t number = 0;
      std::from_chars(line + 1, end - 1, number);
      const auto header = static_cast<size_t>(end + 1 - line);
      if (left == 0) {
        if (*line != '*' || number != static_cast<int64_t>(fields_)) die("not an array of the fields: " + std::string(received.substr(at, 200)));
        left = fields_, ++seen, at += header;
        continue;
      }
      if (*line != '$' || number < 0) die("a value is missing");
      if (at + header + static_cast<size_t>(number) + 2 > received.size()) return false;
      take(received.substr(at + header, static_cast<size_t>(number)));
      at += header + static_cast<size_t>(number) + 2, --left;
    }
  }

  const size_t fields_;
  std::string names_;
  size_t at_ = 0, left_ = 0, rows_ = 0;
};

struct Target {
  std::string address;
  std::function<std::unique_ptr<Wire>()> wire;
};

class Connection {
 public:
  Connection(const Target& target, uint64_t seed) : fd_(connect_to(target.address)), wire_(target.wire()), seed_(seed) {}
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  Wire& wire() { return *wire_; }
  std::string_view received() const { return {in_.data(), size_}; }
  int64_t sent_us() const { return sent_us_; }

  void ask_random(size_t batch, uint64_t entities) {
    asked_.clear();
    for (size_t i = 0; i < batch; ++i) asked_.push_back(below(scramble(seed_, number_++), entities));
    send_request();
  }
  void ask(std::vector<uint64_t> entities) {
    asked_ = std::move(entities);
    send_request();
  }
  // Takes what is there; true: the reply is whole.
  bool receive() {
    if (in_.size() - size_ < kRoom) in_.resize(in_.size() * 2 + kRoom);
    const ssize_t got = recv(fd_, in_.data() + size_, in_.size() - size_, 0);
    if (got <= 0) die("the server closed the connection");
    size_ += static_cast<size_t>(got);
    return wire_->complete(received(), asked_.size());
  }

 private:
  static constexpr size_t kRoom = 64 << 10;
  void send_request() {
    out_.clear(), size_ = 0;
    wire_->reset();
    wire_->request(asked_, out_);
    sent_us_ = system_clock().steady_us();
    for (size_t at = 0; at < out_.size();) {
      const ssize_t put = send(fd_, out_.data() + at, out_.size() - at, MSG_NOSIGNAL);
      if (put <= 0) die("cannot send");
      at += static_cast<size_t>(put);
    }
  }

  const int fd_;
  std::unique_ptr<Wire> wire_;
  const uint64_t seed_;
  uint64_t number_ = 0;
  std::vector<uint64_t> asked_;
  std::string out_, in_;
  size_t size_ = 0;
  int64_t sent_us_ = 0;
};

int read_for(const Target& target, size_t batch, size_t connections, double seconds, uint64_t entities) {
  const int loop = epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> all;
  for (size_t i = 0; i < connections; ++i) {
    all.push_back(std::make_unique<Connection>(target, 1000 + i));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    epoll_ctl(loop, EPOLL_CTL_ADD, all[i]->fd(), &event);
    all[i]->ask_random(batch, entities);
  }
  std::vector<uint32_t> latencies_us;
  uint64_t bytes = 0;
  const double cpu = process_cpu_seconds();
  const int64_t start = system_clock().steady_us(), end = start + static_cast<int64_t>(seconds * 1e6);
  int64_t now = start;
  std::vector<epoll_event> events(connections);
  while (now < end) {
    const int ready = epoll_wait(loop, events.data(), static_cast<int>(connections), 1000);
    for (int i = 0; i < ready; ++i) {
      Connection& c = *all[events[static_cast<size_t>(i)].data.u64];
      if (!c.receive()) continue;
      now = system_clock().steady_us();
      latencies_us.push_back(static_cast<uint32_t>(now - c.sent_us()));
      bytes += c.received().size();
      c.ask_random(batch, entities);
    }
    if (ready <= 0) die("no reply for a second");
  }
  const double took = static_cast<double>(now - start) / 1e6, used = process_cpu_seconds() - cpu;
  const size_t n = latencies_us.size();
  std::sort(latencies_us.begin(), latencies_us.end());
  fmt::print("{{\"requests_per_s\": {:.1f}, \"rows_per_s\": {:.1f}, \"p50_us\": {}, \"p99_us\": {}, \"client_cpu_share\": {:.3f}, \"bytes_per_row\": {:.1f}}}\n",
             static_cast<double>(n) / took, static_cast<double>(n * batch) / took, latencies_us[n / 2], latencies_us[n * 99 / 100], used / took,
             static_cast<double>(bytes) / static_cast<double>(n * batch));
  return 0;
}

template <class Take>
void read_all(const Target& target, uint64_t entities, Take take) {
  Connection connection(target, 0);
  for (uint64_t from = 0; from < entities; from += 100) {
    std::vector<uint64_t> asked;
    for (uint64_t e = from; e < std::min(entities, from + 100); ++e) asked.push_back(e);
    const size_t rows = asked.size();
    connection.ask(std::move(asked));
    while (!connection.receive()) {}
    take(from, rows, connection.wire().values(connection.received(), rows));
  }
}

int sum_of(const Target& target, uint64_t entities) {
  uint64_t sum = 0, values = 0;
  read_all(target, entities, [&](uint64_t from, size_t rows, const std::vector<std::string_view>& texts) {
    const size_t fields = texts.size() / rows;
    for (size_t i = 0; i < texts.size(); ++i, ++values) sum += xxh3(texts[i], (from + i / fields) * 1000 + i % fields);
  });
  fmt::print("{{\"values\": {}, \"checksum\": \"{:016x}\"}}\n", values, sum);
  return 0;
}

int copy_to_redis(const Target& target, uint64_t entities, const std::string& redis) {
  const int fd = connect_to(redis);
  std::string out, in(1 << 16, '\0');
  uint64_t values = 0;
  read_all(target, entities, [&](uint64_t from, size_t rows, const std::vector<std::string_view>& texts) {
    const size_t fields = texts.size() / rows;
    out.clear();
    for (size_t row = 0; row < rows; ++row) {
      const std::string key = RedisWire::key(from + row);
      fmt::format_to(std::back_inserter(out), "*{}\r\n$4\r\nHSET\r\n${}\r\n{}\r\n", 2 + 2 * fields, key.size(), key);
      for (size_t f = 0; f < fields; ++f) {
        const std::string_view text = texts[row * fields + f];
        const std::string name = "f" + std::to_string(f);
        fmt::format_to(std::back_inserter(out), "${}\r\n{}\r\n${}\r\n{}\r\n", name.size(), name, text.size(), text);
      }
    }
    for (size_t at = 0; at < out.size();) {
      const ssize_t put = send(fd, out.data() + at, out.size() - at, MSG_NOSIGNAL);
      if (put <= 0) die("cannot send to Redis");
      at += static_cast<size_t>(put);
    }
    for (size_t replies = 0; replies < rows;) {
      const ssize_t got = recv(fd, in.data(), in.size(), 0);
      if (got <= 0 || in[0] == '-') die("Redis refused: " + in.substr(0, 100));
      replies += static_cast<size_t>(std::count(in.begin(), in.begin() + got, '\n'));
    }
    values += texts.size();
  });
  close(fd);
  fmt::print("{{\"values\": {}}}\n", values);
  return 0;
}

int run(const std::vector<std::string>& a) {
  if (a.size() < 5) die("see the head of bench/src/serve_load.cc");
  Target target;
  if (a[0] == "http") {
    const size_t slash = a[1].find('/');
    target = {a[1].substr(0, slash), [service = a[1].substr(slash + 1), key = a[2]] { return std::make_unique<HttpWire>(service, key); }};
  } else {
    target = {a[1], [fields = std::stoul(a[2])] { return std::make_unique<RedisWire>(fields); }};
  }
  if (a[3] == "read" && a.size() == 8) return read_for(target, std::stoul(a[4]), std::stoul(a[5]), std::stod(a[6]), std::stoull(a[7]));
  if (a[3] == "sum") return sum_of(target, std::stoull(a[4]));
  if (a[3] == "copy" && a.size() == 6) return copy_to_redis(target, std::stoull(a[4]), a[5]);
  die("see the head of bench/src/serve_load.cc");
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) { return ms::bench::run({argv + 1, argv + argc}); }
