// B2a: a row of features out for every event, at the event's own time and with the event in it, from the log's stream objects to
// the answers, on one core.
//
//   bench_b2a write FILE EVENTS USERS             the events as JSON lines, for a peer
//   bench_b2a run DIR EVENTS USERS ROUNDS         prints one JSON line per round
//
// 20 features: count, sum, avg and max of `amount` over 1m, 10m, 1h, 24h and 7d. Event times do not decrease. The checksum is a sum
// over all rows, each the values mixed in order (avg rounded down); bench/peers/flink has the same.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "bench/src/event_log.h"
#include "bench/src/event_rows.h"
#include "bench/src/measure.h"
#include "bench/src/spending_view.h"
#include "engine/topic_reader.h"

namespace ms::bench {
namespace {

using feature::AggregateKind;

constexpr WindowOf kWindows[] = {{"1m", kMicrosPerMinute}, {"10m", 10 * kMicrosPerMinute}, {"1h", kMicrosPerHour}, {"24h", kMicrosPerDay}, {"7d", 7 * kMicrosPerDay}};
constexpr AggregateKind kAggregates[] = {AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kAvg, AggregateKind::kMax};
constexpr size_t kFeatures = std::size(kWindows) * std::size(kAggregates);

class Pipeline {
 public:
  uint64_t run(const EventLog& input) {
    input.for_each_batch([&](const log::ReadBatch& batch) {
      CHECK(reader_->read(PartitionId{0}, {&batch, 1}, batch.base, Offset{batch.last.value + 1}, EventRows::kMost, [&](engine::TopicReader::Chunk& chunk) -> Result<> {
        CHECK(chunk.dead.empty());
        answer(*chunk.rows[0]);
        return {};
      }));
    });
    return checksum_;
  }
  uint64_t rows() const { return rows_; }

 private:
  // Rows of later events wait in the state until a question's time passes them, so all go in at once.
  void answer(const feature::PreparedRows& rows) {
    state_->apply(rows, std::span(all_).first(rows.rows), {rows.event_times_us[0]});
    for (size_t i = 0; i < rows.rows; ++i)
      state_->evaluate_forward(rows.keys[i], rows.table_hashes[i], {rows.event_times_us[i]}, true, answers_.columns(), i);
    state_->finish_forward(answers_.columns());
    state_->maintain({rows.event_times_us[rows.rows - 1]}, EventRows::kMost / 16);
    for (size_t i = 0; i < rows.rows; ++i) add(i);
    rows_ += rows.rows;
  }

  void add(size_t i) {
    uint64_t row = 77;
    for (size_t f = 0; f < kFeatures; ++f) {
      const int64_t bits = answers_.integer(f, i);
      row = mix(row, kAggregates[f % std::size(kAggregates)] == AggregateKind::kAvg ? static_cast<int64_t>(std::floor(std::bit_cast<double>(bits))) : bits);
    }
    checksum_ += row;
  }

  static std::vector<uint32_t> numbers() {
    std::vector<uint32_t> out(EventRows::kMost);
    std::iota(out.begin(), out.end(), 0u);
    return out;
  }

  feature::SourceDefinition source_;
  std::shared_ptr<const feature::ViewProgram> program_ = spending_view(source_, kWindows, kAggregates);
  std::unique_ptr<engine::TopicReader> reader_ = engine::TopicReader::make({{source_, {program_}}});
  std::unique_ptr<feature::ViewState> state_ = feature::ViewState::make(program_);
  std::vector<uint32_t> all_ = numbers();
  Answers answers_{kFeatures};
  uint64_t checksum_ = 0, rows_ = 0;
};

int run(const std::string& dir, uint64_t count, uint64_t users, int rounds) {
  const EventLog input(dir, count, users, 0);
  for (int round = 0; round < rounds; ++round) {
    auto pipeline = std::make_unique<Pipeline>();
    const Measured ours = measure([&] { return pipeline->run(input); });
    fmt::print("{{\"rows\": {}, \"checksum\": \"{:016x}\", \"cpu_s\": {:.4f}, \"wall_s\": {:.4f}}}\n", pipeline->rows(), ours.checksum, ours.cpu_s, ours.wall_s);
    std::fflush(stdout);
  }
  return 0;
}

int write(const std::string& path, uint64_t count, uint64_t users) {
  const EventSource source({.users = users, .span_ms = static_cast<int64_t>(count) * 1000 / EventLog::kEventsPerSecond, .events = count, .late_percent = 0});
  std::ofstream out(path, std::ios::binary);
  std::string line;
  for (uint64_t i = 0; i < count; ++i) {
    line.clear();
    EventSource::write(source.event(i), line);
    out << line << '\n';
  }
  return out.flush() ? 0 : 1;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  if (argc == 5 && std::strcmp(argv[1], "write") == 0) return ms::bench::write(argv[2], number(3), number(4));
  if (argc == 6 && std::strcmp(argv[1], "run") == 0) return ms::bench::run(argv[2], number(3), number(4), std::atoi(argv[5]));
  return std::fprintf(stderr, "usage: bench_b2a write FILE EVENTS USERS | run DIR EVENTS USERS ROUNDS\n"), 2;
}
