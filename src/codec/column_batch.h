// Rows in motion: up to 1,024 rows as columns in the Arrow memory layout.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/types.h"

namespace ms {

inline constexpr size_t kBatchRowsMax = 1024;

// The closed set of value types. Narrower inputs widen at decode; nothing converts by itself between them.
enum class TypeKind : uint8_t { kBool, kInt64, kFloat64, kString, kTimestamp };  // timestamp: int64 us UTC
inline constexpr size_t kTypeKindCount = static_cast<size_t>(TypeKind::kTimestamp) + 1;
std::string_view to_string(TypeKind type);  // "bool", "int64", "float64", "string", "timestamp"

// One column: `validity` has a bit per row (1 = not null); exactly one value vector is used, by type, with a slot per
// row (the slot of a null is zero/empty). Vectors keep their capacity between batches.
struct Column {
  TypeKind type = TypeKind::kInt64;
  std::vector<uint64_t> validity;
  std::vector<uint8_t> bools;              // 0 or 1
  std::vector<int64_t> ints;               // kInt64 and kTimestamp
  std::vector<double> floats;
  std::vector<std::string_view> strings;   // views into ColumnBatch::owners or its arena

  bool valid(size_t row) const { return validity[row / 64] >> (row % 64) & 1; }
  void set_valid(size_t row) { validity[row / 64] |= uint64_t{1} << (row % 64); }
  void set_null(size_t row) { validity[row / 64] &= ~(uint64_t{1} << (row % 64)); }
  void reset(TypeKind t, size_t rows);  // all null, `rows` slots
};

// A bump arena for strings that need bytes of their own (unescaped JSON, results of expressions).
class StringArena {
 public:
  std::string_view add(std::string_view text);
  char* allocate(size_t size);
  void clear() { blocks_.clear(), used_ = 0, room_ = 0; }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0, room_ = 0;
};

struct ColumnBatch {
  size_t rows = 0;
  std::vector<Column> columns;       // in the order of the decoder's fields
  // Where each row comes from (a batch may span record batches of one partition).
  std::vector<Offset> offsets;
  std::vector<AppendTime> append_times;
  PartitionId partition;
  std::vector<Slice> owners;         // keep the bytes behind string views alive
  StringArena arena;

  void clear();
};

}  // namespace ms
