// From totals to answers: the only place where a feature's value is rounded, and where its status is decided.
#include <bit>
#include <cmath>

#include "base/check.h"
#include "feature/totals.h"

namespace ms::feature {
namespace {

struct Answer {
  bool is_null = true, overflow = false;
  int64_t i = 0;
  double f = 0;
  std::string_view text;
};

Answer integer(int64_t v) { return {.is_null = false, .i = v}; }
Answer count_of(uint64_t v) { return {.is_null = false, .i = static_cast<int64_t>(v)}; }
Answer real(Rounded r) { return {.is_null = r.overflow, .overflow = r.overflow, .f = r.value}; }

int128 wide_at(const uint64_t* w) { return static_cast<int128>(static_cast<uint128>(w[1]) << 64 | w[0]); }

Answer sum_answer(bool is_float, const uint64_t* sum) {
  if (is_float) return real(sum_of(exact_at(sum)));
  const int128 v = wide_at(sum);
  if (v < INT64_MIN || v > INT64_MAX) return {.overflow = true};
  return integer(static_cast<int64_t>(v));
}

Answer average_answer(bool is_float, const uint64_t* sum, uint64_t n) {
  if (is_float) return real(average_of(exact_at(sum), n));
  return real({average_of(wide_at(sum), n), false});
}

Answer stddev_answer(bool is_float, const uint64_t* sum, const uint64_t* squares, uint64_t n) {
  if (n < 2) return {};
  if (is_float) return real(stddev_of(n, exact_at(sum), exact_at(squares)));
  return real({stddev_of(n, wide_at(sum), Uint192{{squares[0], squares[1], squares[2]}}), false});
}

Answer stored(TypeKind type, const uint64_t* value) {
  Answer out{.is_null = false};
  if (type == TypeKind::kString) {
    out.text = {std::bit_cast<const char*>(value[0]), value[1]};
  } else if (type == TypeKind::kFloat64) {
    out.f = std::bit_cast<double>(*value);
  } else {
    out.i = static_cast<int64_t>(*value);
  }
  return out;
}

Answer extreme(TypeKind type, uint64_t ordered) {
  // ordered_bits is its own inverse
  const uint64_t bits = type == TypeKind::kFloat64 ? static_cast<uint64_t>(ordered_bits(ordered)) : ordered;
  return stored(type, &bits);
}

Answer distinct_answer(const FeatureSpec& spec, uint64_t word) {
  if ((word & 1) != 0) {  // running totals hold a count
    const auto count = static_cast<int64_t>(word >> 1);
    return count > spec.distinct_cap ? Answer{.overflow = true} : integer(count);
  }
  const auto* set = std::bit_cast<const DistinctSet*>(word);
  if (set == nullptr) return count_of(0);
  if (set->over() || static_cast<int64_t>(set->size()) > spec.distinct_cap) return {.overflow = true};
  return count_of(set->size());
}

Answer answer_of(const FeaturePlan& plan, const uint64_t* words, int64_t t) {
  const FeatureSpec& spec = plan.spec;
  const bool is_float = spec.argument_type == TypeKind::kFloat64;
  const uint64_t n = words[plan.count];
  const uint64_t* value = words + plan.value;
  switch (spec.aggregate) {
    case AggregateKind::kCount: return count_of(words[plan.rows]);
    case AggregateKind::kCountIf: return count_of(n);
    case AggregateKind::kTimeSinceLast: {
      if (words[plan.rows] == 0) return {};
      const int64_t last = static_cast<int64_t>(words[plan.rows + 1]);
      return integer(static_cast<int64_t>((static_cast<int128>(t) - last) / kMicrosPerMilli));
    }
    case AggregateKind::kCountDistinct: return distinct_answer(spec, *value);
    case AggregateKind::kFirst:
    case AggregateKind::kLast: return static_cast<int64_t>(value[1]) < 0 ? Answer{} : stored(spec.argument_type, value + 3);
    default: break;
  }
  if (n == 0) return {};
  switch (spec.aggregate) {
    case AggregateKind::kSum: return sum_answer(is_float, value);
    case AggregateKind::kAvg: return average_answer(is_float, value, n);
    case AggregateKind::kStddev: return stddev_answer(is_float, value, words + plan.squares, n);
    case AggregateKind::kMin:
    case AggregateKind::kMax: return extreme(spec.argument_type, *value);
    default: break;
  }
  return {};
}

void show(const Answer& answer, TypeKind type, FeatureValue& out, StringArena& arena) {
  out.is_null = answer.is_null;
  if (answer.is_null) return;
  if (type == TypeKind::kFloat64) {
    out.f = answer.f;
  } else if (type == TypeKind::kString) {
    out.text = arena.add(answer.text);
  } else {
    out.i = answer.i;
  }
}

void show_default(const FeatureSpec& spec, FeatureValue& out, StringArena& arena) {
  const ScalarValue& d = spec.default_value;
  if (std::holds_alternative<std::monostate>(d)) return;
  Answer answer{.is_null = false};
  if (const auto* i = std::get_if<int64_t>(&d)) answer.i = *i;
  if (const auto* b = std::get_if<bool>(&d)) answer.i = *b ? 1 : 0;
  if (const auto* f = std::get_if<double>(&d)) answer.f = *f;
  if (const auto* s = std::get_if<std::string>(&d)) answer.text = *s;
  show(answer, spec.result_type, out, arena);
}

}  // namespace

void finalize(const FeaturePlan& plan, const uint64_t* words, int64_t t, FeatureRow& out, size_t index) {
  FeatureValue& value = out.values[index];
  const Answer answer = answer_of(plan, words, t);
  const bool empty = words[plan.rows] == 0;
  if (!empty) value.event_time_us = static_cast<int64_t>(words[plan.rows + 1]);
  const auto expired = [&] { return plan.spec.ttl_us && static_cast<int128>(t) - value.event_time_us > *plan.spec.ttl_us; };
  if (answer.overflow) {
    value.status = Status::kOverflow;
    value.is_null = true;
    return;
  }
  if (!empty && expired()) {
    value.status = Status::kExpired;
    value.is_null = true;
    return;
  }
  show(answer, plan.spec.result_type, value, out.arena);
  value.status = empty ? Status::kEmptyWindow : answer.is_null ? Status::kNull : Status::kPresent;
  if (answer.is_null) show_default(plan.spec, value, out.arena);
}

}  // namespace ms::feature
