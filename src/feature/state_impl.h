// ViewState's inside, shared by the files that implement its parts.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "feature/entity_rows.h"
#include "feature/entity_table.h"
#include "feature/forward.h"
#include "feature/pack_pool.h"
#include "feature/row_pack.h"
#include "feature/row_run.h"
#include "feature/state_layout.h"
#include "feature/tiles.h"
#include "feature/view_state.h"

namespace ms::feature {

// Totals of questions with places in a row that wait to be rounded together, feature by feature.
struct ForwardBatch {
  static constexpr size_t kMost = 64, kWordsMost = 4096;  // of a core's nearest cache
  explicit ForwardBatch(const StateLayout& layout)
      : windows(layout.windows.size()), most(std::clamp<size_t>(kWordsMost / (1 + windows * layout.words), 1, kMost)),
        totals(layout, windows * most), times(most) {}
  size_t bytes() const { return sizeof(*this) + totals.bytes() + most * sizeof(int64_t); }

  const size_t windows, most;
  TotalsRun totals;  // by question, then window
  std::vector<int64_t> times;
  size_t first = 0, count = 0;  // place of the first question
};

// Which rows count at t itself: none, all of them (after_event), or all but one pending row.
struct AtInstant {
  AtInstant(bool all) : after_event(all) {}  // NOLINT(google-explicit-constructor): most questions say just that
  explicit AtInstant(const uint64_t* but) : after_event(true), without(but) {}
  bool after_event;
  const uint64_t* without = nullptr;
};

class StateImpl final : public ViewState {
 public:
  StateImpl(std::vector<FeatureSpec> specs, bool retracts, std::shared_ptr<const ViewProgram> program);
  ~StateImpl() override;
  StateImpl(const StateImpl&) = delete;
  StateImpl& operator=(const StateImpl&) = delete;

  // view_state.cc
  AppliedRows apply(const PreparedRows& rows, std::span<const uint32_t> which, Instant now) override;
  void prefetch(uint64_t table_hash) const override;
  void maintain(Instant now, size_t entities_max) override;
  size_t entities() const override { return table_.size(); }
  size_t resident_bytes() const override;
  // evaluate.cc
  void evaluate(std::string_view key, uint64_t table_hash, Instant t, bool after_event, FeatureRow& out) const override;
  bool evaluate_without(std::string_view key, uint64_t table_hash, Instant t, RowPosition self, FeatureRow& out) const override;
  void evaluate_forward(std::string_view key, uint64_t table_hash, Instant t, bool after_event, const AnswerColumns& out, size_t at) override;
  void finish_forward(const AnswerColumns& out) override;
  void evaluate_forward(std::string_view key, uint64_t table_hash, Instant t, bool after_event, FeatureRow& out) override;
  // explain.cc
  bool explain(std::string_view key, uint64_t table_hash, Instant t, bool after_event, std::vector<WindowReads>& by_feature) const override;
  size_t newest_event_times(size_t first, size_t count, size_t step, int64_t now, std::vector<int64_t>& out) const override;
  // state_codec.cc
  void export_canonical(Instant t, const std::function<void(std::string_view, std::string_view)>& sink) const override;
  bool save(ByteWriter& out, const std::function<bool()>& give_up) const override;
  Result<> load(ByteReader& in) override;

 private:
  // Questions with running totals: up to so many rows the totals are made anew from the rows.
  static constexpr size_t kRowsInsteadOfTotals = 8;

  void pack(const PreparedRows& rows, size_t i, uint64_t* row) const;
  void apply_row(Entity& e, const uint64_t* row);
  // Adds a row below the clock to what the entity holds: to its pack, or to a tile.
  void add_passed(Entity& e, const uint64_t* row);
  void advance(int64_t now);
  // retract.cc
  void retract(const PreparedRows& rows, size_t i, AppliedRows& out);
  // Takes row `i` of the run out of what the entity holds.
  void take_back(Entity& e, size_t i);
  // The tile that owns the event time anew, from the rows of the run that it holds.
  void remake_tile(Entity& e, int64_t event_time_us);
  // few_rows.cc
  EntityRows rows_of(const Entity& e) const;
  // Whether a window can reach rows of that time, now or later.
  bool in_reach(int64_t event_time_us) const;
  void set_pack(Entity& e, std::span<const uint8_t> bytes);
  void drop_pack(Entity& e);
  void release_block(uint8_t* block, size_t bytes);
  // False: the row belongs into a tile (no longer packed, if it was).
  bool add_packed(Entity& e, const uint64_t* row);
  bool append_packed(Entity& e, const uint64_t* row);
  // The pack anew, with `row`, without what no window reaches. False: it is as it was, and tiles are better.
  bool repack(Entity& e, const uint64_t* row);
  bool is_smaller_as_tiles(std::span<const uint64_t* const> rows, size_t bytes) const;
  void unpack(Entity& e);
  // Adds pending rows that the clock has passed to the tiles, trims the raw rows.
  void fold(Entity& e);
  RowRun& run_of(Entity& e);
  void drop_run(Entity& e);
  // Drops raw rows (folded ones, at most `most`) that no edge needs any more.
  void trim_run(Entity& e, size_t most);
  void drop_forward(Entity& e);
  // Moves the running totals to the clock when they hold much: a key may no longer be asked.
  void relieve_forward(Entity& e);
  bool build_forward(Entity& e, int64_t t, bool after_event);
  // The running totals of `e` at t, made or moved there; null: evaluate() answers.
  Forward* forward_at(Entity* e, int64_t t, bool after_event);
  ForwardBatch& forward_batch();
  // The totals of every window of `e` into question `i` of the batch.
  void fill_batch(const Entity& e, const EntityRows& rows, const Forward& forward, int64_t t, size_t i);
  void drop(Entity& e);
  void evaluate_entity(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at, FeatureRow& out) const;
  // Windows that end at t are answered from the newest tile on, each with what the shorter ones had.
  struct End {
    int64_t tail;
    size_t window;
    uint64_t needed;  // the bits of this window and the longer ones
  };
  bool is_nested(size_t window) const { return layout_.windows[window].ends_at_now() && layout_.windows[window].window.kind != WindowKind::kDecay; }
  std::span<End> nested_ends(int64_t t, uint64_t wanted, std::span<End> ends) const;
  // visit(window, words) for every nested window of `wanted` (window_bit): the slots that it needs are its totals.
  template <class Visit>
  void each_nested(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at, uint64_t wanted, Visit&& visit) const;
  // Adds the rows in [tail, head), both multiples of the tiles there; `words` are initialised and empty.
  void add_range(const Entity& e, const EntityRows& rows, int64_t tail, int64_t head, uint64_t windows, uint64_t* words) const;
  void add_closed(const Entity& e, const EntityRows& rows, size_t window, int64_t t, uint64_t* words) const;

  // answer_steps.h: windows with a second step. place_of(i).column() is where feature i of this question goes.
  struct Question {
    const Entity& entity;
    const EntityRows& rows;
    int64_t t;
    AtInstant at;
    StringArena& arena;
  };
  template <class PlaceOf>
  void finalize_step(size_t step, const uint64_t* words, bool overflow, const Question& q, const PlaceOf& place_of) const;
  template <class PlaceOf>
  void answer_step(size_t step, const uint64_t* words, const Question& q, const PlaceOf& place_of) const;
  template <class PlaceOf>
  void answer_decay(size_t step, const Question& q, const PlaceOf& place_of) const;
  template <class PlaceOf>
  void answer_series(size_t w, const Question& q, const PlaceOf& place_of) const;
  void add_decaying(const WindowStep& step, const Question& q, uint64_t* words) const;
  void answer_windows(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at, uint64_t wanted, FeatureRow& out) const;
  void answer_others(const Entity& e, const EntityRows& rows, int64_t t, bool after_event, const AnswerColumns& out, size_t at) const;
  void finalize_window(size_t window, const uint64_t* words, int64_t t, FeatureRow& out) const;
  WindowReads window_reads(const Entity& e, const EntityRows& rows, int64_t tail, int64_t head) const;
  int64_t newest_event_time(const Entity& e, int64_t now) const;
  bool found(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at) const;
  void export_entity(const Entity& e, const TileRules& rules, ByteWriter& out) const;
  void save_entity(const Entity& e, ByteWriter& out) const;
  Result<> load_entity(ByteReader& in);
  Result<> load_body(ByteReader& in);

  std::shared_ptr<const ViewProgram> program_;
  const StateLayout layout_;
  std::vector<std::vector<size_t>> window_features_;  // by window: features without a step
  std::vector<std::vector<size_t>> step_of_window_;   // by window: its steps
  std::vector<std::vector<size_t>> step_features_;    // by step
  TileStore tiles_;
  const RowPacker packer_;
  PackPool packs_;
  EntityTable table_;
  TileRules rules_;         // at the clock
  int64_t raw_horizon_ = INT64_MIN;
  std::vector<uint64_t> scratch_;
  std::vector<uint8_t> packed_;            // scratch of the writer
  std::vector<const uint64_t*> ordered_;   // the same
  ForwardPlan forward_plan_;
  std::unique_ptr<ForwardBatch> forward_batch_;  // null until the first question with running totals: live states have none
  FeatureRow forward_row_;  // of a question that evaluate() answers
  size_t forward_count_ = 0;
  size_t maintained_ = 0;   // next entity for maintain()
  size_t run_count_ = 0;
};

}  // namespace ms::feature
