#include "feature/finalize.h"

#include <bit>

#include "base/check.h"
#include "feature/totals.h"

namespace ms::feature {
namespace {

struct Answer {
  enum class Kind : uint8_t { kValue, kNull, kOverflow };
  uint64_t bits = 0;
  Kind kind = Kind::kNull;
};
constexpr Answer kNothing{};
constexpr Answer kTooLarge{0, Answer::Kind::kOverflow};

Answer integer(uint64_t v) { return {v, Answer::Kind::kValue}; }
Answer real(double v) { return {std::bit_cast<uint64_t>(v), Answer::Kind::kValue}; }
Answer real(Rounded r) { return r.overflow ? kTooLarge : real(r.value); }

int128 wide_at(const uint64_t* w) { return static_cast<int128>(static_cast<uint128>(w[1]) << 64 | w[0]); }

Answer sum_of_ints(const uint64_t* sum) {
  const int128 v = wide_at(sum);
  return v < INT64_MIN || v > INT64_MAX ? kTooLarge : integer(static_cast<uint64_t>(v));
}

Answer stddev(bool is_float, const uint64_t* sum, const uint64_t* squares, uint64_t n) {
  if (n < 2) return kNothing;
  if (is_float) return real(stddev_of(n, exact_at(sum), exact_at(squares)));
  return real(stddev_of(n, wide_at(sum), Uint192{{squares[0], squares[1], squares[2]}}));
}

Answer distinct(const FeatureSpec& spec, uint64_t word) {
  if ((word & 1) != 0) {  // running totals hold a count
    const uint64_t count = word >> 1;
    return count > static_cast<uint64_t>(spec.distinct_cap) ? kTooLarge : integer(count);
  }
  const auto* set = std::bit_cast<const DistinctSet*>(word);
  if (set == nullptr) return integer(0);
  if (set->over() || static_cast<int64_t>(set->size()) > spec.distinct_cap) return kTooLarge;
  return integer(set->size());
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
template <class AnswerOf, class Store>
void each(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, const AnswerOf& answer_of, const Store& store) {
  const bool has_default = !std::holds_alternative<std::monostate>(plan.spec.default_value);
  const bool expires = plan.spec.ttl_us.has_value();
  const int64_t ttl = plan.spec.ttl_us.value_or(0);
  for (size_t i = 0; i < totals.count; ++i) {
    const uint64_t* words = totals.words + i * totals.stride;
    const Answer answer = answer_of(words, totals.times[i]);
    const bool empty = words[plan.rows] == 0;
    const auto last = empty ? kNoEventTime : static_cast<int64_t>(words[plan.rows + 1]);
    const bool is_null = answer.kind != Answer::Kind::kValue;
    Status status = empty ? Status::kEmptyWindow : is_null ? Status::kNull : Status::kPresent;
    bool shown = !is_null, by_default = is_null && has_default;
    if (answer.kind == Answer::Kind::kOverflow) {
      status = Status::kOverflow, shown = by_default = false;
    } else if (expires && !empty && static_cast<int128>(totals.times[i]) - last > ttl) {
      status = Status::kExpired, shown = by_default = false;
    }
    store(i, words, answer.bits, shown, by_default);
    out.flags[i] = static_cast<uint8_t>(static_cast<uint8_t>(status) | (shown || by_default ? 0 : AnswerColumn::kNull));
    if (out.event_times != nullptr) out.event_times[i] = last;
  }
}

template <class AnswerOf>
void numbers(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, const AnswerOf& answer_of) {
  const uint64_t other = Default(plan.spec).bits;
  each(plan, totals, out, answer_of, [&](size_t i, const uint64_t*, uint64_t bits, bool shown, bool by_default) {
    out.bits[i] = shown ? bits : by_default ? other : 0;
  });
}

// first and last of texts: the value's words are address and size.
void texts(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, StringArena& arena) {
  const Default other(plan.spec);
  const auto answer_of = [&](const uint64_t* words, int64_t) {
    return static_cast<int64_t>(words[plan.value + 1]) < 0 ? kNothing : integer(0);
  };
  each(plan, totals, out, answer_of, [&](size_t i, const uint64_t* words, uint64_t, bool shown, bool by_default) {
    const uint64_t* value = words + plan.value + 3;
    const std::string_view text = shown ? std::string_view(std::bit_cast<const char*>(value[0]), value[1]) : other.text;
    out.bits[i] = 0;
    out.texts[i] = shown || by_default ? arena.add(text) : std::string_view();
  });
}

// Aggregates over not-null arguments: none of them, no value.
template <class AnswerOf>
void of_values(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, const AnswerOf& answer_of) {
  numbers(plan, totals, out, [&](const uint64_t* words, int64_t) {
    const uint64_t n = words[plan.count];
    return n == 0 ? kNothing : answer_of(words, n);
  });
}

}  // namespace

void finalize(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, StringArena& arena) {
  const FeatureSpec& spec = plan.spec;
  const bool is_float = spec.argument_type == TypeKind::kFloat64;
  switch (spec.aggregate) {
    case AggregateKind::kCount:
      return numbers(plan, totals, out, [&](const uint64_t* words, int64_t) { return integer(words[plan.rows]); });
    case AggregateKind::kCountIf:
      return numbers(plan, totals, out, [&](const uint64_t* words, int64_t) { return integer(words[plan.count]); });
    case AggregateKind::kTimeSinceLast:
      return numbers(plan, totals, out, [&](const uint64_t* words, int64_t t) {
        if (words[plan.rows] == 0) return kNothing;
        const auto last = static_cast<int64_t>(words[plan.rows + 1]);
        return integer(static_cast<uint64_t>((static_cast<int128>(t) - last) / kMicrosPerMilli));
      });
    case AggregateKind::kCountDistinct:
      return numbers(plan, totals, out, [&](const uint64_t* words, int64_t) { return distinct(spec, words[plan.value]); });
    case AggregateKind::kFirst:
    case AggregateKind::kLast:
      if (spec.argument_type == TypeKind::kString) return texts(plan, totals, out, arena);
      return numbers(plan, totals, out, [&](const uint64_t* words, int64_t) {
        return static_cast<int64_t>(words[plan.value + 1]) < 0 ? kNothing : integer(words[plan.value + 3]);
      });
    case AggregateKind::kSum:
      if (is_float) return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t) { return real(sum_of(exact_at(words + plan.value))); });
      return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t) { return sum_of_ints(words + plan.value); });
    case AggregateKind::kAvg:
      if (is_float) return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t n) { return real(average_of(exact_at(words + plan.value), n)); });
      return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t n) { return real(average_of(wide_at(words + plan.value), n)); });
    case AggregateKind::kStddev:
      return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t n) { return stddev(is_float, words + plan.value, words + plan.squares, n); });
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      // ordered_bits is its own inverse
      if (is_float) return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t) { return integer(static_cast<uint64_t>(ordered_bits(words[plan.value]))); });
      return of_values(plan, totals, out, [&](const uint64_t* words, uint64_t) { return integer(words[plan.value]); });
  }
}

void finalize(const FeaturePlan& plan, const uint64_t* words, int64_t t, FeatureRow& out, size_t index) {
  FeatureValue& value = out.values[index];
  uint64_t bits = 0;
  uint8_t flags = 0;
  finalize(plan, {words, 0, &t, 1}, {&bits, &flags, &value.event_time_us, &value.text}, out.arena);
  value.i = static_cast<int64_t>(bits);
  value.status = static_cast<Status>(flags & AnswerColumn::kStatus);
  value.is_null = (flags & AnswerColumn::kNull) != 0;
}

}  // namespace ms::feature
