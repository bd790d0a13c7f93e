// The state of a view alone: what applying a row, answering, and answering forward in time cost, in CPU time of one core.
//
//   bench_state [apply|evaluate|forward] [ROWS]
//
// The checksum covers every answer: a change that keeps the bits keeps it.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdlib>

#include "base/check.h"
#include "base/clock.h"
#include "base/rng.h"
#include "feature/view_state.h"

namespace ms::bench {
namespace {

using namespace feature;

constexpr size_t kChunk = 512;

std::vector<FeatureSpec> specs_of(std::initializer_list<AggregateKind> aggregates, std::initializer_list<int64_t> hours, bool exact, TypeKind type) {
  std::vector<FeatureSpec> out;
  for (const int64_t minutes : hours) {
    for (const AggregateKind a : aggregates) {
      FeatureSpec s;
      s.aggregate = a;
      s.argument = a == AggregateKind::kCount ? -1 : 0;
      s.argument_type = type;
      const int64_t length = minutes * kMicrosPerMinute;
      s.window = {exact ? WindowKind::kSlidingExact : WindowKind::kSliding, length, exact ? 0 : ladder_hop(length)};
      const bool is_real = a == AggregateKind::kAvg || a == AggregateKind::kStddev;
      s.result_type = a == AggregateKind::kCount ? TypeKind::kInt64 : is_real ? TypeKind::kFloat64 : type;
      out.push_back(s);
    }
  }
  return out;
}

struct Rows {
  std::vector<std::string> keys;
  std::vector<uint64_t> hashes;
  std::vector<uint32_t> key_of;
  std::vector<int64_t> times, values;

  Rows(size_t count, size_t key_count, double skew, int64_t span_us) : key_of(count), times(count), values(count) {
    Rng rng(7);
    for (size_t i = 0; i < key_count; ++i) {
      append_key_part(keys.emplace_back(), static_cast<int64_t>(i));
      hashes.push_back(table_hash(keys.back()));
    }
    const double n = static_cast<double>(key_count);
    for (size_t i = 0; i < count; ++i) {
      // the inverse of a continuous Zipf law; skew 0 is uniform
      const double u = rng.unit();
      const double rank = skew == 0 ? u * n : std::pow(1 + u * (std::pow(n, 1 - skew) - 1), 1 / (1 - skew)) - 1;
      key_of[i] = static_cast<uint32_t>(std::min(rank, n - 1));
      times[i] = 1'767'225'600'000'000 + static_cast<int64_t>(static_cast<double>(i) / static_cast<double>(count) * static_cast<double>(span_us));
      values[i] = static_cast<int64_t>(rng.below(1000)) - 200;
    }
  }
  void prepare(size_t from, size_t to, TypeKind type, PreparedRows& out) const {
    out.clear();
    out.rows = to - from;
    out.arguments.resize(1);
    out.arguments[0].reset(type, to - from);
    for (size_t i = from; i < to; ++i) {
      const uint32_t k = key_of[i];
      out.keys.push_back(keys[k]), out.table_hashes.push_back(hashes[k]), out.shard_hashes.push_back(0);
      out.event_times_us.push_back(times[i]), out.offsets.push_back(static_cast<int64_t>(i));
      if (type == TypeKind::kInt64) {
        out.arguments[0].ints[i - from] = values[i];
      } else {
        out.arguments[0].floats[i - from] = static_cast<double>(values[i]) / 10;
      }
      out.arguments[0].set_valid(i - from);
    }
  }
};

uint64_t mix(uint64_t sum, const FeatureRow& row) {
  for (const FeatureValue& v : row.values) {
    sum = (sum ^ static_cast<uint64_t>(v.is_null ? 77 : v.i) ^ static_cast<uint64_t>(v.event_time_us) ^ static_cast<uint64_t>(v.status)) * 0x9E3779B97F4A7C15ull;
    sum ^= sum >> 29;
  }
  return sum;
}

void report(const char* name, double seconds, size_t count, uint64_t checksum) {
  fmt::print("{:18} {:8.3f} us each, {:6.2f} M/s, checksum {:016x}\n", name, seconds / static_cast<double>(count) * 1e6, static_cast<double>(count) / seconds / 1e6, checksum);
}

std::vector<uint32_t> all_rows() {
  std::vector<uint32_t> which(kChunk);
  for (uint32_t i = 0; i < kChunk; ++i) which[i] = i;
  return which;
}

void bench_apply_and_evaluate(size_t count, bool evaluate) {
  const auto specs = specs_of({AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kMin, AggregateKind::kMax}, {10, 60, 360, 1440, 10080}, false, TypeKind::kInt64);
  const auto state = ViewState::make(specs);
  const Rows rows(count, evaluate ? 10'000 : 1'000'000, evaluate ? 0 : 0.99, 10 * kMicrosPerDay);
  const auto which = all_rows();
  PreparedRows prepared;
  double seconds = 0;
  for (size_t i = 0; i < count; i += kChunk) {
    const size_t end = std::min(count, i + kChunk);
    rows.prepare(i, end, TypeKind::kInt64, prepared);
    const double start = process_cpu_seconds();
    state->apply(prepared, std::span(which).first(end - i), {rows.times[end - 1] - kMicrosPerSecond});
    seconds += process_cpu_seconds() - start;
  }
  FeatureRow row;
  const int64_t t = rows.times.back() + 1;
  uint64_t sum = 0;
  if (!evaluate) {
    for (size_t k = 0; k < rows.keys.size(); k += 100) state->evaluate(rows.keys[k], rows.hashes[k], {t}, false, row), sum = mix(sum, row);
    return report("apply zipf", seconds, count, sum);
  }
  for (const size_t hot : {size_t{64}, rows.keys.size()}) {
    const size_t questions = 1'000'000;
    const double start = process_cpu_seconds();
    for (size_t i = 0, k = 0; i < questions; ++i, k = (k + 1) % hot) {
      if (hot > 64) state->prefetch(rows.hashes[(k + 4) % hot]);
      state->evaluate(rows.keys[k], rows.hashes[k], {t}, false, row), sum = mix(sum, row);
    }
    report(hot == 64 ? "evaluate hot" : "evaluate 10k keys", process_cpu_seconds() - start, questions, sum);
  }
}

void bench_forward(size_t count, TypeKind type) {
  const auto specs = specs_of({AggregateKind::kCount, AggregateKind::kSum, AggregateKind::kAvg, AggregateKind::kMax, AggregateKind::kStddev}, {60, 180, 1440, 10080}, true, type);
  const auto state = ViewState::make(specs);
  const Rows rows(count, 229, 0.8, 90 * kMicrosPerDay);
  const auto which = all_rows();
  PreparedRows prepared;
  FeatureRow row;
  uint64_t sum = 0;
  double seconds = 0, applied = 0;
  for (size_t i = 0; i < count; i += kChunk) {
    const size_t end = std::min(count, i + kChunk);
    rows.prepare(i, end, type, prepared);
    const double start = process_cpu_seconds();
    state->apply(prepared, std::span(which).first(end - i), {rows.times[i]});
    const double middle = process_cpu_seconds();
    for (size_t q = i; q < end; ++q) {
      state->evaluate_forward(rows.keys[rows.key_of[q]], rows.hashes[rows.key_of[q]], {rows.times[q]}, false, row);
      sum = mix(sum, row);
    }
    applied += middle - start, seconds += process_cpu_seconds() - start;
  }
  report(type == TypeKind::kInt64 ? "forward int64" : "forward float64", seconds, count, sum);
  report("  apply of it", applied, count, sum);
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const size_t rows = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 3'000'000;
  if (what.empty() || what == "apply") ms::bench::bench_apply_and_evaluate(rows, false);
  if (what.empty() || what == "evaluate") ms::bench::bench_apply_and_evaluate(rows, true);
  if (what.empty() || what == "forward") ms::bench::bench_forward(rows, ms::TypeKind::kInt64);
  if (what.empty() || what == "float") ms::bench::bench_forward(rows, ms::TypeKind::kFloat64);
}
