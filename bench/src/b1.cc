// B1: decoding alone, on one core. The same 155-byte events in memory, six of their eight fields: our decoder into columns,
// simdjson alone into variables. Rounds alternate; prints one JSON line per round.
//
//   bench_b1 EVENTS [ROUNDS]
#include "bench/src/simdjson_alone.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "bench/src/measure.h"
#include "codec/json_columns.h"

namespace ms::bench {
namespace {

constexpr size_t kRows = 512;  // as the engine's appliers decode

// Of one event. Of texts length and ends: a sum over all bytes would cost both sides more than the decoding that is compared.
uint64_t decoded(uint64_t sum, int64_t user, int64_t ts_ms, int64_t amount, std::string_view merchant, std::string_view country, std::string_view channel) {
  sum += static_cast<uint64_t>(user) * 3 + static_cast<uint64_t>(ts_ms) * 5 + static_cast<uint64_t>(amount) * 7;
  for (const std::string_view text : {merchant, country, channel})
    sum += text.empty() ? 1 : text.size() * 11 + static_cast<unsigned char>(text.front()) * 13 + static_cast<unsigned char>(text.back()) * 17;
  return sum;
}

[[gnu::noinline]] uint64_t alone(const std::string& lines, uint64_t count) {
  return simdjson_alone(lines, count, [](simdjson::ondemand::object& object, uint64_t sum) {
    const int64_t user = int64_of(object, "user"), ts = int64_of(object, "ts"), amount = int64_of(object, "amount");
    const std::string_view merchant = text_of(object, "merchant"), country = text_of(object, "country");
    return decoded(sum, user, ts, amount, merchant, country, text_of(object, "channel"));
  });
}

[[gnu::noinline]] uint64_t ours(JsonDecoder& decoder, const std::string& lines, uint64_t count) {
  ColumnBatch batch;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i += kRows) {
    const size_t rows = std::min<uint64_t>(kRows, count - i);
    decoder.start(batch, rows);
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = (i + row) * kEventBytes;
      CHECK(!decoder.decode(std::string_view(lines).substr(at, kEventBytes), lines.size() - at - kEventBytes, batch, row));
    }
    const auto& c = batch.columns;
    for (size_t row = 0; row < rows; ++row)
      sum = decoded(sum, c[0].ints[row], c[1].ints[row] / 1000, c[2].ints[row], c[3].strings[row], c[4].strings[row], c[5].strings[row]);
  }
  return sum;
}

int run(uint64_t count, int rounds) {
  const EventSource source({.span_ms = static_cast<int64_t>(count) * 83, .events = count});
  std::string lines;
  lines.reserve(count * kEventBytes + simdjson::SIMDJSON_PADDING);
  for (uint64_t i = 0; i < count; ++i) EventSource::write(source.event(i), lines);
  lines.append(simdjson::SIMDJSON_PADDING, ' ');
  const auto decoder = JsonDecoder::make({{.path = "user", .type = TypeKind::kInt64},
                                          {.path = "ts", .type = TypeKind::kTimestamp, .time = JsonTime::kMillis, .required = true},
                                          {.path = "amount", .type = TypeKind::kInt64},
                                          {.path = "merchant", .type = TypeKind::kString},
                                          {.path = "country", .type = TypeKind::kString},
                                          {.path = "channel", .type = TypeKind::kString}});
  bool equal = true;
  for (int round = 0; round < rounds; ++round) {
    const Measured theirs = measure([&] { return alone(lines, count); });
    const Measured mine = measure([&] { return ours(*decoder, lines, count); });
    equal &= mine.checksum == theirs.checksum;
    fmt::print("{{\"events\": {}, \"ours_cpu_s\": {:.4f}, \"simdjson_cpu_s\": {:.4f}, \"equal\": {}}}\n", count, mine.cpu_s, theirs.cpu_s, mine.checksum == theirs.checksum);
    std::fflush(stdout);
  }
  return equal ? 0 : 1;
}

}  // namespace
}  // namespace ms::bench

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bench_b1 EVENTS [ROUNDS]\n"), 2;
  return ms::bench::run(std::strtoull(argv[1], nullptr, 10), argc > 2 ? std::atoi(argv[2]) : 1);
}
