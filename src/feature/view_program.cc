#include "feature/view_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/nearest.h"
#include "feature/default_value.h"
#include "feature/expr_eval.h"
#include "feature/state_layout.h"

namespace ms::feature {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// A series has a default for each of its windows.
Type default_type(const FeatureSpec& spec) {
  return spec.window.kind == WindowKind::kSeries ? spec.result_type.element_type() : spec.result_type;
}

std::string canonical_window(const Window& w) {
  switch (w.kind) {
    case WindowKind::kSliding: return fmt::format(R"({{"hop_us":"{}","kind":"sliding","length_us":"{}"}})", w.hop_us, w.length_us);
    case WindowKind::kSlidingExact: return fmt::format(R"({{"kind":"sliding_exact","length_us":"{}"}})", w.length_us);
    case WindowKind::kTumbling: return fmt::format(R"({{"kind":"tumbling","length_us":"{}"}})", w.length_us);
    case WindowKind::kLifetime: return R"({"kind":"lifetime"})";
    case WindowKind::kHopping: return fmt::format(R"({{"kind":"hopping","length_us":"{}","slide_us":"{}"}})", w.length_us, w.hop_us);
    case WindowKind::kSession: return fmt::format(R"({{"closed":{},"gap_us":"{}","kind":"session","max_us":"{}"}})", w.closed, w.hop_us, w.length_us);
    case WindowKind::kLast: return fmt::format(R"({{"age_us":"{}","kind":"last","rows":"{}"}})", w.length_us, w.count);
    case WindowKind::kDecay: return fmt::format(R"({{"half_life_us":"{}","kind":"decay","width_us":"{}"}})", w.length_us, w.hop_us);
    case WindowKind::kSeries: return fmt::format(R"({{"kind":"series","step_us":"{}","windows":"{}"}})", w.length_us, w.count);
  }
  return "null";
}

// What an aggregate takes beside its arguments, if it takes anything (count_distinct's cap has a member of its own).
std::string canonical_parameters(const FeatureSpec& s) {
  const AggregateParameters& p = s.parameters;
  const auto numbers = [](const std::vector<double>& list) {
    std::string out;
    for (const double v : list) out += fmt::format("{}\"{}\"", out.empty() ? "" : ",", number_text(v));
    return out;
  };
  switch (s.aggregate) {
    case AggregateKind::kFirstN:
    case AggregateKind::kLastN: return fmt::format(R"("parameters":{{"distinct":{},"n":"{}"}},)", p.distinct, p.n);
    case AggregateKind::kApproxCountDistinct: return fmt::format(R"("parameters":{{"precision":"{}"}},)", p.precision);
    case AggregateKind::kQuantile: return fmt::format(R"("parameters":{{"error":"{}","list":{},"q":[{}]}},)", number_text(p.error), !p.one, numbers(p.quantiles));
    case AggregateKind::kHistogram: return fmt::format(R"("parameters":{{"bounds":[{}]}},)", numbers(p.bounds));
    case AggregateKind::kTopK: return fmt::format(R"("parameters":{{"cap":"{}","k":"{}"}},)", p.cap, p.n);
    case AggregateKind::kCountBy:
    case AggregateKind::kSumBy: return fmt::format(R"("parameters":{{"cap":"{}"}},)", p.cap);
    default: return "";
  }
}

std::string_view unit_name(TimeUnit unit) {
  static constexpr std::string_view kNames[] = {"s", "ms", "us", "rfc3339"};
  return kNames[static_cast<size_t>(unit)];
}

int64_t reach_of(const Window& w) {
  switch (w.kind) {
    case WindowKind::kSliding: return w.length_us + w.hop_us;
    case WindowKind::kSlidingExact: return w.length_us;
    case WindowKind::kTumbling: return 2 * w.length_us;
    case WindowKind::kHopping: return w.length_us + w.hop_us;
    case WindowKind::kSession: return w.closed ? INT64_MAX : w.length_us + 2 * w.hop_us + ladder_hop(w.length_us + 2 * w.hop_us);
    case WindowKind::kLast: return w.length_us == 0 ? INT64_MAX : w.length_us + ladder_hop(w.length_us);
    case WindowKind::kDecay: return 64 * w.length_us + w.hop_us;
    case WindowKind::kSeries: return (w.count + 1) * w.length_us;
    case WindowKind::kLifetime: return INT64_MAX;
  }
  return INT64_MAX;
}

// Why a retraction takes nothing back. In the order of the checks.
constexpr std::string_view kNoOffset = "its offset is null";
constexpr std::string_view kNegativeOffset = "its offset is negative";
constexpr std::string_view kLaterOffset = "its offset is not lower than the record's own";

class Program final : public ViewProgram {
 public:
  const std::vector<Field>& input_fields() const override { return inputs_; }
  const std::vector<FeatureColumn>& features() const override { return features_; }
  const std::vector<FeatureSpec>& specs() const override { return specs_; }
  const std::vector<Field>& key_fields() const override { return key_fields_; }
  const ViewDefinition& definition() const override { return view_; }
  bool retracts() const override { return source_.retract.has_value(); }
  int64_t longest_reach_us() const override { return reach_us_; }

  std::string canonical_feature(size_t i) const override {
    const FeatureSpec& s = specs_[i];
    std::string key;
    for (const uint32_t k : keys_) key += (key.empty() ? "" : ",") + graph_.canonical(k);
    const auto expression = [&](uint32_t node) { return node == kNone ? std::string("null") : graph_.canonical(node); };
    const bool distinct = s.aggregate == AggregateKind::kCountDistinct;
    return fmt::format(
        R"({{"aggregate":"{}",{}"boundary":"strict",{}"cap":{},"default":{},"event_time":{{"field":{},"unit":"{}"}},"filter":{},"format":"json","key":[{}],"language":{},"max_ahead_us":"{}","of":{},{}{}"ttl_us":{},"where":{},"window":{}}})",
        to_string(s.aggregate), view_.features[i].ahead_us == 0 ? "" : fmt::format(R"("ahead_us":"{}",)", view_.features[i].ahead_us),
        s.by < 0 ? "" : fmt::format(R"("by":{},)", expression(arguments_[static_cast<size_t>(s.by)])),
        distinct ? fmt::format("\"{}\"", s.parameters.cap) : "null", canonical_default(default_type(s), s.default_value),
        canonical_string(source_.time_field), unit_name(source_.time_unit),
        expression(s.filter < 0 ? kNone : filters_[static_cast<size_t>(s.filter)]), key, kLanguageVersion, source_.max_ahead_us,
        expression(s.argument < 0 ? kNone : arguments_[static_cast<size_t>(s.argument)]), canonical_parameters(s),
        retracts() ? fmt::format(R"("retract":{{"offset":{},"when":{}}},)", expression(retract_offset_), expression(retract_when_)) : "",
        s.ttl_us ? fmt::format("\"{}\"", *s.ttl_us) : "null", expression(where_), canonical_window(s.window));
  }

  using ViewProgram::prepare;
  void prepare(const ColumnBatch& batch, std::span<const uint32_t> columns, std::span<const uint8_t> keep,
               std::span<const HashedKey* const> known, PreparedRows& out) const override;

 private:
  friend class Compiler;

  // What the record in row `r` of `batch` takes back; kEvent: nothing, it is an event. nullopt: it is neither, and `failed` says why.
  std::optional<int64_t> named_offset(const ExprEvaluator& values, const ColumnBatch& batch, uint32_t r, FailedRow& failed) const;
  // The reason why selected row `r` fails, or 0.
  uint16_t row_error(const ExprEvaluator& values, size_t r) const;
  uint16_t key_error(const ExprEvaluator& values, size_t r) const;
  void append_rows(const ExprEvaluator& values, std::span<const uint32_t> selected, PreparedRows& out) const;  // but for keys and times
  void append_keys(const ExprEvaluator& values, std::span<const uint32_t> selected, PreparedRows& out) const;

  SourceDefinition source_;
  ViewDefinition view_;
  ExprGraph graph_;
  std::vector<bool> needed_;
  std::vector<uint32_t> field_nodes_;  // node of each input field
  uint32_t time_node_ = kNone;         // node of the event time, if an expression uses it
  uint32_t where_ = kNone;
  uint32_t retract_when_ = kNone, retract_offset_ = kNone;
  std::vector<uint32_t> keys_, arguments_, filters_;
  std::vector<std::string> reasons_;   // by node
  std::vector<Field> inputs_, key_fields_;
  std::vector<FeatureColumn> features_;
  std::vector<FeatureSpec> specs_;
  int64_t reach_us_ = 0;
};

class Compiler {
 public:
  Compiler(const SourceDefinition& source, const EntityDefinition& entity, const ViewDefinition& view, DefinitionPlace& place)
      : entity_(entity), view_(view), place_(place), out_(std::make_shared<Program>()) {
    out_->source_ = source, out_->view_ = view;
  }

  Result<std::shared_ptr<const ViewProgram>> run() {
    TRY(names());
    TRY(retraction());
    if (!view_.where.empty()) {
      TRY_ASSIGN(out_->where_, expression(view_.where, "where", "where", TypeKind::kBool));
    }
    TRY(key());
    for (size_t i = 0; i < view_.features.size(); ++i) TRY(feature(i));
    finish();
    return out_;
  }

 private:
  Unexpected fail(std::string part, size_t column, const std::string& message) {
    place_ = {std::move(part), column};
    return invalid(message);
  }

  Result<uint32_t> expression(const std::string& text, const std::string& part, const std::string& shown, std::optional<Type> wanted = std::nullopt) {
    const auto id = out_->graph_.add(text, names_, shown, wanted);
    if (!id) return fail(part, id.error().column, fmt::format("{}, column {}: {}", shown, id.error().column, id.error().message));
    if (out_->graph_.nodes().size() > 10'000) return fail(part, 0, "the view's expressions have more than 10,000 parts");
    return *id;
  }

  Result<> names() {
    const SourceDefinition& s = out_->source_;
    out_->time_node_ = out_->graph_.add_field(s.time_field, TypeKind::kTimestamp);
    names_[s.time_field] = out_->time_node_;
    for (const Field& f : s.fields) names_[f.name] = out_->graph_.add_field(f.name, f.type);
    for (size_t i = 0; i < s.derived.size(); ++i) {
      const auto& [name, text] = s.derived[i];
      const std::string part = fmt::format("source.derived[{}]", i);
      if (names_.contains(name) && name != s.time_field) return fail(part, 0, fmt::format("derived field '{}' has the name of another field", name));
      TRY_ASSIGN(names_[name], expression(text, part, fmt::format("derived.{}", name)));
    }
    return {};
  }

  Result<> retraction() {
    const auto& rule = out_->source_.retract;
    if (!rule) return {};
    TRY_ASSIGN(out_->retract_when_, expression(rule->when, "source.retract.when", "retract.when", TypeKind::kBool));
    TRY_ASSIGN(out_->retract_offset_, expression(rule->offset, "source.retract.offset", "retract.offset", TypeKind::kInt64));
    return {};
  }

  Result<> key() {
    if (entity_.key.empty()) return fail("entity", 0, fmt::format("entity '{}' has no key", entity_.name));
    for (size_t i = 0; i < entity_.key.size(); ++i) {
      const std::string& name = entity_.key[i];
      const auto found = names_.find(name);
      if (found == names_.end()) {
        std::vector<std::string> known;
        for (const auto& [n, id] : names_) known.push_back(n);
        return fail(fmt::format("entity.key[{}]", i), 0, fmt::format("source '{}' has no field '{}', a key of entity '{}'{}", out_->source_.name, name, entity_.name, did_you_mean(name, known)));
      }
      const Type type = out_->graph_.node(found->second).type;
      if (type != TypeKind::kString && type != TypeKind::kInt64 && type != TypeKind::kBool && type != TypeKind::kTimestamp)
        return fail(fmt::format("entity.key[{}]", i), 0, fmt::format("field '{}' is {}, which cannot be a key; use int64 or string", name, type_text(type)));
      out_->keys_.push_back(found->second);
      out_->key_fields_.push_back({name, type});
    }
    return {};
  }

  static int position(std::vector<uint32_t>& list, uint32_t node) {
    const auto at = std::find(list.begin(), list.end(), node);
    if (at != list.end()) return static_cast<int>(at - list.begin());
    list.push_back(node);
    return static_cast<int>(list.size() - 1);
  }

  Result<> feature(size_t i) {
    const FeatureDefinition& f = view_.features[i];
    const std::string part = fmt::format("features[{}]", i);
    FeatureSpec spec{.aggregate = f.aggregate, .window = f.window, .ttl_us = f.ttl_us, .parameters = f.parameters};
    const bool takes_argument = takes_of(f.aggregate);
    if (takes_argument && f.of.empty()) return fail(part + ".of", 0, fmt::format("feature '{}': {} needs 'of'", f.name, to_string(f.aggregate)));
    if (!takes_argument && !f.of.empty()) return fail(part + ".of", 0, fmt::format("feature '{}': {} takes no 'of'", f.name, to_string(f.aggregate)));
    if (takes_argument) {
      TRY_ASSIGN(const uint32_t node, expression(f.of, part + ".of", f.name + ".of"));
      spec.argument = position(out_->arguments_, node);
      spec.argument_type = out_->graph_.node(node).type;
    }
    if (takes_by(f.aggregate) == f.by.empty()) return fail(part + ".by", 0, fmt::format("feature '{}': {} {} 'by'", f.name, to_string(f.aggregate), f.by.empty() ? "needs" : "takes no"));
    if (!f.by.empty()) {
      TRY_ASSIGN(const uint32_t node, expression(f.by, part + ".by", f.name + ".by"));
      spec.by = position(out_->arguments_, node);
      spec.by_type = out_->graph_.node(node).type;
    }
    if (!f.where.empty()) {
      TRY_ASSIGN(const uint32_t node, expression(f.where, part + ".where", f.name + ".where", TypeKind::kBool));
      spec.filter = position(out_->filters_, node);
    }
    if (f.aggregate == AggregateKind::kCountDistinct && (f.parameters.cap < 1 || f.parameters.cap > 1'000'000))
      return fail(part + ".cap", 0, fmt::format("feature '{}': cap {} is outside 1..1,000,000", f.name, f.parameters.cap));
    if (const auto window = check_window(f.window); !window) return fail(part + ".over", 0, fmt::format("feature '{}': {}", f.name, window.error().message));
    if (out_->retracts() && WindowPlan{f.window}.is_forever())
      return fail(part + ".over", 0,
                  fmt::format("feature '{}': source '{}' takes events back, so every row that its window can reach is kept, and this window "
                              "reaches back for ever; give it a bounded one: a duration, session(gap, longest) or last(n, age)",
                              f.name, out_->source_.name));
    const auto type = result_type(spec);
    if (!type) return fail(part + (fits_sliding(spec) ? ".over" : ".of"), 0, fmt::format("feature '{}': {}", f.name, type.error().message));
    spec.result_type = *type;
    TRY(default_value(f, part, spec));
    if (f.ttl_us && *f.ttl_us <= 0) return fail(part + ".ttl", 0, fmt::format("feature '{}': ttl must be positive", f.name));
    out_->features_.push_back({f.name, spec.result_type});
    out_->reach_us_ = std::max(out_->reach_us_, reach_of(f.window));
    out_->specs_.push_back(std::move(spec));
    return {};
  }

  // Whether the arguments are right, whatever the window.
  static bool fits_sliding(FeatureSpec spec) {
    spec.window = {};
    return result_type(spec).has_value();
  }

  Result<> default_value(const FeatureDefinition& f, const std::string& part, FeatureSpec& spec) {
    const Type wanted = default_type(spec);
    auto value = default_of(wanted, f.default_value, f.default_json);
    if (!value) return fail(part + ".default", 0, fmt::format("feature '{}' is {}, its default is {}", f.name, type_text(wanted), value.error().message));
    spec.default_value = std::move(*value);
    return {};
  }

  void finish() {
    Program& p = *out_;
    p.needed_.assign(p.graph_.nodes().size(), false);
    for (const uint32_t node : {p.where_, p.retract_when_, p.retract_offset_})
      if (node != kNone) p.graph_.reach(node, p.needed_);
    for (const auto* list : {&p.keys_, &p.arguments_, &p.filters_})
      for (const uint32_t node : *list) p.graph_.reach(node, p.needed_);
    for (const Field& f : p.source_.fields) {
      const uint32_t node = p.graph_.add_field(f.name, f.type);
      if (node == p.time_node_ || !p.needed_[node]) continue;
      p.inputs_.push_back(f);
      p.field_nodes_.push_back(node);
    }
    for (uint32_t id = 0; id < p.graph_.nodes().size(); ++id) p.reasons_.push_back(failure_reason(p.graph_, id));
  }

  const EntityDefinition& entity_;
  const ViewDefinition& view_;
  DefinitionPlace& place_;
  std::shared_ptr<Program> out_;
  ExprGraph::Names names_;
};

bool is_true(const ExprColumn& c, size_t row) { return c.valid(row) && c.b(row) != 0; }

std::optional<int64_t> Program::named_offset(const ExprEvaluator& values, const ColumnBatch& batch, uint32_t r, FailedRow& failed) const {
  const auto bad = [&](std::string_view reason) {
    failed = {r, reason, true};
    return std::nullopt;
  };
  const ExprColumn &when = values.at(retract_when_), &offset = values.at(retract_offset_);
  if (const uint16_t e = when.error(r); e != 0) return bad(reasons_[e - 1u]);
  if (!is_true(when, r)) return PreparedRows::kEvent;
  if (const uint16_t e = offset.error(r); e != 0) return bad(reasons_[e - 1u]);
  if (!offset.valid(r)) return bad(kNoOffset);
  if (offset.i(r) < 0) return bad(kNegativeOffset);
  if (offset.i(r) >= batch.offsets[r].value) return bad(kLaterOffset);
  return offset.i(r);
}

uint16_t Program::key_error(const ExprEvaluator& values, size_t r) const {
  for (const uint32_t k : keys_)
    if (const uint16_t e = values.at(k).error(r); e != 0) return e;
  return 0;
}

uint16_t Program::row_error(const ExprEvaluator& values, size_t r) const {
  if (const uint16_t e = key_error(values, r); e != 0) return e;
  for (const FeatureSpec& s : specs_) {
    if (s.filter >= 0) {
      const ExprColumn& filter = values.at(filters_[static_cast<size_t>(s.filter)]);
      if (const uint16_t e = filter.error(r); e != 0) return e;
      if (!is_true(filter, r)) continue;
    }
    for (const int argument : {s.argument, s.by}) {
      if (argument < 0) continue;
      if (const uint16_t e = values.at(arguments_[static_cast<size_t>(argument)]).error(r); e != 0) return e;
    }
  }
  return 0;
}

// Keys that came lately, by some of their bits: a stream of few keys hashes and keeps each once. The bytes are in the arena
// of the rows that are being made.
class RecentKeys {
 public:
  // `key` as it is kept; false: it is not among them, `place` is where it belongs.
  bool find(std::string_view key, HashedKey*& place) {
    uint64_t ends = key.size();
    for (size_t i = 0; i < std::min<size_t>(key.size(), 4); ++i) ends = ends * 257 + static_cast<uint8_t>(key[key.size() - 1 - i]);
    place = &keys_[ends * 0x9E3779B97F4A7C15ull >> 56];
    return !place->bytes.empty() && place->bytes == key;
  }
  void clear() { keys_.fill({}); }

 private:
  std::array<HashedKey, 256> keys_;
};

void Program::append_keys(const ExprEvaluator& values, std::span<const uint32_t> selected, PreparedRows& out) const {
  thread_local std::string key;
  thread_local RecentKeys recent;
  recent.clear();
  for (const uint32_t r : selected) {
    key.clear();
    for (const uint32_t k : keys_) {
      const ExprColumn& c = values.at(k);
      switch (graph_.node(k).type) {
        case TypeKind::kBool: append_key_part(key, c.b(r) != 0); break;
        case TypeKind::kString: append_key_part(key, c.s(r)); break;
        default: append_key_part(key, c.i(r));
      }
    }
    HashedKey* place = nullptr;
    if (!recent.find(key, place)) *place = {out.arena.add(key), shard_hash(key), table_hash(key)};
    out.keys.push_back(place->bytes);
    out.shard_hashes.push_back(place->shard_hash);
    out.table_hashes.push_back(place->table_hash);
  }
}

void append_known_keys(std::span<const HashedKey* const> known, std::span<const uint32_t> selected, PreparedRows& out) {
  const size_t before = out.keys.size(), rows = before + selected.size();
  out.keys.resize(rows), out.shard_hashes.resize(rows), out.table_hashes.resize(rows);
  for (size_t i = 0; i < selected.size(); ++i) {
    const HashedKey& key = *known[selected[i]];
    out.keys[before + i] = key.bytes, out.shard_hashes[before + i] = key.shard_hash, out.table_hashes[before + i] = key.table_hash;
  }
}

// Appends `selected` rows of `from` to `to`, which has `before` rows.
void append_column(const ExprColumn& from, const Type& type, std::span<const uint32_t> selected, size_t before, Column& to) {
  to.type = type;
  const size_t rows = before + selected.size();
  to.validity.resize((rows + 63) / 64, 0);
  const auto gather = [&](auto& values, auto get) {
    values.resize(rows);
    for (size_t i = 0; i < selected.size(); ++i) {
      const uint32_t r = selected[i];
      if (!from.valid(r)) continue;
      to.set_valid(before + i);
      values[before + i] = get(r);
    }
  };
  switch (type) {
    case TypeKind::kBool: return gather(to.bools, [&](size_t r) { return from.b(r); });
    case TypeKind::kFloat64: return gather(to.floats, [&](size_t r) { return from.f(r); });
    case TypeKind::kDecimal: return gather(to.decimals, [&](size_t r) { return from.d(r); });
    case TypeKind::kString:
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap: return gather(to.strings, [&](size_t r) { return from.s(r); });
    default: return gather(to.ints, [&](size_t r) { return from.i(r); });
  }
}

void Program::append_rows(const ExprEvaluator& values, std::span<const uint32_t> selected, PreparedRows& out) const {
  const size_t before = out.rows;
  out.arguments.resize(arguments_.size());
  for (size_t a = 0; a < arguments_.size(); ++a)
    append_column(values.at(arguments_[a]), graph_.node(arguments_[a]).type, selected, before, out.arguments[a]);
  out.filters.resize(filters_.size());
  for (size_t f = 0; f < filters_.size(); ++f) {
    const ExprColumn& filter = values.at(filters_[f]);
    for (const uint32_t r : selected) out.filters[f].push_back(is_true(filter, r) ? 1 : 0);
  }
  out.rows += selected.size();
}

void Program::prepare(const ColumnBatch& batch, std::span<const uint32_t> columns, std::span<const uint8_t> keep,
                      std::span<const HashedKey* const> known, PreparedRows& out) const {
  CHECK(columns.size() == inputs_.size() + 1 && keep.size() >= batch.rows);
  thread_local ExprEvaluator values;
  thread_local std::vector<const Column*> fields;
  thread_local std::vector<uint32_t> selected;
  fields.assign(graph_.nodes().size(), nullptr);
  for (size_t i = 0; i < field_nodes_.size(); ++i) fields[field_nodes_[i]] = &batch.columns[columns[i]];
  const Column& times = batch.columns[columns.back()];
  fields[time_node_] = &times;
  values.run(graph_, needed_, fields, batch.rows, out.arena);

  selected.clear();
  bool may_fail = false;
  for (uint32_t id = 0; id < needed_.size(); ++id) may_fail |= needed_[id] && !values.at(id).errors.empty();
  for (uint32_t r = 0; r < batch.rows; ++r) {
    if (keep[r] == 0) continue;
    uint16_t error = 0;
    int64_t named = PreparedRows::kEvent;
    if (retracts()) {
      FailedRow failed;
      const auto offset = named_offset(values, batch, r, failed);
      if (!offset) {
        out.failed.push_back(failed);
        continue;
      }
      named = *offset;
    }
    if (named != PreparedRows::kEvent) {
      error = key_error(values, r);
    } else if (where_ != kNone && !is_true(values.at(where_), r)) {
      error = values.at(where_).error(r);
      if (error == 0) {
        ++out.filtered;
        continue;
      }
    }
    if (error == 0 && may_fail && named == PreparedRows::kEvent) error = row_error(values, r);
    if (error != 0) {
      out.failed.push_back({r, reasons_[error - 1u]});
    } else if (!std::all_of(keys_.begin(), keys_.end(), [&](uint32_t k) { return values.at(k).valid(r); })) {
      ++out.null_keys;
    } else {
      selected.push_back(r);
      if (retracts()) out.retracts.push_back(named);
    }
  }
  const size_t before = out.rows;
  if (known.empty()) append_keys(values, selected, out);
  else append_known_keys(known, selected, out);
  append_rows(values, selected, out);
  out.event_times_us.resize(out.rows), out.offsets.resize(out.rows);
  for (size_t i = 0; i < selected.size(); ++i) {
    out.event_times_us[before + i] = times.ints[selected[i]];
    out.offsets[before + i] = batch.offsets[selected[i]].value;
  }
  out.partition = batch.partition.value;
}

}  // namespace

void PreparedRows::clear() {
  rows = 0;
  keys.clear(), shard_hashes.clear(), table_hashes.clear();
  event_times_us.clear(), offsets.clear(), retracts.clear();
  for (Column& c : arguments) c.reset(c.type, 0);
  for (auto& f : filters) f.clear();
  arena.clear();
  filtered = 0, null_keys = 0;
  failed.clear();
}

void PreparedRows::reserve(size_t most) {
  keys.reserve(most), shard_hashes.reserve(most), table_hashes.reserve(most);
  event_times_us.reserve(most), offsets.reserve(most);
}

void ViewProgram::prepare(const ColumnBatch& batch, std::span<const uint8_t> keep, PreparedRows& out) const {
  thread_local std::vector<uint32_t> columns;
  columns.resize(input_fields().size() + 1);
  for (uint32_t i = 0; i < columns.size(); ++i) columns[i] = i;
  prepare(batch, columns, keep, out);
}

Result<std::shared_ptr<const ViewProgram>> ViewProgram::compile(const SourceDefinition& source, const EntityDefinition& entity,
                                                                const ViewDefinition& view, DefinitionPlace* place) {
  DefinitionPlace ignored;
  return Compiler(source, entity, view, place ? *place : ignored).run();
}

}  // namespace ms::feature
