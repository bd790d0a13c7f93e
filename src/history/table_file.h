// A Parquet file read row group by row group, for histories that should not be in memory at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "feature/definition.h"
#include "history/table.h"
#include "history/wanted.h"

namespace ms::history {

// Immutable; const methods may run on many threads.
class TableFile {
 public:
  // `columns` as for Table::read, of a Parquet file. The same errors.
  static Result<std::unique_ptr<const TableFile>> open(const std::string& path, std::vector<std::string> columns);
  ~TableFile();

  uint64_t rows() const;
  size_t groups() const { return first_rows_.size(); }
  uint64_t first_row(size_t group) const { return first_rows_[group]; }
  uint64_t rows(size_t group) const;
  // The rows of one group as a table of their own, its row 0 is first_row(group).
  Result<std::shared_ptr<const Table>> read(size_t group) const;
  Result<std::shared_ptr<const Table>> no_rows() const;  // just the columns and their types
  // Where the group's times lie, from the file's own statistics: nullopt when these do not say so or some time is null.
  std::optional<TimeRange> times(size_t group, const std::string& column, feature::TimeUnit unit) const;

 private:
  struct Opened;
  explicit TableFile(std::unique_ptr<Opened> opened);

  std::unique_ptr<Opened> opened_;
  std::vector<uint64_t> first_rows_;
};

}  // namespace ms::history
