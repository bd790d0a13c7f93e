// Which events some question can see at all. The others need no key, no expression and no state: a spine that asks one key in
// ten leaves out nine events in ten before anything of them but key and time is looked at.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "codec/column_batch.h"
#include "feature/feature_spec.h"
#include "feature/view_program.h"
#include "history/table.h"

namespace ms::history {

struct Questions;

// Event times in microseconds, from <= et < until.
struct TimeRange {
  int64_t from_us = INT64_MAX, until_us = INT64_MIN;
  bool has(int64_t us) const { return from_us <= us && us < until_us; }
  void add(const TimeRange& other) { from_us = std::min(from_us, other.from_us), until_us = std::max(until_us, other.until_us); }
};

// Immutable; const methods may run on many threads. Says yes to every event that an answer could depend on, and to a few more.
class Wanted {
 public:
  // `specs`: the features that are asked for. A key's range ends at its last question and begins where the longest window of
  // its first one does.
  Wanted(const std::vector<feature::FeatureSpec>& specs, const Questions& questions, bool after_event);

  const TimeRange& times() const { return all_; }  // of all keys
  size_t keys() const { return count_; }           // distinct ones
  bool row(uint64_t table_hash, int64_t event_time_us) const;
  void prefetch(uint64_t table_hash) const { __builtin_prefetch(&slots_[table_hash & (slots_.size() - 1)]); }  // some rows ahead of row()

  // Knows the keys by the spine's key columns too, so that keep_keys() can decide before canonical keys are made. For keys that
  // are plain fields of the events. Question i is row i of the spine; `questions` must outlive this.
  void learn_columns(const Table& spine, const std::vector<feature::Field>& key_fields, const std::vector<size_t>& columns,
                     const Questions& questions);
  bool knows_columns() const { return !filter_.empty(); }
  // Clears keep[i] of rows whose key parts nobody asks for.
  void keep_keys(std::span<const Column* const> parts, std::span<uint8_t> keep) const;
  // Whether keys are one integer: then find_keys() says exactly what row() does, and no key has to be made.
  bool tells_keys() const { return !numbers_.empty(); }
  // keys[i]: the question's key of a row of keep[i], which is cleared where no question can see the row.
  void find_keys(const Column& numbers, const Column& times, std::span<uint8_t> keep, std::vector<const feature::HashedKey*>& keys) const;

 private:
  struct Slot {
    uint64_t hash = 0;
    TimeRange times;  // none in a free slot
    bool free() const { return times.until_us == INT64_MIN; }
  };
  struct Number {
    int64_t value = 0;
    const feature::HashedKey* key = nullptr;  // null in a free slot
    TimeRange times;
  };
  void add(uint64_t hash, const TimeRange& times);
  const TimeRange* times_of(uint64_t table_hash) const;  // null: not asked for
  void learn_numbers(const Column& values, size_t rows, uint64_t first, const Questions& questions);

  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t count_ = 0;
  TimeRange all_;
  std::vector<uint64_t> filter_;  // two bits of one word for each key
  std::vector<Number> numbers_;   // as slots_, by the mixed number
};

}  // namespace ms::history
