#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>

#include "base/rng.h"
#include "codec/packed_value.h"
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
    case TypeKind::kDecimal: column.decimals[row] = std::get<int64_t>(value); break;
    default: column.strings[row] = std::get<std::string>(value); break;
  }
}

}  // namespace

AppliedRows apply_events(ViewState& state, const std::vector<Type>& types, std::span<const Event> events, int64_t now) {
  if (events.empty()) return {};
  PreparedRows rows;
  rows.rows = events.size();
  rows.partition = events[0].partition;
  rows.arguments.resize(types.size());
  for (size_t a = 0; a < types.size(); ++a) rows.arguments[a].reset(types[a], events.size());
  rows.filters.resize(events[0].filters.size());
  std::vector<uint32_t> which;
  const bool retracts = std::ranges::any_of(events, [](const Event& e) { return e.retracts != PreparedRows::kEvent; });
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& e = events[i];
    if (retracts) rows.retracts.push_back(e.retracts);
    rows.keys.push_back(e.key);
    rows.shard_hashes.push_back(hash_of(e.key)), rows.table_hashes.push_back(hash_of(e.key));
    rows.event_times_us.push_back(e.et), rows.offsets.push_back(e.offset);
    for (size_t a = 0; a < types.size(); ++a) set_value(rows.arguments[a], i, e.arguments[a]);
    for (size_t f = 0; f < e.filters.size(); ++f) rows.filters[f].push_back(e.filters[f]);
    which.push_back(static_cast<uint32_t>(i));
  }
  return state.apply(rows, which, Instant{now});
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto b = static_cast<uint8_t>(c);
    if (b >= 'a' && b <= 'z') {
      out += c;
      continue;
    }
    out += '.', out += "0123456789abcdef"[b >> 4], out += "0123456789abcdef"[b & 15];
  }
  return out;
}

std::string show(const FeatureValue& value, const Type& type) {
  std::string out(to_string(value.status));
  out += ' ';
  if (value.is_null) {
    out += "null";
  } else if (type == TypeKind::kFloat64) {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, value.f);
    out.append(text, end.ptr);
    if (std::isnan(value.f)) out += std::bit_cast<uint64_t>(value.f) == kQuietNan ? "" : "(not canonical)";
  } else if (answer_is_bytes(type)) {
    out += '"' + hex(value.text) + '"';
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
      if (out.i > s.parameters.cap) out.status = Status::kOverflow;
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

// Aggregates whose values stand in the golden files: here only that windows, tiles and merging give them the right rows.
bool is_plain(const FeatureSpec& s) {
  if (s.window.kind == WindowKind::kDecay || s.aggregate > AggregateKind::kCountDistinct) return false;
  return !answer_is_bytes(s.argument_type) || s.aggregate == AggregateKind::kCount || s.aggregate == AggregateKind::kTimeSinceLast ||
         (s.argument_type == TypeKind::kString && (s.aggregate == AggregateKind::kFirst || s.aggregate == AggregateKind::kLast || s.aggregate == AggregateKind::kCountDistinct));
}

// What a state says that got these rows alone, at once. `window`: lifetime, or a decay's own.
FeatureValue by_state(FeatureSpec s, const Plain& p, int64_t t, bool after_event, std::string& keep) {
  s.ttl_us.reset(), s.default_value = std::monostate{};
  s.filter = -1;
  if (s.window.kind != WindowKind::kDecay) s.window = lifetime();
  s.result_type = *result_type(s);
  std::vector<Type> types(static_cast<size_t>(std::max(s.argument, s.by)) + 1);
  if (s.argument >= 0) types[static_cast<size_t>(s.argument)] = s.argument_type;
  if (s.by >= 0) types[static_cast<size_t>(s.by)] = s.by_type;
  const auto state = ViewState::make({s});
  for (const Event* e : p.rows) {
    Event alone = *e;
    alone.key = "k", alone.filters.clear();
    for (size_t a = 0; a < types.size(); ++a) {
      if (static_cast<int>(a) != s.argument && static_cast<int>(a) != s.by) alone.arguments[a] = std::monostate{};
    }
    alone.arguments.resize(types.size());
    apply_events(*state, types, {&alone, 1}, t);
  }
  FeatureRow row;
  state->evaluate("k", hash_of("k"), Instant{t}, after_event, row);
  FeatureValue out = row.values[0];
  keep = out.text;
  out.text = keep;
  return out;
}

// The rows of a window, from those that pass the filter, in canonical order. `overflow`: a session that is too long.
std::vector<const Event*> members(const Window& w, const std::vector<const Event*>& rows, int64_t t, bool after_event, bool& overflow) {
  const WindowPlan plan{w};
  std::vector<const Event*> out;
  for (const Event* e : rows) {
    if (e->et < plan.head(t, after_event)) out.push_back(e);
  }
  if (w.kind == WindowKind::kLast) {
    if (out.size() > static_cast<size_t>(w.count)) out.erase(out.begin(), out.end() - w.count);
    if (w.length_us != 0) std::erase_if(out, [&](const Event* e) { return e->et < t - w.length_us; });
    return out;
  }
  if (w.kind != WindowKind::kSession) {
    std::erase_if(out, [&](const Event* e) { return e->et < plan.tail(t); });
    return out;
  }
  std::vector<std::vector<const Event*>> runs;
  for (const Event* e : out) {
    if (runs.empty() || e->et - runs.back().back()->et > w.hop_us) runs.emplace_back();
    runs.back().push_back(e);
  }
  const auto is_open = [&](const std::vector<const Event*>& run) { return t - run.back()->et <= w.hop_us; };
  std::erase_if(runs, [&](const auto& run) { return is_open(run) == w.closed; });
  if (runs.empty()) return {};
  overflow = runs.back().back()->et - runs.back().front()->et > w.length_us;
  return runs.back();
}

Plain plain_of(const FeatureSpec& s, std::vector<const Event*> rows) {
  Plain p{.rows = std::move(rows), .values = {}};
  for (const Event* e : p.rows) {
    if (s.argument < 0) continue;
    const ScalarValue& v = e->arguments[static_cast<size_t>(s.argument)];
    if (!std::holds_alternative<std::monostate>(v)) p.values.push_back(&v);
  }
  return p;
}

// One answer with its default, before ttl.
FeatureValue settled(const FeatureSpec& s, const Type& type, const Plain& p, int64_t t, bool after_event, bool overflow, std::string& keep) {
  FeatureValue v = overflow && !p.rows.empty() ? FeatureValue{.status = Status::kOverflow} : is_plain(s) ? answer(s, p, t, keep) : by_state(s, p, t, after_event, keep);
  overflow = v.status == Status::kOverflow;
  v.event_time_us = p.rows.empty() ? kNoEventTime : p.rows.back()->et;
  v.status = overflow ? Status::kOverflow : p.rows.empty() ? Status::kEmptyWindow : v.is_null ? Status::kNull : Status::kPresent;
  if (overflow) v.is_null = true;
  if (overflow || !v.is_null || std::holds_alternative<std::monostate>(s.default_value)) return v;
  const FeatureValue d = value_of(s.default_value, keep);
  v.is_null = false, v.text = d.text;
  if (type == TypeKind::kFloat64) v.f = d.f; else v.i = d.i;
  return v;
}

// A series: each of its windows by itself, the newest first, in one list.
FeatureValue series_of(const FeatureSpec& s, const std::vector<const Event*>& rows, int64_t t, std::string& keep) {
  const Type element = s.result_type.element_type();
  PackedListWriter list(element.kind);
  FeatureValue out{.status = Status::kEmptyWindow, .is_null = false};
  int64_t head = WindowPlan{s.window}.head(t, false);
  for (int64_t i = 0; i < s.window.count; ++i, head -= s.window.length_us) {
    std::vector<const Event*> inside;
    for (const Event* e : rows) {
      if (e->et >= head - s.window.length_us && e->et < head) inside.push_back(e);
    }
    std::string text;
    const Plain p = plain_of(s, inside);
    FeatureSpec one = s;
    one.window = lifetime();
    const FeatureValue v = settled(one, element, p, t, false, false, text);
    out.event_time_us = std::max(out.event_time_us, v.event_time_us);
    if (v.status == Status::kOverflow) out.status = Status::kOverflow;
    if (out.status == Status::kEmptyWindow && !inside.empty()) out.status = Status::kPresent;
    PackedElement e{.is_null = v.is_null, .text = v.text};
    if (!v.is_null && element == TypeKind::kFloat64) e.f = v.f;
    else if (!v.is_null && element == TypeKind::kDecimal) std::memcpy(&e.d, v.text.data(), sizeof e.d), e.text = {};
    else if (!v.is_null) e.i = is_bytes(element) ? 0 : v.i;
    list.add(e);
  }
  out.is_null = out.status == Status::kOverflow;
  keep.clear();
  list.write(keep);
  out.text = keep;
  return out;
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
    std::vector<const Event*> passing;
    for (const Event* e : mine) {
      if (s.filter < 0 || e->filters[static_cast<size_t>(s.filter)] != 0) passing.push_back(e);
    }
    std::string keep;
    FeatureValue v;
    if (s.window.kind == WindowKind::kSeries) {
      v = series_of(s, passing, t, keep);
    } else {
      bool overflow = false;
      const Plain p = plain_of(s, members(s.window, passing, t, after_event, overflow));
      v = settled(s, s.result_type, p, t, after_event, overflow, keep);
    }
    if (v.status != Status::kOverflow && v.event_time_us != kNoEventTime && s.ttl_us && t - v.event_time_us > *s.ttl_us) v.status = Status::kExpired, v.is_null = true;
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

FeatureSpec spec(AggregateKind aggregate, Window window, int argument, const Type& type, int filter) {
  FeatureSpec s{.aggregate = aggregate, .argument = argument, .filter = filter, .argument_type = type, .window = window};
  s.result_type = *result_type(s);
  return s;
}
Window sliding(int64_t length_us, int64_t hop_us) { return {WindowKind::kSliding, length_us, hop_us == 0 ? ladder_hop(length_us) : hop_us}; }
Window exact(int64_t length_us) { return {WindowKind::kSlidingExact, length_us, 0}; }
Window tumbling(int64_t length_us) { return {WindowKind::kTumbling, length_us, 0}; }
Window lifetime() { return {WindowKind::kLifetime, 0, 0}; }

}  // namespace ms::feature::testing
