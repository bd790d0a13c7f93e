// A Parquet or CSV file in memory, as the spine of a training set or as the history of a source. The only door to
// Arrow's readers: what leaves here is our own columns.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "codec/column_batch.h"
#include "feature/definition.h"

namespace arrow {
class Schema;
class Table;
}

namespace ms::history {

inline constexpr size_t kChunkRows = 65'536;  // rows that one task handles at a time

// Immutable; const methods may run on many threads.
class Table {
 public:
  // Reads `columns` of the file (all when nullopt; a missing one is kInvalidArgument and names the nearest). The format
  // follows the ending: .csv, else Parquet. A CSV says nothing of types: columns in `csv_types` are read as what is declared (a value
  // that is none is kInvalidArgument; lists, vectors and maps are JSON texts), others as what they look like. Errors: kInvalidArgument (no
  // file there, not such a file), kInternal (the disk).
  static Result<std::shared_ptr<const Table>> read(const std::string& path, const std::optional<std::vector<std::string>>& columns,
                                                   unsigned threads, const std::map<std::string, Type>& csv_types = {});
  // The names of a CSV's columns, without reading it all.
  static Result<std::vector<std::string>> csv_names(const std::string& path);
  // What an Arrow table of this file's rows says, from number `first_row` on; `original` is the schema that the file's own readers see.
  static Result<std::shared_ptr<const Table>> of(const std::string& path, const std::shared_ptr<arrow::Table>& table,
                                                 std::shared_ptr<arrow::Schema> original, uint64_t first_row = 0);
  ~Table();

  uint64_t rows() const { return rows_; }
  const std::string& path() const { return path_; }
  bool is_csv() const { return path_.ends_with(".csv"); }
  const std::vector<std::string>& names() const { return names_; }
  // Errors: kInvalidArgument names the file and the nearest column.
  Result<size_t> find(std::string_view name) const;
  std::string type_text(size_t column) const;
  bool is_timestamp(size_t column) const;

  // Whether fill() can give this column as `type`: narrower numbers widen, nothing else converts.
  Result<> check(size_t column, const Type& type) const;
  // Rows [from, from + count) into out (reset to `type`). Strings are views into the table. check() must have passed.
  void fill(size_t column, const Type& type, uint64_t from, size_t count, Column& out) const;

  // The same for a time: timestamps and dates of any unit, integers in `unit`, RFC 3339 texts; what has no such reading or
  // does not fit is null. `unit` nullopt: integers are refused by check_time().
  Result<> check_time(size_t column, std::optional<feature::TimeUnit> unit) const;
  void fill_time(size_t column, std::optional<feature::TimeUnit> unit, uint64_t from, size_t count, Column& out) const;

  // The values of a dictionary-encoded string column, one dictionary for the whole column; empty optional: it is not one.
  std::optional<std::vector<std::string_view>> dictionary(size_t column) const;
  // Their numbers for rows [from, from + count); UINT32_MAX where null.
  void codes(size_t column, uint64_t from, size_t count, uint32_t* out) const;

  // For the writer, which carries the columns through.
  const std::shared_ptr<arrow::Table>& arrow() const { return table_; }
  // The schema that the file's own readers see: texts are not dictionaries there unless the file says so.
  const std::shared_ptr<arrow::Schema>& original_schema() const { return original_; }

 private:
  Table();
  struct Piece;  // one contiguous array of a column
  Result<> check_rows(size_t column, const Type& type) const;
  void fill_packed(const Piece& piece, size_t column, int64_t row, size_t count, size_t at, Column& out) const;
  const Piece& piece_at(size_t column, uint64_t row) const;

  std::string path_;
  std::shared_ptr<arrow::Table> table_;
  std::shared_ptr<arrow::Schema> original_;
  uint64_t first_row_ = 0;  // in the file, for messages
  uint64_t rows_ = 0;
  std::vector<std::string> names_;
  std::vector<std::vector<Piece>> pieces_;
  mutable std::mutex packed_mutex_;
  mutable StringArena packed_;  // the bytes of lists, vectors and maps that fill() made
};

}  // namespace ms::history
