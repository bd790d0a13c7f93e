// Latencies of a server that speaks the Kafka protocol, with librdkafka (acks=all). Prints one JSON line; times in microseconds.
//
//   bench_kafka_pace latency SERVER TOPIC rate=PER_SECOND seconds=N [warmup=N] [X.<librdkafka property>=VALUE ...]
//     Open loop: every record has a due time and its latency counts from then, so a server that stalls cannot hide. `ack`: until the
//     acknowledgement; `e2e`: until a consumer in this process has the record. The warm-up is not counted.
//   bench_kafka_pace sync SERVER TOPIC producers=N seconds=N [warmup=N] [X.<property>=VALUE ...]
//     Closed loop: each producer waits for every acknowledgement, so a request carries one record; partitions in turn.
//
// Records are 155 bytes: their number, their due time, noise. `lost` and `doubled` count what the consumer saw of them (latency only).
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "bench/src/kafka_client.h"
#include "bench/src/latencies.h"

namespace ms::bench {
namespace {

constexpr size_t kRecordBytes = 155;
constexpr int64_t kDrainUs = 30 * kMicrosPerSecond;
constexpr int kPollMs = 100;
constexpr int64_t kFullUs = 1'000;  // librdkafka's queue is full: wait a little

int64_t now_us() { return system_clock().steady_us(); }

void wait_until(int64_t due_us) {
  const timespec due{.tv_sec = due_us / kMicrosPerSecond, .tv_nsec = due_us % kMicrosPerSecond * 1000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) != 0) {}
}

struct Stamp {
  uint64_t number = 0;
  int64_t due_us = 0;
};

class Records {
 public:
  Records() : bytes_(kRecordBytes, '\0') {
    Rng rng(1);
    for (char& c : bytes_) c = static_cast<char>(rng.next());
  }
  std::string& stamped(const Stamp& stamp) {
    std::memcpy(bytes_.data(), &stamp, sizeof stamp);
    return bytes_;
  }
  static Stamp stamp_of(const rd_kafka_message_t& message) {
    Stamp stamp;
    if (message.len != kRecordBytes) die("a record of another size");
    std::memcpy(&stamp, message.payload, sizeof stamp);
    return stamp;
  }

 private:
  std::string bytes_;
};

struct Acks {
  int64_t count_from_us = 0;
  Latencies latencies;
  std::atomic<uint64_t> done = 0;
};

void on_ack(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& acks = *static_cast<Acks*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) die(std::string("not acknowledged: ") + rd_kafka_err2str(message->err));
  const int64_t due = Records::stamp_of(*message).due_us;
  if (due >= acks.count_from_us) acks.latencies.add(now_us() - due);
  ++acks.done;
}

// Reads the topic from its end on, in a thread of its own, until it has seen every number below `total`.
class Reader {
 public:
  Reader(const Arguments& a, uint64_t total) : total_(total), seen_(total, false) {
    Arguments with{.server = a.server, .topic = a.topic};
    with.properties = {{"group.id", "bench"}, {"enable.auto.commit", "false"}, {"fetch.wait.max.ms", "500"}, {"queued.min.messages", "1000000"}};
    rk_ = kafka_client(RD_KAFKA_CONSUMER, with);
    rd_kafka_poll_set_consumer(rk_);
    rd_kafka_topic_t* topic = rd_kafka_topic_new(rk_, a.topic.c_str(), nullptr);
    const int partitions = partition_count(rk_, topic, a.server);
    rd_kafka_topic_destroy(topic);
    rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; ++p) rd_kafka_topic_partition_list_add(all, a.topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (const auto e = rd_kafka_assign(rk_, all); e != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_err2str(e));
    rd_kafka_topic_partition_list_destroy(all);
  }
  void start(int64_t count_from_us) {
    count_from_us_ = count_from_us;
    thread_ = std::thread([this] { run(); });
  }
  void join() { thread_.join(), rd_kafka_consumer_close(rk_), rd_kafka_destroy(rk_); }

  Latencies latencies;
  uint64_t distinct = 0, doubled = 0;

 private:
  void run() {
    for (int64_t moved = now_us(); distinct < total_ && now_us() - moved < kDrainUs;) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(rk_, kPollMs);
      if (message == nullptr) continue;
      take(*message);
      rd_kafka_message_destroy(message);
      moved = now_us();
    }
  }
  void take(const rd_kafka_message_t& message) {
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_message_errstr(&message));
    const Stamp stamp = Records::stamp_of(message);
    if (stamp.number >= total_) die("a record nobody sent");
    if (seen_[stamp.number]) return void(++doubled);
    seen_[stamp.number] = true;
    ++distinct;
    if (stamp.due_us >= count_from_us_) latencies.add(now_us() - stamp.due_us);
  }

  const uint64_t total_;
  std::vector<bool> seen_;
  rd_kafka_t* rk_ = nullptr;
  int64_t count_from_us_ = 0;
  std::thread thread_;
};

void produce(rd_kafka_topic_t* topic, int32_t partition, std::string& value) {
  while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, value.data(), value.size(), nullptr, 0, nullptr) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_err2str(rd_kafka_last_error()));
    wait_until(now_us() + kFullUs);
  }
}

int latency(const Arguments& a) {
  const uint64_t rate = a.number("rate", 1'000), warmup = a.number("warmup", 3), total = rate * (warmup + a.number("seconds", 5));
  Reader reader(a, total);
  Acks acks;
  rd_kafka_t* rk = kafka_client(RD_KAFKA_PRODUCER, a, on_ack, &acks);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(rk, a.topic.c_str(), nullptr);
  const int partitions = partition_count(rk, topic, a.server);
  const int64_t start = now_us() + kMicrosPerSecond / 10;
  acks.count_from_us = start + static_cast<int64_t>(warmup) * kMicrosPerSecond;
  reader.start(acks.count_from_us);
  std::thread poller([&] {
    while (acks.done < total) rd_kafka_poll(rk, kPollMs);
  });
  Records records;
  for (uint64_t i = 0; i < total; ++i) {
    const int64_t due = start + static_cast<int64_t>(i * kMicrosPerSecond / rate);
    if (due > now_us()) wait_until(due);
    produce(topic, static_cast<int32_t>(i % static_cast<uint64_t>(partitions)), records.stamped({i, due}));
  }
  poller.join();
  reader.join();
  fmt::print("{{\"ack\": {}, \"e2e\": {}, \"lost\": {}, \"doubled\": {}}}\n", acks.latencies.json(), reader.latencies.json(), total - reader.distinct, reader.doubled);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
  return 0;
}

// One producer of `sync`: as many records as it can, one at a time, until `until_us`.
void send_one_by_one(const Arguments& a, uint64_t first, uint64_t step, int64_t until_us, Acks& acks) {
  rd_kafka_t* rk = kafka_client(RD_KAFKA_PRODUCER, a, on_ack, &acks);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(rk, a.topic.c_str(), nullptr);
  const auto partitions = static_cast<uint64_t>(partition_count(rk, topic, a.server));
  Records records;
  for (uint64_t i = first, sent = 0; now_us() < until_us; i += step) {
    produce(topic, static_cast<int32_t>(i % partitions), records.stamped({i, now_us()}));
    for (++sent; acks.done < sent;) rd_kafka_poll(rk, kPollMs);
  }
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
}

int sync(const Arguments& a) {
  const uint64_t producers = a.number("producers", 16), seconds = a.number("seconds", 8);
  const int64_t count_from = now_us() + static_cast<int64_t>(a.number("warmup", 3)) * kMicrosPerSecond;
  std::vector<Acks> acks(producers);
  std::vector<std::thread> threads;
  for (uint64_t p = 0; p < producers; ++p) {
    acks[p].count_from_us = count_from;
    threads.emplace_back([&, p] { send_one_by_one(a, p, producers, count_from + static_cast<int64_t>(seconds) * kMicrosPerSecond, acks[p]); });
  }
  for (std::thread& thread : threads) thread.join();
  Latencies all;
  uint64_t sent = 0;
  for (const Acks& one : acks) all.append(one.latencies), sent += one.done;
  const auto per_second = static_cast<double>(all.count()) / static_cast<double>(seconds);
  fmt::print("{{\"records\": {}, \"records_per_s\": {:.1f}, \"ack\": {}}}\n", sent, per_second, all.json());
  return 0;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  const ms::bench::Arguments a = ms::bench::parse_arguments(argc, argv);
  if (a.mode == "latency") return ms::bench::latency(a);
  if (a.mode == "sync") return ms::bench::sync(a);
  ms::bench::die("latency or sync, not " + a.mode);
}
