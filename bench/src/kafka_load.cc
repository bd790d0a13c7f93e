// A Kafka producer and consumer on librdkafka. Prints one JSON line.
//
//   bench_kafka_load produce SERVER TOPIC [events=N] [users=N] [start_ms=T] [span_ms=T] [late=PERCENT] [uniform=1] [keyed=1]
//                    [first=I] [until=I] [shuffled=BLOCK] [rate=PER_SECOND] [size=BYTES] [X.<librdkafka property>=VALUE ...]
//   bench_kafka_load consume SERVER TOPIC events=N [X.<librdkafka property>=VALUE ...]
//
// The events are those of events.h. The checksum is a sum over records, so it does not depend on their order but on every
// record being there once. `reading_s` is from the first record to the last. `shuffled`: events come in another order within each block of
// so many. `size`: a value is so many bytes of the events' text, instead of one event; not with keys. An event counts as produced when the
// server has acknowledged it.
#include <fmt/format.h>

#include <numeric>
#include <string>

#include "base/hash.h"
#include "bench/src/events.h"
#include "bench/src/kafka_client.h"

namespace ms::bench {
namespace {

constexpr int64_t kIdleUs = 60 * kMicrosPerSecond;  // without progress for so long: give up
constexpr size_t kRateStep = 10;

struct Delivered {
  uint64_t done = 0, failed = 0;
  std::string error;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& delivered = *static_cast<Delivered*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++delivered.done;
  } else if (delivered.failed++ == 0) {
    delivered.error = rd_kafka_err2str(message->err);
  }
}

// A bijection of [first, until) that keeps every block of `block` numbers to itself.
uint64_t place_in_block(uint64_t i, uint64_t first, uint64_t until, uint64_t block) {
  const uint64_t begin = first + (i - first) / block * block, size = std::min(until, begin + block) - begin;
  uint64_t step = size * 5 / 8 + 1;
  while (std::gcd(step, size) != 1) ++step;
  return begin + static_cast<uint64_t>(static_cast<unsigned __int128>(i - begin) * step % size);
}

int produce(const Arguments& a) {
  EventOptions options;
  options.events = a.number("events", 1'000'000), options.users = a.number("users", 1'000'000);
  options.start_ms = static_cast<int64_t>(a.number("start_ms", static_cast<uint64_t>(options.start_ms)));
  options.span_ms = static_cast<int64_t>(a.number("span_ms", 0)), options.late_percent = a.number("late", 5);
  options.uniform = a.number("uniform", 0) != 0, options.seed = a.number("seed", 1);
  const uint64_t first = a.number("first", 0), until = std::min(options.events, a.number("until", options.events));
  const bool keyed = a.number("keyed", 0) != 0;
  const uint64_t rate = a.number("rate", 0);

  const uint64_t block = std::max<uint64_t>(1, a.number("shuffled", 1));

  const uint64_t count = until - first;
  const size_t size = a.number("size", kEventBytes);
  if (size != kEventBytes && keyed) die("size and keyed do not go together");

  const EventSource source(options);
  std::string values;
  std::vector<std::string> keys;
  values.reserve(count * size + kEventBytes);
  for (uint64_t i = first; values.size() < count * size; ++i) {
    const Event event = source.event(size == kEventBytes ? place_in_block(i, first, until, block) : i);
    EventSource::write(event, values);
    if (keyed) keys.push_back(std::to_string(event.user));
  }
  uint64_t checksum = 0;
  for (uint64_t i = 0; i < count; ++i) checksum += xxh3(std::string_view(values).substr(i * size, size), 1);

  Delivered delivered;
  rd_kafka_t* rk = kafka_client(RD_KAFKA_PRODUCER, a, on_delivery, &delivered);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(rk, a.topic.c_str(), nullptr);
  partition_count(rk, topic, a.server);  // connects before the clock starts

  const double cpu = process_cpu_seconds();
  const int64_t start = system_clock().steady_us();
  for (uint64_t i = 0; i < count; ++i) {
    void* value = values.data() + i * size;
    const void* key = keyed ? keys[i].data() : nullptr;
    const size_t key_size = keyed ? keys[i].size() : 0;
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, value, size, key, key_size, nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(rk, 10);
    }
    if (i % 1024 == 0) rd_kafka_poll(rk, 0);
    if (rate == 0 || i % kRateStep != 0) continue;
    while (static_cast<double>(i) > seconds_since(start) * static_cast<double>(rate)) rd_kafka_poll(rk, 1);
  }
  int64_t moved = system_clock().steady_us();
  for (uint64_t before = 0; delivered.done + delivered.failed < count;) {
    rd_kafka_poll(rk, 100);
    if (delivered.done != before) before = delivered.done, moved = system_clock().steady_us();
    if (system_clock().steady_us() - moved > kIdleUs) die("no acknowledgement for a minute");
  }
  const double seconds = seconds_since(start), used = process_cpu_seconds() - cpu;
  if (delivered.failed > 0) die(fmt::format("{} records refused, first: {}", delivered.failed, delivered.error));
  fmt::print("{{\"records\": {}, \"seconds\": {:.4f}, \"cpu_s\": {:.3f}, \"checksum\": \"{:016x}\"}}\n", delivered.done, seconds, used, checksum);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
  return 0;
}

int consume(const Arguments& a) {
  Arguments with = a;
  with.properties.try_emplace("group.id", "bench");
  with.properties.try_emplace("enable.auto.commit", "false");
  with.properties.try_emplace("queued.min.messages", "1000000");
  rd_kafka_t* rk = kafka_client(RD_KAFKA_CONSUMER, with);
  rd_kafka_poll_set_consumer(rk);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(rk, a.topic.c_str(), nullptr);
  const int partitions = partition_count(rk, topic, a.server);
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(partitions);
  for (int p = 0; p < partitions; ++p) rd_kafka_topic_partition_list_add(all, a.topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;

  const uint64_t wanted = a.number("events", 0);
  uint64_t records = 0, checksum = 0;
  const double cpu = process_cpu_seconds();
  const int64_t start = system_clock().steady_us();
  int64_t moved = start, first = 0;
  if (const auto e = rd_kafka_assign(rk, all); e != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_err2str(e));
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(rk);
  std::vector<rd_kafka_message_t*> messages(10'000);
  while (records < wanted && system_clock().steady_us() - moved < kIdleUs) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, 100, messages.data(), messages.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* m = messages[static_cast<size_t>(i)];
      if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_message_errstr(m));
      checksum += xxh3({static_cast<const char*>(m->payload), m->len}, 1);
      rd_kafka_message_destroy(m);
    }
    if (count <= 0) continue;
    records += static_cast<uint64_t>(count), moved = system_clock().steady_us();
    if (first == 0) first = moved;
  }
  fmt::print("{{\"records\": {}, \"seconds\": {:.4f}, \"reading_s\": {:.4f}, \"cpu_s\": {:.3f}, \"checksum\": \"{:016x}\"}}\n", records,
             seconds_since(start), seconds_since(first), process_cpu_seconds() - cpu, checksum);
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_partition_list_destroy(all);
  rd_kafka_consumer_close(rk);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
  return records == wanted ? 0 : 1;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  const ms::bench::Arguments a = ms::bench::parse_arguments(argc, argv);
  if (a.mode == "produce") return ms::bench::produce(a);
  if (a.mode == "consume") return ms::bench::consume(a);
  ms::bench::die("produce or consume, not " + a.mode);
}
