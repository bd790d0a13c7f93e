#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/float_text.h"
#include "base/rng.h"
#include "catalog/planner.h"
#include "codec/decimal_text.h"
#include "codec/json_columns.h"
#include "codec/record_batch.h"
#include "codec/value_text.h"
#include "engine/row_split.h"
#include "engine/testing/golden.h"
#include "engine/topic_reader.h"
#include "feature/exact_sum.h"
#include "feature/row_pack.h"
#include "feature/service_rows.h"
#include "feature/state_testing.h"
#include "feature/view_state.h"

namespace ms::engine::testing {
namespace {

// Answers of one question: "found" or "not found", then one text per feature; the canonical export.
struct Replies {
  std::vector<std::string> texts;
  std::vector<std::string> event_times;
  std::vector<std::string> exported;
  bool operator==(const Replies&) const = default;
};

std::string value_text(const feature::FeatureValue& v, const Type& type) {
  if (v.is_null) return "null";
  switch (type.kind) {
    case TypeKind::kBool: return v.i != 0 ? "true" : "false";
    case TypeKind::kInt64: return std::to_string(v.i);
    case TypeKind::kTimestamp: return format_time(v.i);
    case TypeKind::kString: return '"' + std::string(v.text) + '"';
    case TypeKind::kDecimal:
      return decimal_text(feature::answer_decimal(v.text), type.scale);
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap:
      return nested_text(type, v.text);
    case TypeKind::kFloat64:
      break;
  }
  if (std::isnan(v.f) && std::bit_cast<uint64_t>(v.f) != feature::kQuietNan) return "another NaN";
  return float_text(v.f);
}

std::string event_time_text(int64_t us) { return us == feature::kNoEventTime ? "none" : format_time(us); }

// The compiled definitions of a case, and its records through the reader that the engine uses.
class Source {
 public:
  Result<> compile(const GoldenCase& golden) {
    const catalog::DefinitionFile file{"golden.yaml", golden.definitions};
    const auto parsed = catalog::parse_definitions({&file, 1});
    const auto planned = catalog::plan_definitions({}, parsed, nullptr);
    if (!planned.report.ok()) return invalid(planned.report.text());
    if (planned.next->views.size() != 1) return invalid("a case has one view");
    for (const auto& service : planned.next->services)
      for (const auto& labels : service->labels)
        for (size_t f = 0; f < labels->program->specs().size(); ++f)
          labels_.push_back({labels->program->features()[f].name, labels->program->specs()[f]});
    const auto& view = planned.next->views[0];
    program_ = view->program;
    names_.clear();
    for (const feature::FeatureColumn& f : program_->features()) names_.push_back(f.name);
    if (planned.next->services.size() == 1) TRY(take_service(*planned.next->services[0]));
    reader_ = TopicReader::make({{view->source.definition, {program_}}});
    return {};
  }
  const feature::ViewProgram& program() const { return *program_; }
  const std::vector<GoldenFeature>& labels() const { return labels_; }
  const std::vector<std::string>& names() const { return names_; }  // of the features, then of the derived ones
  // The request of the questions that follow.
  Result<> set_request(const std::string& json) {
    if (service_ == nullptr) return json.empty() ? Result<>{} : invalid("no service takes a request");
    std::vector<JsonField> fields;
    for (const feature::Field& f : service_->request()) fields.push_back({.path = f.name, .type = f.type, .time = JsonTime::kRfc3339});
    const auto decoder = JsonDecoder::make(std::move(fields));
    request_.clear();
    decoder->start(request_, 1);
    request_json_ = json.empty() ? "{}" : json;
    if (const auto fault = decoder->decode(request_json_, 0, request_, 0)) return invalid("request: " + *fault);
    return {};
  }
  // Derived features of a row, as replies and training sets have them.
  void derive(const feature::FeatureRow& row, const std::function<void(const feature::FeatureValue&, const Type&)>& sink) const {
    if (service_ == nullptr) return;
    feature::ServiceRows rows;
    StringArena arena;
    rows.begin(*service_, 1);
    for (const uint32_t f : service_->features_used()) rows.set_feature(f, 0, row.values[columns_[f]]);
    for (const uint32_t f : service_->request_used()) rows.set_request(f, request_.columns[f], 0);
    rows.derive(arena);
    for (size_t d = 0; d < service_->results().size(); ++d) sink(rows.value(d, 0, arena), service_->results()[d].type);
  }
  std::unique_ptr<feature::ViewState> make_state() const { return feature::ViewState::make(program_); }

  // Gives the event's chunk to `sink`, as a record batch of its own.
  Result<> read(const GoldenEvent& event, const std::function<void(TopicReader::Chunk&)>& sink) {
    const GoldenEvent* one = &event;
    return read({&one, 1}, 10, sink);
  }
  // Events of one partition and append time, whose offsets follow each other, as one record batch in chunks of so many rows.
  Result<> read(std::span<const GoldenEvent* const> events, size_t rows_max, const std::function<void(TopicReader::Chunk&)>& sink) {
    std::vector<RecordToWrite> records;
    for (const GoldenEvent* e : events) records.push_back({.timestamp_ms = 0, .key = {}, .value = e->json, .headers = {}});
    const Offset first{events.front()->offset}, last{events.back()->offset};
    BatchToWrite batch;
    batch.base = first;
    TRY_ASSIGN(const std::string bytes, build_record_batch(batch, records));
    const log::ReadBatch input{Slice::copy(bytes), first, last, {events.front()->at}};
    return reader_->read({events.front()->partition}, {&input, 1}, first, {last.value + 1}, rows_max,
                         [&](TopicReader::Chunk& chunk) -> Result<> {
                           sink(chunk);
                           return {};
                         });
  }

  Result<std::string> key(std::string_view text) const {
    std::string out;
    for (const feature::Field& field : program_->key_fields()) {
      const size_t end = std::min(text.find(','), text.size());
      const std::string_view part = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      int64_t number = 0;
      if (field.type == TypeKind::kString) {
        feature::append_key_part(out, part);
      } else if (field.type == TypeKind::kBool) {
        feature::append_key_part(out, part == "true");
      } else if (std::from_chars(part.data(), part.data() + part.size(), number).ptr == part.data() + part.size()) {
        feature::append_key_part(out, number);
      } else {
        return invalid(fmt::format("key part '{}' is not a number", part));
      }
    }
    return out;
  }

 private:
  Result<> take_service(const catalog::ServiceEntry& service) {
    service_ = service.program;
    columns_.clear();
    for (const catalog::ServiceColumn& column : service.columns) columns_.push_back(column.feature);
    for (const auto& [name, expression] : service.definition.derived) names_.push_back(name);
    return {};
  }

  std::shared_ptr<const feature::ViewProgram> program_;
  std::unique_ptr<TopicReader> reader_;
  std::vector<GoldenFeature> labels_;
  std::shared_ptr<const feature::ServiceProgram> service_;  // null: nothing is derived
  std::vector<uint32_t> columns_;                           // of the service: which feature of the view
  std::vector<std::string> names_;
  std::string request_json_;
  ColumnBatch request_;
};

// Some states side by side, as shards are.
class Shards {
 public:
  Shards(Source& source, uint32_t count) : source_(source) {
    for (uint32_t i = 0; i < count; ++i) states_.push_back(source.make_state());
  }

  Result<> apply(const GoldenEvent& event, int64_t now) {
    const GoldenEvent* one = &event;
    return apply({&one, 1}, 10, now);
  }
  Result<> apply(std::span<const GoldenEvent* const> events, size_t rows_max, int64_t now) {
    return source_.read(events, rows_max, [&](TopicReader::Chunk& chunk) {
      split_.split(*chunk.rows[0], static_cast<uint32_t>(states_.size()));
      for (uint32_t s = 0; s < states_.size(); ++s) states_[s]->apply(*chunk.rows[0], split_.of(s), {now});
    });
  }
  Result<> restart(int64_t now) {
    for (auto& state : states_) {
      state->maintain({now}, 1000);
      ByteWriter out;
      state->save(out);
      state = source_.make_state();
      const std::string bytes = out.take();
      ByteReader in(bytes);
      TRY(state->load(in));
    }
    return {};
  }
  Replies ask(const std::string& key, const GoldenQuestion& q) const {
    const int64_t t = q.t;
    feature::FeatureRow row;
    if (q.self) ask_without(key, q, row);
    else state_of(key).evaluate(key, feature::table_hash(key), {t}, q.after_event, row);
    Replies out = show(row);
    for (const auto& state : states_) {
      state->export_canonical({t}, [&](std::string_view k, std::string_view bytes) {
        std::string line;
        for (const char c : std::string(k) + '=' + std::string(bytes)) line += fmt::format("{:02x}", static_cast<uint8_t>(c));
        out.exported.push_back(std::move(line));
      });
    }
    std::sort(out.exported.begin(), out.exported.end());
    return out;
  }
  // As training sets do: beside the running totals of other questions.
  Replies ask_excluding(const std::string& key, const GoldenQuestion& q) const {
    feature::FeatureRow row;
    ask_without(key, q, row);
    return show(row);
  }
  Replies ask_forward(const std::string& key, int64_t t, bool after_event) {
    feature::FeatureRow row;
    state_of(key).evaluate_forward(key, feature::table_hash(key), {t}, after_event, row);
    return show(row);
  }

 private:
  void ask_without(const std::string& key, const GoldenQuestion& q, feature::FeatureRow& row) const {
    state_of(key).evaluate_without(key, feature::table_hash(key), {q.t}, {q.self->first, q.self->second}, row);
  }
  feature::ViewState& state_of(const std::string& key) const {
    return *states_[shard_of(feature::shard_hash(key), static_cast<uint32_t>(states_.size()))];
  }
  Replies show(const feature::FeatureRow& row) const {
    Replies out;
    out.texts.emplace_back(row.found ? "true" : "false");
    for (size_t i = 0; i < row.values.size(); ++i) {
      const feature::FeatureValue& v = row.values[i];
      out.texts.push_back(fmt::format("{} {}", value_text(v, source_.program().features()[i].type), feature::to_string(v.status)));
      out.event_times.push_back(event_time_text(v.event_time_us));
    }
    source_.derive(row, [&](const feature::FeatureValue& v, const Type& type) {
      out.texts.push_back(fmt::format("{} {}", value_text(v, type), feature::to_string(v.status)));
      out.event_times.push_back(event_time_text(v.event_time_us));
    });
    return out;
  }

  Source& source_;
  std::vector<std::unique_ptr<feature::ViewState>> states_;
  RowSplit split_;
};

bool same_answers(const Replies& a, const Replies& b) { return a.texts == b.texts && a.event_times == b.event_times; }

std::string text_of(const Replies& r) {
  std::string out = "found " + r.texts[0];
  for (size_t i = 1; i < r.texts.size(); ++i) out += fmt::format(", {} @{}", r.texts[i], r.event_times[i - 1]);
  return out;
}

class Run {
 public:
  explicit Run(const GoldenCase& golden) : golden_(golden) {}

  Result<std::vector<std::string>> run(GoldenMode mode) {
    TRY(source_.compile(golden_));
    TRY(check_dead_letters());
    for (const GoldenQuestion& q : golden_.questions) {
      if (q.as_served && mode != GoldenMode::kWhole && mode != GoldenMode::kRestart) continue;
      TRY(question(q, mode));
    }
    return std::move(failures_);
  }

 private:
  Result<> question(const GoldenQuestion& q, GoldenMode mode) {
    TRY_ASSIGN(const std::string key, source_.key(q.key));
    TRY(source_.set_request(q.request));
    TRY_ASSIGN(const Replies whole, in_order(q, key, 1, false));
    switch (mode) {
      case GoldenMode::kWhole: check(q, whole); return {};
      case GoldenMode::kRestart: return compare(q, whole, in_order(q, key, 1, true));
      case GoldenMode::kTwoShards: return compare(q, whole, in_order(q, key, 2, false));
      case GoldenMode::kEightShards: return compare(q, whole, in_order(q, key, 8, false));
      case GoldenMode::kShuffle:
        for (uint64_t seed = 1; seed <= 8; ++seed) {
          const feature::testing::PackedRowsAtMost few(seed % 4);
          TRY(compare(q, whole, shuffled(q, key, seed)));
        }
        return {};
      case GoldenMode::kBatches:
        for (const size_t rows : {1, 2, 3, 100}) {
          const feature::testing::PackedRowsAtMost few(rows % 4);
          TRY(compare(q, whole, in_batches(q, key, rows)));
        }
        return {};
      case GoldenMode::kReplay:
        for (const bool all_first : {true, false}) {
          const feature::testing::PackedRowsAtMost few(all_first ? 0 : feature::RowPacker::kRowsMost);
          TRY_ASSIGN(const Replies r, replayed(q, key, all_first));
          check(q, r);
          if (!same_answers(r, whole)) failures_.push_back(fmt::format("line {}: replay: {}\n  whole: {}", q.line, text_of(r), text_of(whole)));
        }
        return {};
    }
    return {};
  }

  std::vector<const GoldenEvent*> known(const GoldenQuestion& q) const {
    std::vector<const GoldenEvent*> out;
    for (const GoldenEvent& e : golden_.events) {
      const auto pin = q.pin.find(e.partition);
      const bool is_known = q.as_served ? e.at <= q.t : (pin == q.pin.end() || e.offset < pin->second) && !q.without.contains(e.position());
      if (is_known) out.push_back(&e);
    }
    return out;
  }

  // Each event at its append time, as the log gives them; what was appended after t is applied at t.
  Result<Replies> in_order(const GoldenQuestion& q, const std::string& key, uint32_t shards, bool restarts) {
    Shards states(source_, shards);
    for (const GoldenEvent* e : known(q)) {
      TRY(states.apply(*e, std::min(e->at, q.t)));
      if (restarts) TRY(states.restart(std::min(e->at, q.t)));
    }
    if (restarts) TRY(states.restart(q.t));
    return states.ask(key, q);
  }

  // Partition after partition, neighbours in one record batch.
  Result<Replies> in_batches(const GoldenQuestion& q, const std::string& key, size_t rows_max) {
    auto events = known(q);
    std::ranges::sort(events, {}, [](const GoldenEvent* e) { return e->position(); });
    Shards states(source_, 2);
    for (size_t i = 0; i < events.size();) {
      size_t end = i + 1;
      while (end < events.size() && events[end]->partition == events[i]->partition && events[end]->at == events[i]->at &&
             events[end]->offset == events[end - 1]->offset + 1)
        ++end;
      TRY(states.apply(std::span(events).subspan(i, end - i), rows_max, q.t));
      i = end;
    }
    return states.ask(key, q);
  }

  // In any order, while the clock jumps towards t or stays behind.
  Result<Replies> shuffled(const GoldenQuestion& q, const std::string& key, uint64_t seed) {
    Rng rng(seed);
    auto events = known(q);
    for (size_t i = events.size(); i > 1; --i) std::swap(events[i - 1], events[rng.below(i)]);
    if (source_.program().retracts()) TRY(put_retractions_behind(events));
    Shards states(source_, 1);
    int64_t now = INT64_MIN;
    for (const GoldenEvent* e : events) {
      if (rng.below(3) == 0) now = std::max(now, q.t - static_cast<int64_t>(rng.below(2 * kMicrosPerDay)));
      TRY(states.apply(*e, now));
      if (rng.below(4) == 0) TRY(states.restart(now));
    }
    return states.ask(key, q);
  }

  // What a retraction names comes before it in every order there is: it exchanges its place with it.
  Result<> put_retractions_behind(std::vector<const GoldenEvent*>& events) {
    for (size_t i = 0; i < events.size(); ++i) {
      for (;;) {
        TRY_ASSIGN(const int64_t named, named_by(*events[i]));
        const auto record = std::find_if(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, events.end(),
                                         [&](const GoldenEvent* e) { return e->position() == std::pair(events[i]->partition, named); });
        if (record == events.end()) break;
        std::swap(events[i], *record);
      }
    }
    return {};
  }
  // kEvent: the record takes nothing back.
  Result<int64_t> named_by(const GoldenEvent& e) {
    int64_t out = feature::PreparedRows::kEvent;
    TRY(source_.read(e, [&](TopicReader::Chunk& chunk) {
      if (chunk.rows[0]->rows > 0) out = chunk.rows[0]->retracts[0];
    }));
    return out;
  }

  // As training sets ask: forward in time, with all events there from the start, or each one there when t passes it.
  Result<Replies> replayed(const GoldenQuestion& q, const std::string& key, bool all_first) {
    std::vector<int64_t> times{q.t, q.t, q.t};
    for (const GoldenQuestion& other : golden_.questions) {
      if (other.t < q.t) times.push_back(other.t);
    }
    std::sort(times.begin(), times.end());
    std::vector<std::pair<int64_t, const GoldenEvent*>> events;
    for (const GoldenEvent* e : known(q)) {
      TRY_ASSIGN(const int64_t event_time, event_time_of(*e));
      events.emplace_back(event_time, e);
    }
    std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return std::pair(a.first, a.second->position()) < std::pair(b.first, b.second->position()); });
    // (a retraction has the event time of what it names, and a higher offset: it stays behind it)
    Shards states(source_, 1);
    Replies out;
    size_t next = 0;
    for (const int64_t t : times) {
      for (; next < events.size() && (all_first || events[next].first <= t); ++next) TRY(states.apply(*events[next].second, times[0]));
      out = states.ask_forward(key, t, q.after_event && t == q.t);
      if (q.self && t == q.t) out = states.ask_excluding(key, q);
    }
    return out;
  }

  Result<int64_t> event_time_of(const GoldenEvent& e) {
    int64_t out = e.at;
    TRY(source_.read(e, [&](TopicReader::Chunk& chunk) {
      if (chunk.rows[0]->rows > 0) out = chunk.rows[0]->event_times_us[0];
    }));
    return out;
  }

  Result<> check_dead_letters() {
    std::map<std::pair<int32_t, int64_t>, std::string> dead;
    for (const GoldenEvent& e : golden_.events) {
      TRY(source_.read(e, [&](TopicReader::Chunk& chunk) {
        for (const DeadLetter& letter : chunk.dead) dead[e.position()] = letter.reason;
      }));
    }
    for (const GoldenDeadLetter& wanted : golden_.dead) {
      const auto found = dead.find({wanted.partition, wanted.offset});
      if (found == dead.end() || !found->second.starts_with(wanted.reason)) {
        failures_.push_back(fmt::format("line {}: expected a dead letter '{}', got '{}'", wanted.line, wanted.reason, found == dead.end() ? "none" : found->second));
      }
      if (found != dead.end()) dead.erase(found);
    }
    for (const auto& [position, reason] : dead) {
      failures_.push_back(fmt::format("case '{}': unexpected dead letter {}/{}: {}", golden_.name, position.first, position.second, reason));
    }
    return {};
  }

  void check(const GoldenQuestion& q, const Replies& replies) {
    if (q.found && (replies.texts[0] == "true") != *q.found) failures_.push_back(fmt::format("line {}: found is {}", q.line, replies.texts[0]));
    const auto& features = source_.names();
    for (const GoldenAnswer& a : q.answers) {
      if (std::ranges::find(source_.labels(), a.feature, &GoldenFeature::name) != source_.labels().end()) continue;
      const auto feature = std::ranges::find(features, a.feature);
      if (feature == features.end()) {
        failures_.push_back(fmt::format("line {}: there is no feature '{}'", a.line, a.feature));
        continue;
      }
      const auto i = static_cast<size_t>(feature - features.begin());
      const std::string wanted = fmt::format("{} {}", a.value, a.status);
      if (wanted != replies.texts[i + 1]) failures_.push_back(fmt::format("line {}: {} = {}, expected {}", a.line, a.feature, replies.texts[i + 1], wanted));
      if (a.event_time && event_time_text(*a.event_time) != replies.event_times[i]) {
        failures_.push_back(fmt::format("line {}: {} @{}, expected @{}", a.line, a.feature, replies.event_times[i], event_time_text(*a.event_time)));
      }
    }
  }

  Result<> compare(const GoldenQuestion& q, const Replies& whole, const Result<Replies>& replies) {
    if (!replies) return Unexpected(replies.error());
    check(q, *replies);
    if (!same_answers(*replies, whole)) failures_.push_back(fmt::format("line {}: {}\n  whole: {}", q.line, text_of(*replies), text_of(whole)));
    if (replies->exported != whole.exported) failures_.push_back(fmt::format("line {}: the canonical export differs from mode whole", q.line));
    return {};
  }

  const GoldenCase& golden_;
  Source source_;
  std::vector<std::string> failures_;
};

}  // namespace

std::string_view to_string(GoldenMode mode) {
  switch (mode) {
    case GoldenMode::kWhole: return "whole";
    case GoldenMode::kRestart: return "restart";
    case GoldenMode::kTwoShards: return "two_shards";
    case GoldenMode::kEightShards: return "eight_shards";
    case GoldenMode::kShuffle: return "shuffle";
    case GoldenMode::kBatches:
      return "batches";
    case GoldenMode::kReplay: return "replay";
  }
  return "";
}

Result<std::vector<GoldenFeature>> golden_features(const GoldenCase& golden) {
  Source source;
  TRY(source.compile(golden));
  std::vector<GoldenFeature> out;
  for (size_t i = 0; i < source.program().features().size(); ++i) out.push_back({source.program().features()[i].name, source.program().specs()[i]});
  return out;
}

Result<std::vector<GoldenFeature>> golden_labels(const GoldenCase& golden) {
  Source source;
  TRY(source.compile(golden));
  return source.labels();
}

std::vector<std::string> run_golden(const GoldenCase& golden, GoldenMode mode) {
  auto failures = Run(golden).run(mode);
  if (!failures) return {fmt::format("case '{}' (line {}): {}", golden.name, golden.line, failures.error().message)};
  return std::move(*failures);
}

}  // namespace ms::engine::testing
