// Rebalances of many small consumer groups, with both protocols, against any server that speaks Kafka's. One thread, raw requests, so that
// the load is light. Prints one JSON line; times in microseconds, memory in bytes.
//
//   bench_group_load classic|consumer SERVER TOPIC pid=SERVER_PID partitions=N [groups=500] [seconds=8] [warmup=3] [alone=3]
//
// Each group has two members, each with a connection of its own. One rebalance: a member leaves, another one takes its place (over the
// same connection), until both have their final partitions (group_pair.h). `busy`: every group is at it all the time. `alone`: one group
// after the other, the other connections idle. At the end every group must be stable, and what the server says of its members what they
// themselves have; `checksum` is over that. Any other error ends the program with a message.
#include <fmt/format.h>

#include "base/hash.h"
#include "bench/src/arguments.h"
#include "bench/src/group_pair.h"
#include "bench/src/latencies.h"
#include "bench/src/process.h"
#include "kafka/messages/find_coordinator.h"

namespace ms::bench {
namespace {

constexpr double kMega = 1e6;

int64_t now_us() { return system_clock().steady_us(); }

class Load {
 public:
  explicit Load(const Arguments& a) : a_(a), topic_{a.topic, static_cast<int32_t>(a.number("partitions", 0))} {
    for (uint64_t g = 0; g < a.number("groups", 500); ++g) pairs_.push_back(make(fmt::format("{}-{}", a.topic, g)));
  }

  size_t connections() const { return 2 * pairs_.size(); }

  double form() {
    const int64_t begin = now_us();
    run_one(find_coordinator(*pairs_.front()->members().front().connection));
    run_all(&Pair::form);
    return static_cast<double>(now_us() - begin) / kMega;
  }
  void leave() { run_all(&Pair::leave); }

  struct Busy {
    double seconds = 0, cpu_s = 0, client_cpu_s = 0;
    Latencies latencies;
  };
  // Every group for `seconds`, after a warm-up.
  Busy busy() {
    Busy out;
    bool stop = false;
    counted_ = nullptr;
    std::vector<Flow> flows;
    for (const auto& pair : pairs_) flows.push_back(again_and_again(*pair, stop));
    run_for(a_.number("warmup", 3));
    counted_ = &out.latencies;
    const double cpu = server_cpu(), client = process_cpu_seconds();
    const int64_t begin = now_us();
    run_for(a_.number("seconds", 8));
    out.seconds = static_cast<double>(now_us() - begin) / kMega;
    out.cpu_s = server_cpu() - cpu, out.client_cpu_s = process_cpu_seconds() - client;
    counted_ = nullptr;
    stop = true;
    run(std::move(flows));
    return out;
  }

  Latencies alone() {
    Latencies out;
    counted_ = &out;
    const int64_t end = now_us() + static_cast<int64_t>(a_.number("alone", 3)) * kMicrosPerSecond;
    run_one(one_after_the_other(end));
    counted_ = nullptr;
    return out;
  }

  // Of what the server says about every group, once it has been found true.
  uint64_t checksum() {
    std::vector<Described> described(pairs_.size());
    std::vector<Flow> flows;
    for (size_t g = 0; g < pairs_.size(); ++g) flows.push_back(pairs_[g]->describe(described[g]));
    run(std::move(flows));
    uint64_t sum = 0;
    for (size_t g = 0; g < pairs_.size(); ++g) sum += xxh3(told(*pairs_[g], described[g]), g);
    return sum;
  }

  int64_t server_memory() const { return resident_bytes(a_.options.at("pid")); }

 private:
  std::unique_ptr<Pair> make(std::string group) {
    std::array<Member, 2> members;
    for (Member& m : members) m.connection = std::make_unique<Connection>(loop_, a_.server, "bench");
    if (a_.mode == "classic") return std::make_unique<ClassicPair>(loop_, std::move(group), topic_, std::move(members));
    if (a_.mode == "consumer") return std::make_unique<ConsumerPair>(loop_, std::move(group), topic_, std::move(members));
    die("the modes are at the head of bench/src/group_load.cc");
  }

  Flow find_coordinator(Connection& connection) {
    for (;;) {
      const auto found = co_await connection.ask<kafka::FindCoordinatorResponse>(
          kafka::FindCoordinatorRequest{.key = {}, .coordinator_keys = {pairs_.front()->group()}});
      if (!is_starting(found.coordinators.at(0).error_code)) co_return expect(found.coordinators[0].error_code, ErrorCode::kNone, "FindCoordinator");
      co_await loop_.pause(kAgainUs);
    }
  }

  Flow again_and_again(Pair& pair, const bool& stop) {
    while (!stop) co_await timed(pair);
  }
  Flow one_after_the_other(int64_t end_us) {
    for (size_t g = 0; now_us() < end_us; ++g) co_await timed(*pairs_[g % pairs_.size()]);
  }
  Flow timed(Pair& pair) {
    const int64_t begin = now_us();
    co_await pair.rebalance();
    if (counted_) counted_->add(now_us() - begin);
  }

  void run_all(Flow (Pair::*what)()) {
    std::vector<Flow> flows;
    for (const auto& pair : pairs_) flows.push_back(((*pair).*what)());
    run(std::move(flows));
  }
  void run_one(Flow flow) {
    loop_.run_until([&] { return flow.done(); });
  }
  void run(std::vector<Flow> flows) {
    for (const Flow& flow : flows) loop_.run_until([&] { return flow.done(); });
  }
  void run_for(uint64_t seconds) {
    const int64_t end = now_us() + static_cast<int64_t>(seconds) * kMicrosPerSecond;
    loop_.run_until([&] { return now_us() >= end; });
  }

  // "Stable 2 1 1 1 1": the state, members, and how many have each partition.
  std::string told(const Pair& pair, const Described& group) const {
    std::vector<int> owners(static_cast<size_t>(topic_.partitions));
    for (const Member& member : pair.members()) {
      const auto at = group.holds.find(member.id);
      if (at == group.holds.end() || at->second != member.holds) die(pair.group() + ": the server does not say of a member what the member says");
      for (const int32_t p : at->second) ++owners.at(static_cast<size_t>(p));
    }
    std::string text = fmt::format("{} {}", group.state, group.holds.size());
    for (const int count : owners) text += fmt::format(" {}", count);
    if (group.state != "Stable" || group.holds.size() != 2 || std::ranges::any_of(owners, [](int count) { return count != 1; })) die(pair.group() + ": " + text);
    return text;
  }

  double server_cpu() const { return cpu_seconds(a_.options.at("pid")); }

  const Arguments& a_;
  const Topic topic_;
  Loop loop_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  Latencies* counted_ = nullptr;
};

int run(const Arguments& a) {
  if (!a.options.contains("pid") || !a.options.contains("partitions")) die("pid= and partitions= are needed");
  const int64_t memory_before = resident_bytes(a.options.at("pid"));
  auto load = std::make_unique<Load>(a);
  const size_t connections = load->connections();
  const double formed_s = load->form();
  Load::Busy busy = load->busy();
  const int64_t memory = load->server_memory();
  Latencies alone = load->alone();
  const uint64_t checksum = load->checksum();
  load->leave();
  load.reset();
  const auto n = static_cast<double>(busy.latencies.count());
  fmt::print("{{\"connections\": {}, \"formed_s\": {:.3f}, \"rebalances_per_s\": {:.1f}, \"cpu_us\": {:.1f}, \"client_cpu_us\": {:.1f}, \"busy\": {}, \"alone\": {}, "
             "\"memory_before\": {}, \"memory\": {}, \"memory_after\": {}, \"checksum\": \"{:016x}\"}}\n",
             connections, formed_s, n / busy.seconds, busy.cpu_s / n * kMega, busy.client_cpu_s / n * kMega, busy.latencies.json(), alone.json(), memory_before, memory,
             resident_bytes(a.options.at("pid")), checksum);
  return 0;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) { return ms::bench::run(ms::bench::parse_arguments(argc, argv)); }
