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

// Canonical key bytes (docs/formats/entity-key.md): each part tagged; integers (and timestamps) big-endian with the sign
// bit flipped; strings with 00 escaped as 00 FF and ended by 00 00. They sort as the values do.
void append_key_part(std::string& key, int64_t value);
void append_key_part(std::string& key, std::string_view value);
void append_key_part(std::string& key, bool value);
// The parts of such a key: bool, int64_t or std::string each. Errors: Corruption.
Result<std::vector<ScalarValue>> parse_key(std::string_view key);
uint64_t shard_hash(std::string_view key);
uint64_t table_hash(std::string_view key);

// A canonical key and its hashes.
struct HashedKey {
  std::string_view bytes;
  uint64_t shard_hash = 0, table_hash = 0;
};

// A row that cannot be evaluated: int64 overflow, a cast that fails, a retraction that names no earlier record. `reason` lives as long as
// the program.
struct FailedRow {
  uint32_t row = 0;  // in the batch
  std::string_view reason;
  bool of_retraction = false;  // the source's rule fails, whatever the view
};

// Rows ready for ViewState::apply, as parallel arrays. Reused between batches. Texts are views into the batches they
// came from (their owners and arena) or into `arena`: the batches must outlive the rows.
struct PreparedRows {
  size_t rows = 0;
  std::vector<std::string_view> keys;     // canonical bytes in `arena`, or the caller's known ones
  std::vector<uint64_t> shard_hashes, table_hashes;
  std::vector<int64_t> event_times_us;
  std::vector<int64_t> offsets;
  // Of a source that takes events back: the offset that a retraction names, kEvent for an event. Empty for other sources.
  static constexpr int64_t kEvent = -1;
  std::vector<int64_t> retracts;
  int32_t partition = 0;
  std::vector<Column> arguments;          // one per distinct argument expression of the view
  std::vector<std::vector<uint8_t>> filters;  // one per distinct feature filter: 1 = the row counts
  StringArena arena;
  // Rows of the batch that are not here, by reason.
  uint64_t filtered = 0, null_keys = 0;
  std::vector<FailedRow> failed;          // for the dead-letter topic; of all batches since clear()

  void clear();
  void reserve(size_t most);  // for so many rows
};

struct FeatureColumn {
  std::string name;
  Type type;
};

// Which part of a definition an error is about.
struct DefinitionPlace {
  std::string part;   // "where", "features[3].of", "features[3].where", "features[3].over", "features[3].default",
                      // "entity.key[0]", "source.derived[0]", "source.retract.when", "source.retract.offset"
  size_t column = 0;  // in the expression's text, from 1; 0: the whole part
};

class ViewProgram {
 public:
  // Types every expression. Errors (InvalidArgument) name the feature and the column of the expression; the message
  // ends with a suggestion for a misspelt name. `place` may be null.
  static Result<std::shared_ptr<const ViewProgram>> compile(const SourceDefinition& source, const EntityDefinition& entity,
                                                            const ViewDefinition& view, DefinitionPlace* place = nullptr);
  virtual ~ViewProgram() = default;

  // The fields the decoder must produce, in this order, followed by the event time as the last column (kTimestamp).
  virtual const std::vector<Field>& input_fields() const = 0;
  virtual const std::vector<FeatureColumn>& features() const = 0;      // result names and types
  virtual const std::vector<FeatureSpec>& specs() const = 0;           // same order: what the state computes
  virtual const std::vector<Field>& key_fields() const = 0;            // name and type of each key part
  virtual const ViewDefinition& definition() const = 0;
  virtual bool retracts() const = 0;                                   // its source takes events back
  virtual int64_t longest_reach_us() const = 0;                        // how far back any window looks; INT64_MAX: lifetime
  // A canonical text of the computation of feature `i` alone, input of its identity hash (08-foundations).
  virtual std::string canonical_feature(size_t i) const = 0;

  // Evaluates filters, derived fields, key and arguments for the rows of `batch` that are set in `keep` (decoded,
  // not quarantined), and appends them to `out`. Of a retraction nothing is asked but its key and the offset that it names.
  // Thread-safe. columns[i] is where the batch has input field i; the
  // entry after the last field is where it has the event time. So one batch can serve several views.
  void prepare(const ColumnBatch& batch, std::span<const uint32_t> columns, std::span<const uint8_t> keep, PreparedRows& out) const {
    prepare(batch, columns, keep, {}, out);
  }
  // The same where the caller knows the key of every kept row: known[r], whose bytes outlive `out`. Empty: they are made here.
  virtual void prepare(const ColumnBatch& batch, std::span<const uint32_t> columns, std::span<const uint8_t> keep,
                       std::span<const HashedKey* const> known, PreparedRows& out) const = 0;
  // The same for a batch that has exactly the columns of input_fields() and then the event time.
  void prepare(const ColumnBatch& batch, std::span<const uint8_t> keep, PreparedRows& out) const;
};

}  // namespace ms::feature
