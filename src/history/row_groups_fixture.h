// For tests only: a table as a Parquet file of many row groups.
#pragma once

#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <string>

#include "history/table.h"

namespace ms::history {

inline void write_in_groups(const Table& table, const std::string& path, int64_t rows_per_group) {
  const auto file = arrow::io::FileOutputStream::Open(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(parquet::arrow::WriteTable(*table.arrow(), arrow::default_memory_pool(), *file, rows_per_group).ok());
  ASSERT_TRUE((*file)->Close().ok());
}

}  // namespace ms::history
