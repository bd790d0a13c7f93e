// For tests only: events as plain values, states built from specs, and a slow obvious reference of the semantics.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "feature/row_pack.h"
#include "feature/view_state.h"

namespace ms::feature::testing {

struct Event {
  std::string key;
  int64_t et = 0, at = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  std::vector<ScalarValue> arguments;  // one per argument column; decimals as int64 units, lists, vectors and maps packed
  std::vector<uint8_t> filters;
  int64_t retracts = PreparedRows::kEvent;  // the offset that it takes back
};

// The name of a key as canonical bytes would be; any bytes do.
uint64_t hash_of(std::string_view key);

// Applies one event (or a run of events of one partition) at `now`.
AppliedRows apply_events(ViewState& state, const std::vector<Type>& types, std::span<const Event> events, int64_t now);

// States made while it lives keep at most so many rows of an entity packed before they make tiles; 0: tiles from the first row on.
class PackedRowsAtMost {
 public:
  explicit PackedRowsAtMost(size_t rows) : before_(RowPacker::limit_rows(rows)) {}
  ~PackedRowsAtMost() { RowPacker::limit_rows(before_); }
  PackedRowsAtMost(const PackedRowsAtMost&) = delete;
  PackedRowsAtMost& operator=(const PackedRowsAtMost&) = delete;

 private:
  size_t before_;
};

// Bytes with letters as they are.
std::string hex(std::string_view bytes);
// One answer as text: "STATUS value event_time", floats as the shortest text, bytes as hex().
std::string show(const FeatureValue& value, const Type& type);
std::vector<std::string> show(const FeatureRow& row, const std::vector<FeatureSpec>& specs);
std::vector<std::string> ask(const ViewState& state, const std::vector<FeatureSpec>& specs, std::string_view key, int64_t t, bool after_event = false);

// F(key, t, K) by going over all events.
std::vector<std::string> reference(const std::vector<FeatureSpec>& specs, std::span<const Event> events, std::string_view key, int64_t t, bool after_event = false);

// Every line "key: hex".
std::string export_text(const ViewState& state, int64_t t);

FeatureSpec spec(AggregateKind aggregate, Window window, int argument = -1, const Type& type = TypeKind::kInt64, int filter = -1);
Window sliding(int64_t length_us, int64_t hop_us = 0);
Window exact(int64_t length_us);
Window tumbling(int64_t length_us);
Window lifetime();

}  // namespace ms::feature::testing
