// Rows in motion: up to 1,024 rows as columns in the Arrow memory layout.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/int128.h"
#include "base/types.h"

namespace ms {

inline constexpr size_t kBatchRowsMax = 1024;

// The closed set of value types. Narrower inputs widen at decode; nothing converts by itself between them.
enum class TypeKind : uint8_t {
  kBool, kInt64, kFloat64, kString,
  kTimestamp,  // int64 us UTC
  kDecimal,    // decimal(precision, scale): an int128 of units of 10^-scale, at most `precision` digits
  kList,       // list<element>: any number of scalars, each may be null
  kVector,     // vector<float64, size>: exactly `size` numbers, none null
  kMap,        // map<string, element>: scalars by name, each may be null
};
inline constexpr size_t kTypeKindCount = static_cast<size_t>(TypeKind::kMap) + 1;
std::string_view to_string(TypeKind type);  // "bool", "int64", "float64", "string", "timestamp", "decimal", "list", ...

inline constexpr uint8_t kDecimalDigitsMax = 38;
inline constexpr uint32_t kVectorSizeMax = 4096;

// A kind with its parameters. A plain kind converts to it, and it to its kind, so that code that only asks for the kind reads as it
// would without parameters; == between two Types compares all of them.
struct Type {
  TypeKind kind = TypeKind::kInt64;
  TypeKind element = TypeKind::kInt64;  // of kList, kMap: a scalar
  uint8_t precision = 0, scale = 0;     // of kDecimal, also as an element; 1 <= precision <= 38, scale <= precision
  uint32_t size = 0;                    // of kVector, 1 .. kVectorSizeMax

  constexpr Type() = default;
  constexpr Type(TypeKind k) : kind(k) {}  // NOLINT: see above
  constexpr operator TypeKind() const { return kind; }

  static constexpr Type decimal(uint8_t precision, uint8_t scale) {
    Type t(TypeKind::kDecimal);
    t.precision = precision, t.scale = scale;
    return t;
  }
  static constexpr Type list(Type element) { return nested(TypeKind::kList, element); }
  static constexpr Type map(Type element) { return nested(TypeKind::kMap, element); }
  static constexpr Type vector(uint32_t size) {
    Type t(TypeKind::kVector);
    t.element = TypeKind::kFloat64, t.size = size;
    return t;
  }
  // The type of an element of a list, vector or map.
  constexpr Type element_type() const {
    Type t(element);
    t.precision = precision, t.scale = scale;
    return t;
  }

  auto operator<=>(const Type&) const = default;
  template <std::same_as<TypeKind> Kind>
  friend constexpr bool operator==(const Type& a, Kind b) {
    return a.kind == b;
  }

 private:
  static constexpr Type nested(TypeKind kind, Type element) {
    Type t(kind);
    t.element = element.kind, t.precision = element.precision, t.scale = element.scale;
    return t;
  }
};
// "decimal(12,2)", "list<string>", "vector<float64,8>", "map<string,decimal(12,2)>"; a plain kind as above.
std::string type_text(const Type& type);
// The same text read again; spaces after commas are fine. nullopt: no such type.
std::optional<Type> parse_type(std::string_view text);

constexpr bool is_scalar(TypeKind kind) { return kind < TypeKind::kList; }
// Values that are bytes: texts, and lists, vectors and maps in the form of packed_value.h.
constexpr bool is_bytes(TypeKind kind) { return kind == TypeKind::kString || kind >= TypeKind::kList; }

// One column: `validity` has a bit per row (1 = not null); exactly one value vector is used, by type, with a slot per
// row (the slot of a null is zero/empty). Vectors keep their capacity between batches.
struct Column {
  Type type = TypeKind::kInt64;
  std::vector<uint64_t> validity;
  std::vector<uint8_t> bools;              // 0 or 1
  std::vector<int64_t> ints;               // kInt64 and kTimestamp
  std::vector<double> floats;
  std::vector<int128> decimals;
  std::vector<std::string_view> strings;   // of is_bytes() kinds: views into ColumnBatch::owners or its arena

  bool valid(size_t row) const { return validity[row / 64] >> (row % 64) & 1; }
  void set_valid(size_t row) { validity[row / 64] |= uint64_t{1} << (row % 64); }
  void set_null(size_t row) { validity[row / 64] &= ~(uint64_t{1} << (row % 64)); }
  void reset(const Type& t, size_t rows);  // all null, `rows` slots
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
