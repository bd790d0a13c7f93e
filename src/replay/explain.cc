#include "replay/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>
#include <unordered_map>

#include "engine/topic_reader.h"
#include "feature/state_layout.h"
#include "feature/view_state.h"
#include "replay/append_search.h"
#include "replay/window_members.h"

namespace ms::replay {
namespace {

constexpr size_t kReadBytes = 4u << 20;

bool before(const EventPosition& a, const EventPosition& b) {
  return std::tie(a.event_time, a.partition, a.offset) < std::tie(b.event_time, b.partition, b.offset);
}

// The same source and key without a filter: gives every event's key and time, also of those that the view leaves out.
Result<std::shared_ptr<const feature::ViewProgram>> every_row(const catalog::ViewEntry& view) {
  feature::ViewDefinition all = view.definition;
  all.where.clear();
  const feature::Window shortest{feature::WindowKind::kSlidingExact, 10 * kMicrosPerSecond};  // any will do: no state is made
  all.features = {{.name = "rows", .aggregate = feature::AggregateKind::kCount, .window = shortest}};
  return feature::ViewProgram::compile(view.source.definition, view.entity, all);
}

// One question while the log goes by.
class Asked {
 public:
  Asked(const ExplainQuestion& question, Instant t, ViewExplanation& out)
      : question_(question),
        specs_(question.view->program->specs()),
        t_(t),
        out_(out),
        state_(feature::ViewState::make(question.view->program)) {
    for (const uint32_t f : question.features) {
      const feature::WindowPlan window{specs_[f].window};
      out_.features.push_back({.tail_us = window.tail(t.us), .head_us = window.head(t.us, false)});
    }
    held_.resize(question.features.size());
  }

  // A row of the view, or a retraction.
  void take(const feature::PreparedRows& rows, uint32_t row, AppendTime at) {
    const EventPosition event = position(rows, row, at);
    const bool applied = is_applied(event);
    if (applied) state_->apply(rows, {&row, 1}, t_);
    if (!rows.retracts.empty() && rows.retracts[row] != feature::PreparedRows::kEvent) {
      if (applied) taken_back_.try_emplace({rows.partition, rows.retracts[row], rows.event_times_us[row]}, event.offset);
      return;
    }
    out_.seen.add(event);
    for (size_t i = 0; i < out_.features.size(); ++i) {
      FeatureExplanation& feature = out_.features[i];
      const feature::FeatureSpec& spec = specs_[question_.features[i]];
      if (const auto outside = outside_of(feature, event)) {
        feature.left_out[static_cast<size_t>(*outside)].add(event);
      } else if (spec.filter >= 0 && rows.filters[static_cast<size_t>(spec.filter)][row] == 0) {
        feature.left_out[static_cast<size_t>(LeftOut::kFilteredByFeature)].add(event);
      } else if (!applied) {
        feature.left_out[static_cast<size_t>(at.us > t_.us ? LeftOut::kAppendedLater : LeftOut::kNotApplied)].add(event);
      } else {
        const bool is_null = spec.argument >= 0 && !rows.arguments[static_cast<size_t>(spec.argument)].valid(row);
        if (picks_rows(spec.window) || question_.view->program->retracts()) held_[i].push_back({event, is_null});
        else count(feature, {event, is_null});
      }
    }
  }
  // An event of the key that is no row of the view. (A retraction is one, whatever the view's filter says of it.)
  void leave_out(const feature::PreparedRows& rows, uint32_t row, AppendTime at, LeftOut reason) {
    const EventPosition event = position(rows, row, at);
    out_.seen.add(event);
    for (FeatureExplanation& feature : out_.features)
      feature.left_out[static_cast<size_t>(outside_of(feature, event).value_or(reason))].add(event);
  }
  void finish(const history::LostEvents& lost) {
    for (size_t i = 0; i < held_.size(); ++i) leave_out_retracted(i), pick(i);
    for (size_t i = 0; i < out_.features.size(); ++i) out_.features[i].lost = lost.reach(specs_[question_.features[i]].window, t_.us);
    state_->evaluate(question_.key, feature::table_hash(question_.key), t_, false, out_.derived);
    for (feature::FeatureValue& value : out_.derived.values)  // texts may point into the state
      if (!value.text.empty()) value.text = out_.derived.arena.add(value.text);
  }

 private:
  struct Row {
    EventPosition event;
    bool is_null = false;
  };
  static void count(FeatureExplanation& feature, const Row& row) {
    feature.counted.add(row.event);
    if (row.is_null) ++feature.nulls;
  }
  // What was taken back later.
  void leave_out_retracted(size_t i) {
    FeatureExplanation& feature = out_.features[i];
    EventGroup& group = feature.left_out[static_cast<size_t>(LeftOut::kRetracted)];
    std::erase_if(held_[i], [&](const Row& row) {
      const EventPosition& event = row.event;
      const auto by = taken_back_.find({event.partition.value, event.offset.value, event.event_time.us});
      if (by == taken_back_.end()) return false;
      group.add(event);
      if (group.last.partition == event.partition && group.last.offset == event.offset) feature.retracted_by = by->second;
      return true;
    });
  }
  // Of a session or the last n: which of the rows in reach they are can be said when all are here.
  void pick(size_t i) {
    if (!picks_rows(specs_[question_.features[i]].window)) {
      for (const Row& row : held_[i]) count(out_.features[i], row);
      return;
    }
    std::vector<Row>& rows = held_[i];
    std::ranges::sort(rows, [](const Row& a, const Row& b) { return before(a.event, b.event); });
    std::vector<int64_t> event_times;
    for (const Row& row : rows) event_times.push_back(row.event.event_time.us);
    FeatureExplanation& feature = out_.features[i];
    const Members members = members_of(specs_[question_.features[i]].window, event_times, t_.us);
    for (size_t r = 0; r < rows.size(); ++r) {
      if (r >= members.first && r < members.last) count(feature, rows[r]);
      else feature.left_out[static_cast<size_t>(r < members.first ? LeftOut::kBeforeWindow : LeftOut::kAfterWindow)].add(rows[r].event);
    }
  }
  static EventPosition position(const feature::PreparedRows& rows, uint32_t row, AppendTime at) {
    return {PartitionId{rows.partition}, Offset{rows.offsets[row]}, EventTime{rows.event_times_us[row]}, at};
  }
  static std::optional<LeftOut> outside_of(const FeatureExplanation& feature, const EventPosition& event) {
    if (event.event_time.us < feature.tail_us) return LeftOut::kBeforeWindow;
    if (event.event_time.us >= feature.head_us) return LeftOut::kAfterWindow;
    return std::nullopt;
  }
  bool is_applied(const EventPosition& event) const {
    const auto at = question_.applied.find({out_.topic, event.partition});
    return at != question_.applied.end() && event.offset < at->second;
  }

  const ExplainQuestion& question_;
  const std::vector<feature::FeatureSpec>& specs_;
  const Instant t_;
  ViewExplanation& out_;
  const std::unique_ptr<feature::ViewState> state_;
  std::vector<std::vector<Row>> held_;  // by feature, what is told apart at the end: of windows that pick rows, or where rows are taken back
  std::map<std::tuple<int32_t, int64_t, int64_t>, Offset> taken_back_;  // partition, offset, event time -> by which retraction
};

// The questions to one view version, answered in one pass over its topic.
class ViewPass {
 public:
  static Result<ViewPass> make(std::shared_ptr<const catalog::ViewEntry> view, Instant t, log::Log& log) {
    const auto topic = log.find_topic(view->source.topic);
    if (!topic)
      return not_found(
          fmt::format("topic '{}' of source '{}' is not in the log", view->source.definition.topic, view->source.definition.name));
    TRY_ASSIGN(auto all, every_row(*view));
    return ViewPass(std::move(view), std::move(all), *topic, t, log);
  }

  void ask(size_t index, const ExplainQuestion& question) { questions_.emplace_back(index, &question); }
  const catalog::ViewEntry& view() const { return *view_; }
  uint64_t records() const {
    uint64_t records = 0;
    for (const ReadRange& range : ranges_) records += static_cast<uint64_t>(range.until.value - range.from.value);
    return records;
  }

  // Where to read: from the first record that could lie in one of the windows.
  Result<> locate() {
    int64_t tail = INT64_MAX;
    for (const auto& [index, question] : questions_)
      for (const uint32_t f : question->features) tail = std::min(tail, feature::WindowPlan{view_->program->specs()[f].window}.tail(t_.us));
    // No record has an event time above its append time by more than max_ahead.
    const int64_t since = feature::saturating_sub(tail, view_->source.definition.max_ahead_us);
    for (int32_t p = 0; p < topic_.partitions; ++p) {
      const TopicPartition partition{topic_.id, PartitionId{p}};
      TRY_ASSIGN(const log::PartitionState state, log_.partition_state(partition));
      TRY_ASSIGN(const history::LostEvents lost, history::lost_before(view_->source.definition, partition, state, log_));
      if (lost.until_us > lost_.until_us) lost_ = lost;
      Offset from = state.log_start;
      if (tail != feature::kForever) {
        TRY_ASSIGN(from, first_appended_since(log_, partition, state.log_start, state.last_stable, AppendTime{since}));
      }
      ranges_.push_back({partition.partition, from, state.last_stable});
    }
    return {};
  }

  Result<> run(std::vector<ViewExplanation>& out, const std::function<void(uint64_t)>& report, const std::stop_token& stop) {
    std::vector<std::unique_ptr<Asked>> asked;
    for (const auto& [index, question] : questions_) {
      out[index].topic = topic_.id, out[index].topic_name = topic_.name;
      asked.push_back(std::make_unique<Asked>(*question, t_, out[index]));
      by_key_[question->key].push_back(asked.back().get());
    }
    for (const ReadRange& range : ranges_) TRY(read(range, report, stop));
    for (size_t i = 0; i < questions_.size(); ++i) {
      ViewExplanation& explanation = out[questions_[i].first];
      asked[i]->finish(lost_);
      explanation.undecodable = undecodable_, explanation.lost = lost_, explanation.ranges = ranges_, explanation.records = records_;
    }
    return {};
  }

 private:
  ViewPass(std::shared_ptr<const catalog::ViewEntry> view, std::shared_ptr<const feature::ViewProgram> all, log::TopicInfo topic, Instant t,
           log::Log& log)
      : view_(std::move(view)),
        topic_(std::move(topic)),
        t_(t),
        log_(log),
        reader_(engine::TopicReader::make({{.source = view_->source.definition, .programs = {view_->program, std::move(all)}}})) {}

  Result<> read(const ReadRange& range, const std::function<void(uint64_t)>& report, const std::stop_token& stop) {
    const TopicPartition partition{topic_.id, range.partition};
    for (Offset at = range.from; at < range.until;) {
      if (stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
      TRY_ASSIGN(const log::ReadResult read, log_.read(partition, at, kReadBytes));
      if (read.batches.empty()) break;
      TRY(reader_->read(partition.partition, read.batches, at, range.until, kBatchRowsMax,
                        [&](engine::TopicReader::Chunk& chunk) -> Result<> {
                          take(chunk);
                          return {};
                        }));
      const Offset next = std::min(range.until, Offset{read.batches.back().last.value + 1});
      if (report) report(static_cast<uint64_t>(next.value - at.value));
      at = next;
    }
    return {};
  }

  void take(const engine::TopicReader::Chunk& chunk) {
    const feature::PreparedRows &of_view = *chunk.rows[0], &all = *chunk.rows[1];
    records_ += chunk.records;
    std::map<int64_t, const engine::DeadLetter*> dead;
    for (const engine::DeadLetter& letter : chunk.dead) dead.try_emplace(letter.offset.value, &letter);
    // Both have their rows in the order of the records, and the view has no row that `all` lacks.
    for (uint32_t row = 0, v = 0; row < all.rows; ++row) {
      const bool is_row = v < of_view.rows && of_view.offsets[v] == all.offsets[row];
      const bool is_dead = dead.erase(all.offsets[row]) != 0;  // here the key is known
      if (const auto at = by_key_.find(all.keys[row]); at != by_key_.end()) {
        for (Asked* asked : at->second) {
          if (is_row) asked->take(of_view, v, chunk.append_time);
          else asked->leave_out(all, row, chunk.append_time, is_dead ? LeftOut::kUndecodable : LeftOut::kFilteredByView);
        }
      }
      if (is_row) ++v;
    }
    if (dead.empty()) return;
    undecodable_.records += dead.size();
    undecodable_.last_partition = chunk.partition;
    undecodable_.last = dead.rbegin()->second->offset;
    undecodable_.last_reason = dead.rbegin()->second->reason;
  }

  std::shared_ptr<const catalog::ViewEntry> view_;
  log::TopicInfo topic_;
  Instant t_;
  log::Log& log_;
  std::unique_ptr<engine::TopicReader> reader_;
  std::vector<std::pair<size_t, const ExplainQuestion*>> questions_;
  std::unordered_map<std::string_view, std::vector<Asked*>> by_key_;
  std::vector<ReadRange> ranges_;
  history::LostEvents lost_;
  UndecodableRecords undecodable_;
  uint64_t records_ = 0;
};

class ExplainerImpl final : public Explainer {
 public:
  explicit ExplainerImpl(std::vector<ExplainQuestion> questions) : questions_(std::move(questions)) {}

  Result<> prepare(Instant t, log::Log& log) {
    for (size_t i = 0; i < questions_.size(); ++i) {
      const auto same = [&](const ViewPass& pass) { return &pass.view() == questions_[i].view.get(); };
      auto pass = std::ranges::find_if(passes_, same);
      if (pass == passes_.end()) {
        TRY_ASSIGN(ViewPass made, ViewPass::make(questions_[i].view, t, log));
        passes_.push_back(std::move(made));
        pass = std::prev(passes_.end());
      }
      pass->ask(i, questions_[i]);
    }
    for (ViewPass& pass : passes_) TRY(pass.locate());
    return {};
  }

  uint64_t records() const override {
    uint64_t records = 0;
    for (const ViewPass& pass : passes_) records += pass.records();
    return records;
  }

  Result<std::vector<ViewExplanation>> run(const std::function<void(uint64_t)>& progress, std::stop_token stop) override {
    std::vector<ViewExplanation> out(questions_.size());
    uint64_t done = 0;
    const auto report = [&](uint64_t more) {
      done += more;
      if (progress) progress(done);
    };
    for (ViewPass& pass : passes_) TRY(pass.run(out, report, stop));
    return out;
  }

 private:
  const std::vector<ExplainQuestion> questions_;
  std::deque<ViewPass> passes_;
};

}  // namespace

std::string_view to_string(LeftOut reason) {
  switch (reason) {
    case LeftOut::kBeforeWindow:
      return "before_window";
    case LeftOut::kAfterWindow:
      return "after_window";
    case LeftOut::kUndecodable:
      return "undecodable";
    case LeftOut::kFilteredByView:
      return "filtered_by_view";
    case LeftOut::kFilteredByFeature:
      return "filtered_by_feature";
    case LeftOut::kRetracted:
      return "retracted";
    case LeftOut::kAppendedLater:
      return "appended_later";
    case LeftOut::kNotApplied:
      return "not_applied";
  }
  return "";
}

void EventGroup::add(const EventPosition& event) {
  if (events == 0 || before(event, first)) first = event;
  if (events == 0 || before(last, event)) last = event;
  ++events;
}

Result<std::unique_ptr<Explainer>> Explainer::make(std::vector<ExplainQuestion> questions, Instant t, log::Log& log) {
  auto explainer = std::make_unique<ExplainerImpl>(std::move(questions));
  TRY(explainer->prepare(t, log));
  return explainer;
}

}  // namespace ms::replay
