#include "history/derive.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/check.h"
#include "engine/row_split.h"
#include "feature/view_state.h"
#include "history/big_buffer.h"
#include "history/parallel.h"

namespace ms::history {

using feature::FeatureRow;
using feature::ViewState;

// Answers of one group, slot by slot in the order of its questions; per chosen feature one array of each.
struct Answers::Group {
  size_t rows = 0;
  std::vector<uint64_t*> bits;
  std::vector<uint8_t*> flags;
  std::vector<int64_t*> event_times;
  std::vector<std::vector<std::string_view>> texts;  // only features whose answers are bytes have slots
  std::vector<uint8_t> nulls;  // by feature: whether the block has one
  uint8_t* found = nullptr;
  StringArena arena;
  uint64_t gaps = 0, events = 0, not_mature = 0;
  std::vector<uint32_t> unmet;

  // What the arrays of one group take from the common memory.
  static size_t bytes(size_t rows, const DeriveRequest& request) {
    const size_t features = request.features.size();
    return rows * (features * (request.event_times ? 17 : 9) + 1) + (features * 3 + 1) * 64;
  }
  Group(size_t row_count, const DeriveRequest& request, BigBuffer& memory)
      : rows(row_count), texts(request.features.size()), nulls(request.features.size()) {
    found = memory.take<uint8_t>(rows);
    for (size_t f = 0; f < request.features.size(); ++f) {
      bits.push_back(memory.take<uint64_t>(rows));
      flags.push_back(memory.take<uint8_t>(rows));
      if (request.event_times) event_times.push_back(memory.take<int64_t>(rows));
      if (feature::answer_is_bytes(request.program->features()[request.features[f]].type)) texts[f].resize(rows);
    }
  }

  // Where the state puts them, from slot 0 on.
  feature::AnswerColumns columns(const DeriveRequest& request) {
    feature::AnswerColumns out;
    out.features.resize(request.program->features().size());
    for (size_t f = 0; f < request.features.size(); ++f) {
      feature::AnswerColumn& to = out.features[request.features[f]];
      to = {bits[f], flags[f], event_times.empty() ? nullptr : event_times[f], texts[f].empty() ? nullptr : texts[f].data()};
    }
    out.found = found;
    out.arena = &arena;
    return out;
  }
  void note_nulls(size_t slots) {
    for (size_t f = 0; f < flags.size(); ++f) {
      uint8_t any = 0;
      for (size_t i = 0; i < slots; ++i) any |= flags[f][i];
      nulls[f] = (any & kNull) != 0;
    }
  }
  void put_gap(size_t slot, size_t features) {
    ++gaps;
    found[slot] = 0;
    for (size_t f = 0; f < features; ++f) put_unknown(slot, f, kGap);
  }
  void put_unknown(size_t slot, size_t f, uint8_t why) {
    bits[f][slot] = 0;
    flags[f][slot] = kNull | why;
    if (!event_times.empty()) event_times[f][slot] = feature::kNoEventTime;
    if (!texts[f].empty()) texts[f][slot] = {};
  }
};

namespace {

constexpr uint64_t kMaintainEvery = 8'192;  // applied rows
constexpr size_t kMaintainEntities = 1'024;
constexpr size_t kProgressEvery = 4'096;

// A group's state, and the upkeep that goes with filling it.
class GroupState {
 public:
  explicit GroupState(std::shared_ptr<const feature::ViewProgram> program) : program_(std::move(program)) { reset(); }

  void reset() { state_ = ViewState::make(program_); }
  void apply(const EventChunk& chunk, std::span<const uint32_t> which, Instant now) {
    state_->apply(chunk.rows, which, now);
    applied_ += which.size();
    if (applied_ < next_upkeep_) return;
    state_->maintain(now, kMaintainEntities);
    next_upkeep_ = applied_ + kMaintainEvery;
  }
  ViewState& state() { return *state_; }
  uint64_t applied() const { return applied_; }

 private:
  std::shared_ptr<const feature::ViewProgram> program_;
  std::unique_ptr<ViewState> state_;
  uint64_t applied_ = 0, next_upkeep_ = kMaintainEvery;
};

// The events of one group, chunk after chunk; those that were spilled are in memory as long as this is.
class GroupEvents {
 public:
  struct Part {
    const EventChunk* chunk;
    std::span<const uint32_t> rows;  // of the group
  };
  static Result<std::unique_ptr<GroupEvents>> of(const ViewEvents& events, uint32_t group, bool retracts) {
    auto out = std::make_unique<GroupEvents>();
    for (const auto& chunk : events.chunks) {
      const std::vector<uint32_t>& begin = chunk->grouping.begin;
      const size_t count = begin[group + 1] - begin[group];
      if (count == 0) continue;
      if (chunk->spill == nullptr) {
        out->parts_.push_back({chunk.get(), chunk->grouping.group(group)});
        continue;
      }
      auto loaded = std::make_unique<EventChunk>();
      loaded->rows.partition = chunk->rows.partition;
      loaded->rows.filters.resize(chunk->rows.filters.size());
      for (const Column& column : chunk->rows.arguments) loaded->rows.arguments.emplace_back().type = column.type;
      loaded->in_time_order = chunk->in_time_order;
      TRY(chunk->spill->read(chunk->places[group], chunk->places[group + 1], count, retracts, loaded->rows));
      loaded->grouping = Grouping::make(count, 1, [](size_t) { return 0; });
      out->parts_.push_back({loaded.get(), loaded->grouping.group(0)});
      out->loaded_.push_back(std::move(loaded));
    }
    return out;
  }
  const std::vector<Part>& parts() const { return parts_; }

 private:
  std::vector<Part> parts_;
  std::vector<std::unique_ptr<EventChunk>> loaded_;
};

// as_known: what a question at t must have seen are the events with et < t; the rest of what is known changes nothing. A retraction has
// the event time of what it takes back and stands behind it, so no question comes between the two.
// Events that lie in time order are taken as they lie, without a copy.
class TimeFeed {
 public:
  explicit TimeFeed(const GroupEvents& events) : parts_(events.parts()) {
    if (!in_order()) sort();
  }
  void advance(GroupState& state, int64_t below, Instant now) {
    if (sorted_.empty()) advance_in_order(state, below, now);
    else advance_sorted(state, below, now);
  }

 private:
  struct Ref {
    int64_t et;
    uint32_t part, row;
    auto operator<=>(const Ref&) const = default;
  };

  bool in_order() const {
    int64_t last = std::numeric_limits<int64_t>::min();
    for (const auto& [chunk, rows] : parts_) {
      const auto& et = chunk->rows.event_times_us;
      if (et[rows.front()] < last) return false;
      if (!chunk->in_time_order && !std::ranges::is_sorted(rows, {}, [&et](uint32_t r) { return et[r]; })) return false;
      last = et[rows.back()];
    }
    return true;
  }
  void sort() {
    for (uint32_t p = 0; p < parts_.size(); ++p)
      for (const uint32_t row : parts_[p].rows) sorted_.push_back({parts_[p].chunk->rows.event_times_us[row], p, row});
    std::ranges::sort(sorted_);
  }
  void advance_in_order(GroupState& state, int64_t below, Instant now) {
    for (; part_ < parts_.size(); ++part_, at_ = 0) {
      const EventChunk& chunk = *parts_[part_].chunk;
      const auto rows = parts_[part_].rows;
      const int64_t* et = chunk.rows.event_times_us.data();
      const size_t from = at_;
      while (at_ < rows.size() && et[rows[at_]] < below) ++at_;
      if (at_ > from) state.apply(chunk, rows.subspan(from, at_ - from), now);
      if (at_ < rows.size()) return;
    }
  }
  void advance_sorted(GroupState& state, int64_t below, Instant now) {
    while (at_ < sorted_.size() && sorted_[at_].et < below) {
      const uint32_t part = sorted_[at_].part;
      which_.clear();
      for (; at_ < sorted_.size() && sorted_[at_].part == part && sorted_[at_].et < below; ++at_) which_.push_back(sorted_[at_].row);
      state.apply(*parts_[part].chunk, which_, now);
    }
  }

  const std::vector<GroupEvents::Part>& parts_;
  size_t part_ = 0, at_ = 0;
  std::vector<Ref> sorted_;  // only when the events do not lie in time order
  std::vector<uint32_t> which_;
};

// as_served: what a question may see is what its shard had applied, partition by partition.
class CutFeed {
 public:
  CutFeed(const GroupEvents& events, TopicId topic) : parts_(events.parts()), topic_(topic) { reset(); }

  // True when `cut` is not behind what has been fed; otherwise the state must start again.
  bool reaches(const engine::Cut& cut) const {
    for (const auto& [partition, lane] : lanes_)
      if (offset_of(cut, partition) < lane.fed) return false;
    return true;
  }
  void reset() {
    lanes_.clear();
    for (size_t p = 0; p < parts_.size(); ++p) lanes_[parts_[p].chunk->rows.partition].parts.push_back(p);
  }
  void advance(GroupState& state, const engine::Cut& cut, Instant now) {
    for (auto& [partition, lane] : lanes_) {
      lane.fed = offset_of(cut, partition);
      for (; lane.part < lane.parts.size(); ++lane.part, lane.at = 0) {
        const auto& [chunk_of, rows] = parts_[lane.parts[lane.part]];
        const EventChunk& chunk = *chunk_of;
        const size_t from = lane.at;
        while (lane.at < rows.size() && chunk.rows.offsets[rows[lane.at]] < lane.fed) ++lane.at;
        if (lane.at > from) state.apply(chunk, rows.subspan(from, lane.at - from), now);
        if (lane.at < rows.size()) break;
      }
    }
  }

 private:
  struct Lane {
    std::vector<size_t> parts;
    size_t part = 0, at = 0;
    int64_t fed = 0;
  };
  int64_t offset_of(const engine::Cut& cut, int32_t partition) const {
    const auto it = cut.applied.find({topic_, PartitionId{partition}});
    return it == cut.applied.end() ? 0 : it->second.value;
  }

  const std::vector<GroupEvents::Part>& parts_;
  const TopicId topic_;
  std::map<int32_t, Lane> lanes_;
};

}  // namespace

// One group: its questions of the block, one after the other in memory (looked up where they lie, each would be a cache
// miss), and the state that answers them.
struct Derivation::Lane {
  std::vector<int64_t> times_us;
  std::vector<uint32_t> keys;   // into questions_.keys
  std::vector<uint32_t> order;  // slots by time; empty: as they are
  std::vector<uint32_t> numbers;  // of the questions; only for those with own rows
  std::unique_ptr<GroupState> state;
  std::unique_ptr<GroupEvents> events;
  std::unique_ptr<TimeFeed> times;  // as_known
  std::unique_ptr<CutFeed> cuts;    // as_served

  size_t questions() const { return times_us.size(); }
  size_t slot(size_t i) const { return order.empty() ? i : order[i]; }
};

Derivation::Derivation(DeriveRequest request, const ViewEvents& events, const Questions& questions)
    : request_(std::move(request)), events_(events), questions_(questions) {}
Derivation::~Derivation() = default;

Result<std::unique_ptr<Derivation>> Derivation::make(DeriveRequest request, const ViewEvents& events, const Questions& questions,
                                                     size_t block_chunks) {
  CHECK((request.groups & (request.groups - 1)) == 0);
  if (questions.rows > std::numeric_limits<uint32_t>::max()) return invalid("more than 4294967295 questions");
  std::unique_ptr<Derivation> out(new Derivation(std::move(request), events, questions));
  TRY(out->prepare(block_chunks));
  return out;
}

Result<> Derivation::prepare(size_t block_chunks) {
  const size_t chunks = (questions_.rows + kChunkRows - 1) / kChunkRows;
  answers_.chunks_.resize(chunks);
  TRY(parallel_for(request_.threads, chunks, request_.stop, [&](size_t c, unsigned) -> Result<> {
    const size_t first = c * kChunkRows, rows = std::min(kChunkRows, questions_.rows - first);
    answers_.chunks_[c] = Grouping::make(rows, request_.groups, [&](size_t i) { return questions_.keys[questions_.key_of[first + i]].shard_hash; });
    return {};
  }));
  for (uint32_t g = 0; g < request_.groups; ++g) lanes_.push_back(std::make_unique<Lane>());
  // What was spilled is read once, so a group is answered to its end.
  const bool spilled = std::ranges::any_of(events_.chunks, [](const auto& chunk) { return chunk->spill != nullptr; });
  block_chunks_ = !spilled && in_time_order() ? std::min(block_chunks, chunks) : chunks;
  make_groups();
  return {};
}

// Room for the answers of any one block.
void Derivation::make_groups() {
  std::vector<size_t> most(request_.groups), rows(request_.groups);
  answers_.base_.resize(request_.groups);
  for (size_t c = 0; c < answers_.chunks_.size(); ++c) {
    if (c % block_chunks_ == 0) rows.assign(request_.groups, 0);
    for (uint32_t g = 0; g < request_.groups; ++g) {
      answers_.base_[g].push_back(rows[g]);
      rows[g] += answers_.chunks_[c].group(g).size();
      most[g] = std::max(most[g], rows[g]);
    }
  }
  size_t bytes = 0;
  for (const size_t n : most) bytes += Answers::Group::bytes(n, request_);
  answers_.memory_ = std::make_shared<BigBuffer>(bytes);
  for (const size_t n : most) answers_.groups_.push_back(std::make_shared<Answers::Group>(n, request_, *answers_.memory_));
}

// Whether the questions of every group are.
bool Derivation::in_time_order() const {
  if (std::ranges::is_sorted(std::span(questions_.times_us, questions_.rows))) return true;
  for (uint32_t g = 0; g < request_.groups; ++g) {
    int64_t last = std::numeric_limits<int64_t>::min();
    for (size_t c = 0; c < answers_.chunks_.size(); ++c) {
      const int64_t* times = questions_.times_us + c * kChunkRows;
      for (const uint32_t row : answers_.chunks_[c].group(g)) {
        if (times[row] < last) return false;
        last = times[row];
      }
    }
  }
  return true;
}

void Derivation::gather_questions(uint32_t g, size_t chunk_end) {
  Lane& lane = *lanes_[g];
  lane.times_us.clear(), lane.keys.clear(), lane.order.clear(), lane.numbers.clear();
  for (size_t c = answered_; c < chunk_end; ++c) {
    const int64_t* times = questions_.times_us + c * kChunkRows;
    const uint32_t* keys = questions_.key_of.data() + c * kChunkRows;
    for (const uint32_t row : answers_.chunks_[c].group(g)) lane.times_us.push_back(times[row]), lane.keys.push_back(keys[row]);
    if (request_.own == nullptr) continue;
    for (const uint32_t row : answers_.chunks_[c].group(g)) lane.numbers.push_back(static_cast<uint32_t>(c * kChunkRows + row));
  }
  if (std::ranges::is_sorted(lane.times_us)) return;
  lane.order.resize(lane.times_us.size());
  for (uint32_t i = 0; i < lane.order.size(); ++i) lane.order[i] = i;
  std::ranges::sort(lane.order, {}, [&](uint32_t slot) { return std::pair(lane.times_us[slot], slot); });
}

Result<> Derivation::answer_until(size_t chunk_end) {
  CHECK(chunk_end <= answers_.chunks_.size());
  while (answered_ < chunk_end) {
    const size_t end = std::min(answered_ + block_chunks_, answers_.chunks_.size());
    TRY(parallel_for(request_.threads, request_.groups, request_.stop, [&](size_t g, unsigned) { return answer(static_cast<uint32_t>(g), end); }));
    answered_ = end;
  }
  return {};
}

Result<> Derivation::answer(uint32_t g, size_t chunk_end) {
  gather_questions(g, chunk_end);
  Lane& lane = *lanes_[g];
  Answers::Group& out = *answers_.groups_[g];
  std::ranges::fill(out.nulls, 0);
  if (lane.questions() == 0) return {};
  if (!lane.events) {
    TRY_ASSIGN(lane.events, GroupEvents::of(events_, g, request_.program->retracts()));
  }
  if (!lane.state) lane.state = std::make_unique<GroupState>(request_.program);
  for (auto& texts : out.texts) std::ranges::fill(texts, std::string_view());
  out.arena.clear();
  TRY(request_.timeline ? answer_as_served(g, lane, out) : answer_as_known(lane, out));
  if (request_.lost.any()) mark_lost(lane, out);
  if (request_.known_until_us != INT64_MAX) mark_not_mature(lane, out);
  if (request_.report) request_.report(lane.questions() % kProgressEvery);
  out.note_nulls(lane.questions());
  out.events = lane.state->applied();
  if (chunk_end == answers_.chunks_.size()) lanes_[g].reset();  // nothing more will be asked
  return {};
}

void Derivation::answer_without(Lane& lane, size_t slot, Answers::Group& out, const feature::AnswerColumns& columns) const {
  const uint32_t number = lane.numbers[slot];
  const QuestionKey& key = questions_.keys[lane.keys[slot]];
  FeatureRow row;
  if (!lane.state->state().evaluate_without(key.bytes, key.table_hash, Instant{lane.times_us[slot]}, (*request_.own)[number], row))
    out.unmet.push_back(number);
  feature::put(row, columns, slot);
}

Result<> Derivation::answer_as_known(Lane& lane, Answers::Group& out) {
  if (!lane.times) lane.times = std::make_unique<TimeFeed>(*lane.events);
  const feature::AnswerColumns columns = out.columns(request_);
  ViewState& state = lane.state->state();
  for (size_t i = 0; i < lane.questions(); ++i) {
    const size_t slot = lane.slot(i);
    const Instant t{lane.times_us[slot]};
    lane.times->advance(*lane.state, t.us + (request_.after_event ? 1 : 0), t);
    if (request_.own != nullptr) {
      answer_without(lane, slot, out, columns);
      TRY(tick(i));
      continue;
    }
    const QuestionKey& key = questions_.keys[lane.keys[slot]];
    state.evaluate_forward(key.bytes, key.table_hash, t, request_.after_event, columns, slot);
    TRY(tick(i));
  }
  state.finish_forward(columns);
  return {};
}

Result<> Derivation::answer_as_served(uint32_t g, Lane& lane, Answers::Group& out) {
  if (!lane.cuts) lane.cuts = std::make_unique<CutFeed>(*lane.events, events_.topic);
  const feature::AnswerColumns columns = out.columns(request_);
  FeatureRow row;
  for (size_t i = 0; i < lane.questions(); ++i) {
    const size_t slot = lane.slot(i);
    const Instant t{lane.times_us[slot]};
    TRY_ASSIGN(const uint32_t shards, request_.timeline->shards_at(t));
    CHECK(shards <= request_.groups);
    TRY_ASSIGN(const auto cut, request_.timeline->cut_at(engine::shard_of(g, shards), t));
    if (!cut) {
      out.put_gap(slot, request_.features.size());
      continue;
    }
    if (!lane.cuts->reaches(*cut)) lane.state->reset(), lane.cuts->reset();
    lane.cuts->advance(*lane.state, *cut, t);
    if (request_.own != nullptr) {
      answer_without(lane, slot, out, columns);
      TRY(tick(i));
      continue;
    }
    const QuestionKey& key = questions_.keys[lane.keys[slot]];
    lane.state->state().evaluate(key.bytes, key.table_hash, t, request_.after_event, row);
    feature::put(row, columns, slot);
    TRY(tick(i));
  }
  return {};
}

void Derivation::mark_not_mature(const Lane& lane, Answers::Group& out) const {
  for (size_t slot = 0; slot < lane.questions(); ++slot) {
    if (lane.times_us[slot] <= request_.known_until_us) continue;
    ++out.not_mature;
    for (size_t f = 0; f < request_.features.size(); ++f) out.put_unknown(slot, f, Answers::kNotMature);
  }
}

void Derivation::mark_lost(const Lane& lane, Answers::Group& out) const {
  for (size_t slot = 0; slot < lane.questions(); ++slot) {
    bool any = false, in_gap = false;
    for (size_t f = 0; f < request_.features.size(); ++f) {
      in_gap |= (out.flags[f][slot] & Answers::kGap) != 0;
      if (!request_.lost.reach(request_.program->specs()[request_.features[f]].window, lane.times_us[slot])) continue;
      out.put_unknown(slot, f, Answers::kGap | Answers::kLost);
      any = true;
    }
    if (any && !in_gap) ++out.gaps;
  }
}

Result<> Derivation::tick(size_t i) const {
  if (i % kProgressEvery != kProgressEvery - 1) return {};
  if (request_.report) request_.report(kProgressEvery);
  if (request_.stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
  return {};
}

Result<Answers> derive(const DeriveRequest& request, const ViewEvents& events, const Questions& questions) {
  const size_t chunks = (questions.rows + kChunkRows - 1) / kChunkRows;
  TRY_ASSIGN(const auto derivation, Derivation::make(request, events, questions, chunks));
  TRY(derivation->answer_until(chunks));
  return derivation->take();
}

namespace {

// Puts what the groups hold for one chunk back into the order of the questions.
template <class Array, class Out>
void gather(const Grouping& grouping, uint32_t g, uint64_t base, const Array& from, Out* out) {
  const auto rows = grouping.group(g);
  for (size_t i = 0; i < rows.size(); ++i) out[rows[i]] = from[base + i];
}

}  // namespace

void Answers::values(size_t chunk, size_t feature, uint64_t* bits, uint8_t* flags) const {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    gather(chunks_[chunk], g, base_[g][chunk], group(g).bits[feature], bits);
    gather(chunks_[chunk], g, base_[g][chunk], group(g).flags[feature], flags);
  }
}

void Answers::values(size_t chunk, size_t feature, uint64_t* bits) const {
  for (uint32_t g = 0; g < groups_.size(); ++g) gather(chunks_[chunk], g, base_[g][chunk], group(g).bits[feature], bits);
}

bool Answers::has_nulls(size_t feature) const {
  return std::ranges::any_of(groups_, [&](const auto& group) { return group->nulls[feature] != 0; });
}

void Answers::texts(size_t chunk, size_t feature, std::string_view* texts, uint8_t* flags) const {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    gather(chunks_[chunk], g, base_[g][chunk], group(g).texts[feature], texts);
    gather(chunks_[chunk], g, base_[g][chunk], group(g).flags[feature], flags);
  }
}

void Answers::event_times(size_t chunk, size_t feature, int64_t* us) const {
  for (uint32_t g = 0; g < groups_.size(); ++g) gather(chunks_[chunk], g, base_[g][chunk], group(g).event_times[feature], us);
}

void Answers::found(size_t chunk, uint8_t* found) const {
  for (uint32_t g = 0; g < groups_.size(); ++g) gather(chunks_[chunk], g, base_[g][chunk], group(g).found, found);
}

uint64_t Answers::gaps() const {
  uint64_t n = 0;
  for (const auto& group : groups_) n += group->gaps;
  return n;
}

std::vector<uint32_t> Answers::unmet() const {
  std::vector<uint32_t> out;
  for (const auto& group : groups_) out.insert(out.end(), group->unmet.begin(), group->unmet.end());
  return out;
}

uint64_t Answers::not_mature() const {
  uint64_t n = 0;
  for (const auto& group : groups_) n += group->not_mature;
  return n;
}

uint64_t Answers::events() const {
  uint64_t n = 0;
  for (const auto& group : groups_) n += group->events;
  return n;
}

}  // namespace ms::history
