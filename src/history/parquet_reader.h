// How this folder opens Parquet files, and what Arrow's errors mean here.
#pragma once

#include <arrow/api.h>
#include <parquet/arrow/reader.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ms::history {

// kInternal when the disk fails, else kInvalidArgument: the file is not what it should be.
Unexpected from_arrow(const std::string& path, const arrow::Status& status);

#define ARROW_TRY(path, declaration, expression)                                                                      \
  auto MS_CONCAT(arrow_result_, __LINE__) = (expression);                                                             \
  if (!MS_CONCAT(arrow_result_, __LINE__).ok()) return from_arrow(path, MS_CONCAT(arrow_result_, __LINE__).status()); \
  declaration = std::move(*MS_CONCAT(arrow_result_, __LINE__))

std::string no_such_column(const std::string& path, std::string_view name, const std::vector<std::string>& names);

// One reader of one file; Arrow's readers are for one thread.
struct ParquetReader {
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::vector<int> columns;                 // those wanted, as the file counts them
  std::shared_ptr<arrow::Schema> original;  // what the file's own readers see

  // `columns`: all when nullopt. `metadata` of an earlier open of the same file saves reading it again.
  static Result<ParquetReader> open(const std::string& path, const std::optional<std::vector<std::string>>& columns, bool threads,
                                    std::shared_ptr<parquet::FileMetaData> metadata = nullptr);
};

}  // namespace ms::history
