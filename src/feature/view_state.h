// The state of one view on one shard, and the only code that answers a feature: online reads, training sets and
// replays all call evaluate(). State is exact and commutative: any order of apply() gives the same answers.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "feature/explain.h"
#include "feature/value.h"
#include "feature/view_program.h"

namespace ms::feature {

// Where a row stands in its source.
struct RowPosition {
  int32_t partition = 0;
  int64_t offset = 0;
};

// What became of rows.
struct AppliedRows {
  uint64_t beyond_horizon = 0;     // no window can reach them at any t >= now: they are not kept
  uint64_t retracted = 0;          // retractions that took a row back
  uint64_t retracted_unknown = 0;  // those that named no row that the state holds

  AppliedRows& operator+=(const AppliedRows& other) {
    beyond_horizon += other.beyond_horizon, retracted += other.retracted, retracted_unknown += other.retracted_unknown;
    return *this;
  }
};

// One writer; const methods may run on many threads between writes (the shard's lock sees to that).
class ViewState {
 public:
  static std::unique_ptr<ViewState> make(std::shared_ptr<const ViewProgram> program);
  // Without a program. Every window passes check_window and every aggregate takes its argument (a CHECK).
  // `retracts`: rows may be taken back; then no window may go back for ever (a CHECK).
  static std::unique_ptr<ViewState> make(std::vector<FeatureSpec> specs, bool retracts = false);
  virtual ~ViewState() = default;

  // Adds the rows whose numbers are in `which` (the shard's share of `rows`). `now` is the shard's clock: it never goes
  // back, and no later evaluate() asks for t < now. Rows with et >= now wait as pending rows and count once t passes them.
  // A retraction (PreparedRows::retracts) takes the row of its key and event time at the position that it names out again, whatever
  // the clock: the state is that of the other rows (law L5). It comes after that row, as it does in the log; without such a row
  // nothing happens. Only for states that were made for it (a CHECK).
  virtual AppliedRows apply(const PreparedRows& rows, std::span<const uint32_t> which, Instant now) = 0;

  // The answers for `key` at `t` (t >= every `now` applied). after_event: rows with et = t count too, where head(t) = t.
  virtual void evaluate(std::string_view key, uint64_t table_hash, Instant t, bool after_event, FeatureRow& out) const = 0;

  // For training (exclude_self): as evaluate() with after_event, but without the row of `key` at `self` with et = t, which is pending: no
  // `now` applied is above t. False: the state has no such row, and nothing is left out.
  virtual bool evaluate_without(std::string_view key, uint64_t table_hash, Instant t, RowPosition self, FeatureRow& out) const = 0;

  // The same bits as evaluate(), for callers that own the state alone and ask each key with non-decreasing t (training
  // sets, replay): keeps running totals per window, so that a question costs O(features), not O(tiles). The answer lies in
  // `out` at `at` after finish_forward(): questions are rounded some at a time. `out` is the same until then.
  virtual void evaluate_forward(std::string_view key, uint64_t table_hash, Instant t, bool after_event, const AnswerColumns& out, size_t at) = 0;
  virtual void finish_forward(const AnswerColumns& out) = 0;
  // One question alone, as a row; none may wait for finish_forward().
  virtual void evaluate_forward(std::string_view key, uint64_t table_hash, Instant t, bool after_event, FeatureRow& out) = 0;

  // Starts loading the entity's memory; call some rows ahead of evaluate().
  virtual void prefetch(uint64_t table_hash) const = 0;

  // Drops what no window can reach at any t >= now and rolls up what none can cut; bounded work per call, in turn over
  // the entities. Never changes an answer.
  virtual void maintain(Instant now, size_t entities_max) = 0;

  // What evaluate() reads for each feature's window. False: the key is not in the state.
  virtual bool explain(std::string_view key, uint64_t table_hash, Instant t, bool after_event,
                       std::vector<WindowReads>& by_feature) const = 0;
  // For each of the entities number `first`, first + step, ... (at most `count`): the event time of its newest row below `now` that
  // some feature took in and the state still holds; kNoEventTime: there is none. Returns the number to go on with.
  virtual size_t newest_event_times(size_t first, size_t count, size_t step, int64_t now, std::vector<int64_t>& out) const = 0;

  virtual size_t entities() const = 0;
  virtual size_t resident_bytes() const = 0;

  // Canonical export at t (law L3): a function of the applied rows alone. Sorted by key.
  virtual void export_canonical(Instant t, const std::function<void(std::string_view key, std::string_view state)>& sink) const = 0;

  // Checkpoint form; load() replaces the state. Errors: Corruption. Now and then save() asks whether to give up; then what it has
  // written is no state, and it returns false.
  virtual bool save(ByteWriter& out, const std::function<bool()>& give_up = {}) const = 0;
  virtual Result<> load(ByteReader& in) = 0;
};

}  // namespace ms::feature
