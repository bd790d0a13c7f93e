#include "feature/finalize.h"

#include <bit>

#include "base/check.h"
#include "feature/answers.h"
#include "feature/decay.h"
#include "feature/list_answers.h"
#include "feature/moments.h"
#include "feature/totals.h"

namespace ms::feature {
namespace {

Answer sum_of_ints(const uint64_t* sum) {
  const int128 v = decimal_at(sum);
  return v < INT64_MIN || v > INT64_MAX ? kTooLarge : integer(static_cast<uint64_t>(v));
}

Answer stddev(const FeaturePlan& plan, const uint64_t* words, uint64_t n) {
  if (n < 2) return kNothing;
  const uint64_t* squares = words + plan.moments[0];
  if (plan.spec.argument_type == TypeKind::kInt64) return real(stddev_of(n, decimal_at(words + plan.value), Uint192{{squares[0], squares[1], squares[2]}}));
  if (plan.spec.argument_type == TypeKind::kFloat64) return real(stddev_of(n, exact_at(words + plan.value), exact_at(squares)));
  return statistic(deviation_of(n, exact_at(words + plan.value), exact_at(squares), plan.spec.argument_type.scale));
}

// The statistics of powers and products. The words are in the order that layout_compiler.cc makes them.
Answer moments(const FeaturePlan& plan, const uint64_t* words, uint64_t n) {
  const auto m = [&](size_t i) -> const ExactSum& { return exact_at(words + plan.moments[i]); };
  const auto x = [&]() -> const ExactSum& { return exact_at(words + plan.value); };
  const int scale = plan.spec.argument_type.scale, by_scale = plan.spec.by_type.scale;
  switch (plan.spec.aggregate) {
    case AggregateKind::kVariance: return statistic(variance_of(n, m(0), m(1), scale));
    case AggregateKind::kSkew: return statistic(skew_of(n, m(0), m(1), m(2)));
    case AggregateKind::kKurtosis: return statistic(kurtosis_of(n, m(0), m(1), m(2), m(3)));
    case AggregateKind::kCovariance: return statistic(covariance_of(n, x(), m(0), m(1), scale + by_scale));
    case AggregateKind::kCorrelation: return statistic(correlation_of(n, x(), m(0), m(1), m(2), m(3)));
    case AggregateKind::kSlope: return statistic(slope_of(n, x(), m(0), m(1), m(2), scale, by_scale));
    case AggregateKind::kRatio: return statistic(quotient_of(x(), m(0), scale, by_scale));
    default: CHECK(false); return kNothing;
  }
}

Answer distinct(const FeatureSpec& spec, uint64_t word) {
  const auto cap = static_cast<uint64_t>(spec.parameters.cap);
  if ((word & 1) != 0) {  // running totals hold a count
    const uint64_t count = word >> 1;
    return count > cap ? kTooLarge : integer(count);
  }
  const auto* set = std::bit_cast<const DistinctSet*>(word);
  if (set == nullptr) return integer(0);
  return set->over() || set->size() > cap ? kTooLarge : integer(set->size());
}

Answer sum_of_decimals(const ExactSum& sum, StringArena& arena) {
  int128 units = 0;
  return integer_of(sum, units) ? decimal(units, arena) : kTooLarge;
}

Answer decayed(const FeaturePlan& plan, const uint64_t* words) {
  const ExactSum& weights = exact_at(words + plan.value);
  const int scale = plan.spec.argument_type.scale;
  switch (plan.spec.aggregate) {
    case AggregateKind::kCount:
    case AggregateKind::kCountIf: return real(mean_of(weights, 1, 0, kDecayStepUnit));
    case AggregateKind::kSum:
      return words[plan.count] == 0 ? kNothing : real(mean_of(exact_at(words + plan.moments[0]), 1, scale, kDecayStepUnit));
    default:
      return words[plan.count] == 0 ? kNothing : statistic(quotient_of(exact_at(words + plan.moments[0]), weights, scale, 0));
  }
}

// What stands in for a null that is not an overflow and has not expired.
struct Default {
  explicit Default(const FeatureSpec& spec) {
    const ScalarValue& d = spec.default_value;
    if (const auto* i = std::get_if<int64_t>(&d)) bits = static_cast<uint64_t>(*i);
    if (const auto* b = std::get_if<bool>(&d)) bits = *b ? 1 : 0;
    if (const auto* f = std::get_if<double>(&d)) bits = std::bit_cast<uint64_t>(*f);
    if (const auto* s = std::get_if<std::string>(&d)) text = *s;
  }
  uint64_t bits = 0;
  std::string_view text;
};

// Status and value of question after question. answer_of(words, t) gives the Answer before defaults and expiry.
template <class AnswerOf>
void each(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, StringArena& arena, const AnswerOf& answer_of) {
  const bool has_default = !std::holds_alternative<std::monostate>(plan.spec.default_value);
  const Default other(plan.spec);
  const bool expires = plan.spec.ttl_us.has_value();
  const int64_t ttl = plan.spec.ttl_us.value_or(0);
  for (size_t i = 0; i < totals.count; ++i) {
    const uint64_t* words = totals.words + i * totals.stride;
    const bool empty = words[plan.rows] == 0;
    const auto last = empty ? kNoEventTime : static_cast<int64_t>(words[plan.rows + 1]);
    const Answer answer = totals.overflow && !empty ? kTooLarge : answer_of(words, totals.times[i]);
    const bool is_null = answer.kind != Answer::Kind::kValue;
    Status status = empty ? Status::kEmptyWindow : is_null ? Status::kNull : Status::kPresent;
    bool shown = !is_null, by_default = is_null && has_default;
    if (answer.kind == Answer::Kind::kOverflow) {
      status = Status::kOverflow, shown = by_default = false;
    } else if (expires && !empty && static_cast<int128>(totals.times[i]) - last > ttl) {
      status = Status::kExpired, shown = by_default = false;
    }
    out.bits[i] = shown ? answer.bits : by_default ? other.bits : 0;
    if (out.texts != nullptr) out.texts[i] = shown ? answer.text : by_default ? arena.add(other.text) : std::string_view();
    out.flags[i] = static_cast<uint8_t>(static_cast<uint8_t>(status) | (shown || by_default ? 0 : AnswerColumn::kNull));
    if (out.event_times != nullptr) out.event_times[i] = last;
  }
}

// The answer of every aggregate that is more than a few words away: lists, maps, sketches, statistics.
Answer other_answer(const FeaturePlan& plan, const uint64_t* words, StringArena& arena) {
  const FeatureSpec& spec = plan.spec;
  const uint64_t* value = words + plan.value;
  const uint64_t n = takes_of(spec.aggregate) ? words[plan.count] : 0;
  switch (spec.aggregate) {
    case AggregateKind::kHistogram: return histogram_answer(spec, value, arena);
    case AggregateKind::kCountBy: return count_by_answer(spec, box_at(value), arena);
    case AggregateKind::kApproxCountDistinct: return estimate_answer(spec, box_at(value));
    default: break;
  }
  if (n == 0 || (plan.is_box && box_at(value) == nullptr)) return kNothing;  // values without a box: a damaged state
  switch (spec.aggregate) {
    case AggregateKind::kStddev: return stddev(plan, words, n);
    case AggregateKind::kFirstN:
    case AggregateKind::kLastN: return list_answer(spec, *box_at(value), arena);
    case AggregateKind::kQuantile: return quantile_answer(spec, *box_at(value), arena);
    case AggregateKind::kTopK: return top_answer(spec, *box_at(value), arena);
    case AggregateKind::kSumBy: return sum_by_answer(spec, *box_at(value), arena);
    case AggregateKind::kSum:
      if (spec.argument_type == TypeKind::kVector) return vector_sum_answer(*box_at(value), 0, arena);
      return sum_of_decimals(exact_at(value), arena);
    case AggregateKind::kAvg:
      if (spec.argument_type == TypeKind::kVector) return vector_sum_answer(*box_at(value), n, arena);
      return real(mean_of(exact_at(value), n, spec.argument_type.scale));
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (spec.argument_type == TypeKind::kVector) return vector_extreme_answer(*box_at(value), arena);
      return value_answer(spec.argument_type, value + 3, arena);
    default: return moments(plan, words, n);
  }
}

bool is_plain_number(const Type& type) { return type == TypeKind::kInt64 || type == TypeKind::kFloat64; }

}  // namespace

void finalize(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, StringArena& arena) {
  const FeatureSpec& spec = plan.spec;
  const auto numbers = [&](const auto& answer_of) { each(plan, totals, out, arena, answer_of); };
  // Aggregates over not-null arguments: none of them, no value.
  const auto of_values = [&](const auto& answer_of) {
    numbers([&](const uint64_t* words, int64_t) {
      const uint64_t n = words[plan.count];
      return n == 0 ? kNothing : answer_of(words, n);
    });
  };
  if (spec.window.kind == WindowKind::kDecay) return numbers([&](const uint64_t* words, int64_t) { return decayed(plan, words); });
  const bool is_float = spec.argument_type == TypeKind::kFloat64;
  switch (spec.aggregate) {
    case AggregateKind::kCount: return numbers([&](const uint64_t* words, int64_t) { return integer(words[plan.rows]); });
    case AggregateKind::kCountIf: return numbers([&](const uint64_t* words, int64_t) { return integer(words[plan.count]); });
    case AggregateKind::kTimeSinceLast:
      return numbers([&](const uint64_t* words, int64_t t) {
        if (words[plan.rows] == 0) return kNothing;
        const auto last = static_cast<int64_t>(words[plan.rows + 1]);
        return integer(static_cast<uint64_t>((static_cast<int128>(t) - last) / kMicrosPerMilli));
      });
    case AggregateKind::kCountDistinct: return numbers([&](const uint64_t* words, int64_t) { return distinct(spec, words[plan.value]); });
    case AggregateKind::kFirst:
    case AggregateKind::kLast:
    case AggregateKind::kArgMin:
    case AggregateKind::kArgMax:
      return numbers([&](const uint64_t* words, int64_t) {
        return static_cast<int64_t>(words[plan.value + 1]) < 0 ? kNothing : value_answer(spec.argument_type, words + plan.value + 3, arena);
      });
    case AggregateKind::kSum:
      if (!is_plain_number(spec.argument_type)) break;
      if (is_float) return of_values([&](const uint64_t* words, uint64_t) { return real(sum_of(exact_at(words + plan.value))); });
      return of_values([&](const uint64_t* words, uint64_t) { return sum_of_ints(words + plan.value); });
    case AggregateKind::kAvg:
      if (!is_plain_number(spec.argument_type)) break;
      if (is_float) return of_values([&](const uint64_t* words, uint64_t n) { return real(average_of(exact_at(words + plan.value), n)); });
      return of_values([&](const uint64_t* words, uint64_t n) { return real(average_of(decimal_at(words + plan.value), n)); });
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (answer_is_bytes(spec.argument_type)) break;
      // ordered_bits is its own inverse
      if (is_float) return of_values([&](const uint64_t* words, uint64_t) { return integer(static_cast<uint64_t>(ordered_bits(words[plan.value]))); });
      return of_values([&](const uint64_t* words, uint64_t) { return integer(words[plan.value]); });
    default: break;
  }
  numbers([&](const uint64_t* words, int64_t) { return other_answer(plan, words, arena); });
}

void finalize_series(const FeaturePlan& plan, const TotalsOf& windows, int64_t t, const AnswerColumn& out, StringArena& arena) {
  FeaturePlan element = plan;
  element.spec.ttl_us.reset();
  element.spec.result_type = plan.spec.result_type.element_type();
  std::vector<uint64_t> bits(windows.count);
  std::vector<uint8_t> flags(windows.count);
  std::vector<int64_t> event_times(windows.count), times(windows.count, t);
  std::vector<std::string_view> texts(windows.count);
  StringArena scratch;
  finalize(element, {windows.words, windows.stride, times.data(), windows.count}, {bits.data(), flags.data(), event_times.data(), texts.data()}, scratch);
  SeriesAnswer series(element.spec.result_type);
  for (size_t i = 0; i < windows.count; ++i) series.add(bits[i], flags[i], event_times[i], texts[i]);
  series.write(plan.spec.ttl_us, t, out, arena);
}

}  // namespace ms::feature
