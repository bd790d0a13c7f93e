// A compiled view: from decoded columns to the rows its state takes in. Immutable and shared by all threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/column_batch.h"
#include "feature/definition.h"
#include "feature/feature_spec.h"

namespace ms::feature {

inline constexpr uint64_t kShardSeed = 0x6d696c6c73686172ull;  // XXH3-64 seeds; part of the format, never changed
inline constexpr uint64_t kTableSeed = 0x6d696c6c7461626cull;

// Canonical key bytes (08-foundations): each part tagged; integers big-endian with the sign bit flipped; strings with
// 00 escaped as 00 FF and ended by 00 00. They sort as the values do.
void append_key_part(std::string& key, int64_t value);
void append_key_part(std::string& key, std::string_view value);
void append_key_part(std::string& key, bool value);
uint64_t shard_hash(std::string_view key);
uint64_t table_hash(std::string_view key);

// Rows ready for ViewState::apply, as parallel arrays. Reused between batches.
struct PreparedRows {
  size_t rows = 0;
  std::vector<std::string_view> keys;     // canonical bytes in `arena`
  std::vector<uint64_t> shard_hashes, table_hashes;
  std::vector<int64_t> event_times_us;
  std::vector<int64_t> append_times_us;
  std::vector<int64_t> offsets;
  int32_t partition = 0;
  std::vector<Column> arguments;          // one per distinct argument expression of the view
  std::vector<std::vector<uint8_t>> filters;  // one per distinct feature filter: 1 = the row counts
  StringArena arena;
  // Rows of the batch that are not here, by reason.
  uint64_t filtered = 0, null_keys = 0;

  void clear();
};

struct FeatureColumn {
  std::string name;
  TypeKind type = TypeKind::kInt64;
};

class ViewProgram {
 public:
  // Types every expression. Errors (InvalidArgument) name the feature and the column of the expression; the message
  // ends with a suggestion for a misspelt name. `error_field` (may be null) receives which part of the definition is
  // wrong: "where", "features[3].of", "features[3].where", "features[3].over", "entity", "source.derived.NAME".
  static Result<std::shared_ptr<const ViewProgram>> compile(const SourceDefinition& source, const EntityDefinition& entity,
                                                            const ViewDefinition& view, std::string* error_field = nullptr);
  virtual ~ViewProgram() = default;

  // The fields the decoder must produce, in this order, followed by the event time as the last column (kTimestamp).
  virtual const std::vector<Field>& input_fields() const = 0;
  virtual const std::vector<FeatureColumn>& features() const = 0;      // result names and types
  virtual const std::vector<FeatureSpec>& specs() const = 0;           // same order: what the state computes
  virtual const std::vector<Field>& key_fields() const = 0;            // name and type of each key part
  virtual const ViewDefinition& definition() const = 0;
  virtual int64_t longest_reach_us() const = 0;                        // how far back any window looks; INT64_MAX: lifetime
  // A canonical text of the computation of feature `i` alone, input of its identity hash (08-foundations).
  virtual std::string canonical_feature(size_t i) const = 0;

  // Evaluates filters, derived fields, key and arguments for the rows of `batch` that are set in `keep` (decoded,
  // not quarantined), and appends them to `out`. Thread-safe.
  virtual void prepare(const ColumnBatch& batch, std::span<const uint8_t> keep, PreparedRows& out) const = 0;
};

}  // namespace ms::feature
