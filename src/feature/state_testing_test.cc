#include <bit>
#include <charconv>
#include <cmath>
#include <set>

#include "base/rng.h"
#include "feature/distinct_set.h"
#include "feature/exact_sum.h"
#include "feature/state_testing.h"
#include "feature/totals.h"

namespace ms::feature::testing {

uint64_t hash_of(std::string_view key) {
  uint64_t h = 0;
  for (const char c : key) h = Rng(h ^ static_cast<uint8_t>(c)).next();
  return h;
}

namespace {

void set_value(Column& column, size_t row, const ScalarValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return;
  column.set_valid(row);
  switch (column.type) {
    case TypeKind::kBool: column.bools[row] = std::get<bool>(value) ? 1 : 0; break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: column.ints[row] = std::get<int64_t>(value); break;
    case TypeKind::kFloat64: column.floats[row] = std::get<double>(value); break;
    default: column.strings[row] = std::get<std::string>(value); break;
  }
}

}  // namespace

uint64_t apply_events(ViewState& state, const std::vector<TypeKind>& types, std::span<const Event> events, int64_t now) {
  if (events.empty()) return 0;
  PreparedRows rows;
  rows.rows = events.size();
  rows.partition = events[0].partition;
  rows.arguments.resize(types.size());
  for (size_t a = 0; a < types.size(); ++a) rows.arguments[a].reset(types[a], events.size());
  rows.filters.resize(events[0].filters.size());
  std::vector<uint32_t> which;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& e = events[i];
    rows.keys.push_back(e.key);
    rows.shard_hashes.push_back(hash_of(e.key)), rows.table_hashes.push_back(hash_of(e.key));
    rows.event_times_us.push_back(e.et), rows.offsets.push_back(e.offset);
    for (size_t a = 0; a < types.size(); ++a) set_value(rows.arguments[a], i, e.arguments[a]);
    for (size_t f = 0; f < e.filters.size(); ++f) rows.filters[f].push_back(e.filters[f]);
    which.push_back(static_cast<uint32_t>(i));
  }
  return state.apply(rows, which, Instant{now});
}

std::string show(const FeatureValue& value, TypeKind type) {
  std::string out(to_string(value.status));
  out += ' ';
  if (value.is_null) {
    out += "null";
  } else if (type == TypeKind::kFloat64) {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, value.f);
    out.append(text, end.ptr);
    if (std::isnan(value.f)) out += std::bit_cast<uint64_t>(value.f) == kQuietNan ? "" : "(not canonical)";
  } else if (type == TypeKind::kString) {
    out += '"' + std::string(value.text) + '"';
  } else {
    out += std::to_string(value.i);
  }
  if (value.event_time_us != kNoEventTime) out += " @" + std::to_string(value.event_time_us);
  return out;
}

std::vector<std::string> show(const FeatureRow& row, const std::vector<FeatureSpec>& specs) {
  std::vector<std::string> out{row.found ? "found" : "not found"};
  for (size_t i = 0; i < specs.size(); ++i) out.push_back(show(row.values[i], specs[i].result_type));
  return out;
}

std::vector<std::string> ask(const ViewState& state, const std::vector<FeatureSpec>& specs, std::string_view key, int64_t t, bool after_event) {
  FeatureRow row;
  state.evaluate(key, hash_of(key), Instant{t}, after_event, row);
  return show(row, specs);
}

namespace {

// The accumulators of one feature, each by the plainest means.
struct Plain {
  std::vector<const Event*> rows;            // that pass the filter, in canonical order
  std::vector<const ScalarValue*> values;    // not null, in the same order
};

int128 sum_of_ints(const Plain& p) {
  int128 sum = 0;
  for (const ScalarValue* v : p.values) sum += std::get<int64_t>(*v);
  return sum;
}

FeatureValue real(Rounded r) {
  FeatureValue out;
  out.is_null = r.overflow;
  if (r.overflow) out.status = Status::kOverflow;
  if (!r.overflow) out.f = r.value;
  return out;
}

FeatureValue integer(int64_t i) {
  FeatureValue out;
  out.is_null = false;
  out.i = i;
  return out;
}

bool less(const ScalarValue& a, const ScalarValue& b) {
  const auto* x = std::get_if<double>(&a);
  if (x == nullptr) return a < b;
  const double y = std::get<double>(b);
  if (std::isnan(*x)) return false;
  if (std::isnan(y)) return true;
  if (*x == 0 && y == 0) return std::signbit(*x) && !std::signbit(y);
  return *x < y;
}

FeatureValue value_of(const ScalarValue& v, std::string& keep) {
  FeatureValue out;
  out.is_null = false;
  if (const auto* i = std::get_if<int64_t>(&v)) out.i = *i;
  if (const auto* b = std::get_if<bool>(&v)) out.i = *b ? 1 : 0;
  if (const auto* f = std::get_if<double>(&v)) out.f = std::isnan(*f) ? std::bit_cast<double>(kQuietNan) : *f;
  if (const auto* s = std::get_if<std::string>(&v)) keep = *s, out.text = keep;
  return out;
}

std::string distinct_key(const ScalarValue& v) {
  if (const auto* s = std::get_if<std::string>(&v)) return *s;
  if (const auto* f = std::get_if<double>(&v)) return std::isnan(*f) ? "nan" : std::to_string(std::bit_cast<uint64_t>(*f == 0 ? 0.0 : *f));
  if (const auto* b = std::get_if<bool>(&v)) return *b ? "1" : "0";
  return std::to_string(std::get<int64_t>(v));
}

FeatureValue number(const FeatureSpec& s, const Plain& p) {
  const uint64_t n = p.values.size();
  const bool is_float = s.argument_type == TypeKind::kFloat64;
  ExactSum sum, squares;
  Uint192 int_squares;
  for (const ScalarValue* v : p.values) {
    if (is_float) {
      sum.add(std::get<double>(*v)), squares.add_square(std::get<double>(*v));
    } else {
      const int128 i = std::get<int64_t>(*v);
      int_squares.add(static_cast<uint128>(i * i));
    }
  }
  switch (s.aggregate) {
    case AggregateKind::kSum: {
      if (is_float) return real(sum_of(sum));
      const int128 total = sum_of_ints(p);
      if (total <= INT64_MAX && total >= INT64_MIN) return integer(static_cast<int64_t>(total));
      FeatureValue out;
      out.status = Status::kOverflow;
      return out;
    }
    case AggregateKind::kAvg: return is_float ? real(average_of(sum, n)) : real({average_of(sum_of_ints(p), n), false});
    case AggregateKind::kStddev:
      if (n < 2) return {};
      return is_float ? real(stddev_of(n, sum, squares)) : real({stddev_of(n, sum_of_ints(p), int_squares), false});
    default: return {};
  }
}

FeatureValue answer(const FeatureSpec& s, const Plain& p, int64_t t, std::string& keep) {
  const auto by_less = [](const ScalarValue* a, const ScalarValue* b) { return less(*a, *b); };
  switch (s.aggregate) {
    case AggregateKind::kCount: return integer(static_cast<int64_t>(p.rows.size()));
    case AggregateKind::kCountIf:
      return integer(std::count_if(p.values.begin(), p.values.end(), [](const ScalarValue* v) { return std::get<bool>(*v); }));
    case AggregateKind::kTimeSinceLast: return p.rows.empty() ? FeatureValue{} : integer((t - p.rows.back()->et) / 1000);
    case AggregateKind::kCountDistinct: {
      std::set<std::string> all;
      for (const ScalarValue* v : p.values) all.insert(distinct_key(*v));
      FeatureValue out = integer(static_cast<int64_t>(all.size()));
      if (out.i > s.distinct_cap) out.status = Status::kOverflow;
      return out;
    }
    default: break;
  }
  if (p.values.empty()) return {};
  switch (s.aggregate) {
    case AggregateKind::kFirst: return value_of(*p.values.front(), keep);
    case AggregateKind::kLast: return value_of(*p.values.back(), keep);
    case AggregateKind::kMin: return value_of(**std::min_element(p.values.begin(), p.values.end(), by_less), keep);
    case AggregateKind::kMax: return value_of(**std::max_element(p.values.begin(), p.values.end(), by_less), keep);
    default: return number(s, p);
  }
}

}  // namespace

std::vector<std::string> reference(const std::vector<FeatureSpec>& specs, std::span<const Event> events, std::string_view key, int64_t t, bool after_event) {
  std::vector<const Event*> mine;
  for (const Event& e : events) {
    if (e.key == key) mine.push_back(&e);
  }
  std::sort(mine.begin(), mine.end(), [](const Event* a, const Event* b) {
    return std::tie(a->et, a->partition, a->offset) < std::tie(b->et, b->partition, b->offset);
  });
  int64_t longest = INT64_MAX;
  for (const FeatureSpec& s : specs) longest = std::min(longest, WindowPlan{s.window}.tail(t));
  const bool found = std::any_of(mine.begin(), mine.end(), [&](const Event* e) { return e->et >= longest && (e->et < t || (after_event && e->et == t)); });
  std::vector<std::string> out{found ? "found" : "not found"};
  for (const FeatureSpec& s : specs) {
    Plain p;
    const WindowPlan window{s.window};
    for (const Event* e : mine) {
      if (e->et < window.tail(t) || e->et >= window.head(t, after_event)) continue;
      if (s.filter >= 0 && e->filters[static_cast<size_t>(s.filter)] == 0) continue;
      p.rows.push_back(e);
      if (s.argument < 0) continue;
      const ScalarValue& v = e->arguments[static_cast<size_t>(s.argument)];
      if (!std::holds_alternative<std::monostate>(v)) p.values.push_back(&v);
    }
    std::string keep, keep_default;
    FeatureValue v = answer(s, p, t, keep);
    const bool overflow = v.status == Status::kOverflow;
    if (!p.rows.empty()) v.event_time_us = p.rows.back()->et;
    const bool expired = !p.rows.empty() && s.ttl_us && t - v.event_time_us > *s.ttl_us;
    if (overflow || expired) {
      v.status = overflow ? Status::kOverflow : Status::kExpired;
      v.is_null = true;
    } else {
      v.status = p.rows.empty() ? Status::kEmptyWindow : v.is_null ? Status::kNull : Status::kPresent;
      if (v.is_null && !std::holds_alternative<std::monostate>(s.default_value)) {
        const FeatureValue d = value_of(s.default_value, keep_default);
        v.is_null = false, v.text = d.text;
        if (s.result_type == TypeKind::kFloat64) v.f = d.f; else v.i = d.i;
      }
    }
    out.push_back(show(v, s.result_type));
  }
  return out;
}

std::string export_text(const ViewState& state, int64_t t) {
  std::string out;
  state.export_canonical(Instant{t}, [&](std::string_view key, std::string_view bytes) {
    out.append(key).append(": ");
    for (const char c : bytes) {
      const auto b = static_cast<uint8_t>(c);
      out += "0123456789abcdef"[b >> 4], out += "0123456789abcdef"[b & 15];
    }
    out += '\n';
  });
  return out;
}

FeatureSpec spec(AggregateKind aggregate, Window window, int argument, TypeKind type, int filter) {
  FeatureSpec s{.aggregate = aggregate, .argument = argument, .filter = filter, .argument_type = type, .window = window};
  s.result_type = *result_type(aggregate, type);
  return s;
}
Window sliding(int64_t length_us, int64_t hop_us) { return {WindowKind::kSliding, length_us, hop_us == 0 ? ladder_hop(length_us) : hop_us}; }
Window exact(int64_t length_us) { return {WindowKind::kSlidingExact, length_us, 0}; }
Window tumbling(int64_t length_us) { return {WindowKind::kTumbling, length_us, 0}; }
Window lifetime() { return {WindowKind::kLifetime, 0, 0}; }

}  // namespace ms::feature::testing
