// B12: resident memory of the state, and the same answers as Redis hashes. Prints one JSON line.
//
//   bench_b12 ENTITIES EVENTS_EACH REDIS_HOST:PORT REDIS_PID
//
// 20 features: count, sum, min and max over 10m, 1h, 6h, 24h and 7d. The events lie in 7 days, for every entity as many; the shard's
// clock goes with them and tidies up as the engine does. Memory is what the two processes have resident more than before. Redis
// gets one hash per entity, u<number>, with the fields f0.. that are not null, and is read back and compared.
#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "bench/src/connect.h"
#include "bench/src/event_rows.h"
#include "bench/src/process.h"
#include "engine/shard.h"

namespace ms::bench {
namespace {

using feature::AggregateKind;

constexpr int64_t kSpanUs = 7 * kMicrosPerDay;
constexpr AggregateKind kAggregates[] = {AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kMin, AggregateKind::kMax};
constexpr int64_t kLengths[] = {10 * kMicrosPerMinute, kMicrosPerHour, 6 * kMicrosPerHour, kMicrosPerDay, 7 * kMicrosPerDay};
constexpr size_t kFeatures = std::size(kAggregates) * std::size(kLengths);
constexpr int kPipeline = 1'000;

class State {
 public:
  State() {
    instants_.raise_ceiling(Instant{INT64_MAX});
    (void)shard_.join(0, feature::ViewState::make(features_of(kAggregates, kLengths)), {});
  }

  void apply(const EventSource& source, uint64_t events) {
    EventRows rows;
    for (uint64_t i = 0; i < events;) {
      rows.clear();
      Event e;
      for (; i < events && rows.rows().rows < EventRows::kMost; ++i) e = source.event(i), rows.add(e.user, e.ts_ms * 1000, e.amount, static_cast<int64_t>(i));
      clock_.set((e.ts_ms + 1) * 1000);
      (void)instants_.publish();
      const engine::ShardRows all{0, &rows.rows(), rows.all()};
      feature::AppliedRows became;
      shard_.apply(0, Offset{static_cast<int64_t>(i)}, {&all, 1}, {&became, 1});
      (void)shard_.take_publishes();
      CHECK(became.beyond_horizon == 0);
    }
  }

  const feature::FeatureRow& read(int64_t user) {
    key_.clear();
    feature::append_key_part(key_, user);
    shard_.state(0)->evaluate(key_, feature::table_hash(key_), at_, false, answer_);
    return answer_;
  }
  void stop_clock() { at_ = instants_.read().value(); }
  const feature::ViewState& view() const { return *shard_.state(0); }

 private:
  ManualClock clock_{0};
  engine::InstantSource instants_{clock_, Instant{0}};
  engine::Shard shard_{0, instants_, 0};
  Instant at_{0};
  std::string key_;
  feature::FeatureRow answer_;
};

class Redis {
 public:
  explicit Redis(const std::string& address) {
    const size_t colon = address.rfind(':');
    context_ = redisConnect(address.substr(0, colon).c_str(), std::atoi(address.c_str() + colon + 1));
    if (context_ == nullptr || context_->err != 0) die("no Redis at " + address);
  }
  ~Redis() { redisFree(context_); }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  void ask(const std::vector<std::string>& words) {
    std::vector<const char*> at;
    std::vector<size_t> size;
    for (const std::string& w : words) at.push_back(w.data()), size.push_back(w.size());
    if (redisAppendCommandArgv(context_, static_cast<int>(at.size()), at.data(), size.data()) != REDIS_OK) die(context_->errstr);
  }
  // take(reply) for the next reply.
  template <class Take>
  void answer(Take&& take) {
    redisReply* reply = nullptr;
    if (redisGetReply(context_, reinterpret_cast<void**>(&reply)) != REDIS_OK) die(context_->errstr);
    if (reply->type == REDIS_REPLY_ERROR) die(reply->str);
    take(*reply);
    freeReplyObject(reply);
  }

 private:
  redisContext* context_ = nullptr;
};

std::string name_of(int64_t user) { return "u" + std::to_string(user); }

void store(State& state, Redis& redis, int64_t entities) {
  for (int64_t first = 0; first < entities; first += kPipeline) {
    const int64_t end = std::min<int64_t>(entities, first + kPipeline);
    for (int64_t user = first; user < end; ++user) {
      std::vector<std::string> words = {"HSET", name_of(user)};
      const feature::FeatureRow& row = state.read(user);
      for (size_t f = 0; f < kFeatures; ++f)
        if (!row.values[f].is_null) words.push_back("f" + std::to_string(f)), words.push_back(std::to_string(row.values[f].i));
      redis.ask(words);
    }
    for (int64_t user = first; user < end; ++user) redis.answer([](const redisReply&) {});
  }
}

// How many values are not the same on both sides, and how many there are that are not null.
struct Compared {
  uint64_t differ = 0, present = 0, events = 0;
};

Compared compare(State& state, Redis& redis, int64_t entities) {
  Compared out;
  for (int64_t first = 0; first < entities; first += kPipeline) {
    const int64_t end = std::min<int64_t>(entities, first + kPipeline);
    for (int64_t user = first; user < end; ++user) {
      std::vector<std::string> words = {"HMGET", name_of(user)};
      for (size_t f = 0; f < kFeatures; ++f) words.push_back("f" + std::to_string(f));
      redis.ask(words);
    }
    for (int64_t user = first; user < end; ++user) {
      const feature::FeatureRow& row = state.read(user);
      out.events += static_cast<uint64_t>(row.values[kFeatures - std::size(kAggregates)].i);  // the count over 7 days: all events
      redis.answer([&](const redisReply& reply) {
        if (reply.elements != kFeatures) die("Redis gave another number of fields");
        for (size_t f = 0; f < kFeatures; ++f) {
          const redisReply& field = *reply.element[f];
          const feature::FeatureValue& v = row.values[f];
          const bool same = v.is_null ? field.type == REDIS_REPLY_NIL : field.type == REDIS_REPLY_STRING && std::string_view(field.str, field.len) == std::to_string(v.i);
          out.differ += same ? 0 : 1, out.present += v.is_null ? 0 : 1;
        }
      });
    }
  }
  return out;
}

int run(uint64_t entities, uint64_t each, const std::string& address, const std::string& redis_pid) {
  const uint64_t events = entities * each;
  const EventSource source({.users = entities, .span_ms = kSpanUs / 1000, .events = events, .late_percent = 0, .uniform = true});
  const int64_t before = resident_bytes("self"), redis_before = resident_bytes(redis_pid);
  State state;
  state.apply(source, events);
  const int64_t ours = resident_bytes("self") - before;
  state.stop_clock();
  Redis redis(address);
  store(state, redis, static_cast<int64_t>(entities));
  const int64_t theirs = resident_bytes(redis_pid) - redis_before;
  const Compared compared = compare(state, redis, static_cast<int64_t>(entities));
  const bool equal = compared.differ == 0 && compared.events == events && state.view().entities() == entities;
  fmt::print("{{\"entities\": {}, \"events_each\": {}, \"ours_bytes\": {}, \"redis_bytes\": {}, \"own_count_bytes\": {}, \"values\": {}, \"equal\": {}}}\n", entities, each, ours,
             theirs, state.view().resident_bytes(), compared.present, equal);
  return equal ? 0 : 1;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "usage: bench_b12 ENTITIES EVENTS_EACH REDIS_HOST:PORT REDIS_PID\n"), 2;
  return ms::bench::run(std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10), argv[3], argv[4]);
}
