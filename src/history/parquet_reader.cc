#include "history/parquet_reader.h"

#include <arrow/io/api.h>
#include <arrow/util/io_util.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <cerrno>

#include "base/nearest.h"
#include "history/arrow_pool.h"

namespace ms::history {

Unexpected from_arrow(const std::string& path, const arrow::Status& status) {
  const auto detail = status.detail();
  const std::string why = status.IsIOError() && detail ? detail->ToString() : status.message();
  const bool disk_fails = detail && arrow::internal::ErrnoFromStatusDetail(*detail) == EIO;
  return fail(disk_fails ? ErrorKind::kInternal : ErrorKind::kInvalidArgument,
              path + ": " + why.substr(why.starts_with("[errno ") ? why.find("] ") + 2 : 0));
}

std::string no_such_column(const std::string& path, std::string_view name, const std::vector<std::string>& names) {
  std::string text = path + ": there is no column '" + std::string(name) + "'";
  if (const std::string hint = did_you_mean(name, names); !hint.empty()) return text + hint;
  text += "; it has";
  for (const std::string& n : names) text += " '" + n + "'";
  return text;
}

Result<ParquetReader> ParquetReader::open(const std::string& path, const std::optional<std::vector<std::string>>& columns, bool threads,
                                          std::shared_ptr<parquet::FileMetaData> known) {
  ParquetReader out;
  ARROW_TRY(path, auto file, arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ));
  parquet::arrow::FileReaderBuilder builder;
  if (const auto opened = builder.Open(file, parquet::default_reader_properties(), std::move(known)); !opened.ok())
    return invalid(path + " is not a Parquet file: " + opened.message());
  parquet::ArrowReaderProperties properties;
  properties.set_use_threads(threads);
  const auto metadata = builder.raw_reader()->metadata();
  // Strings stay dictionary-encoded: a key is then encoded once per value, and the writer need not hash it again.
  std::vector<std::string> top;
  for (int i = 0; i < metadata->schema()->group_node()->field_count(); ++i)
    top.push_back(metadata->schema()->group_node()->field(i)->name());
  for (int i = 0; i < metadata->num_columns(); ++i) {
    const auto* column = metadata->schema()->Column(i);
    if (column->physical_type() == parquet::Type::BYTE_ARRAY && column->logical_type()->is_string() &&
        column->path()->ToDotVector().size() == 1)
      properties.set_read_dictionary(i, true);
  }
  ARROW_TRY(path, out.reader, builder.memory_pool(arrow_pool())->properties(properties)->Build());
  std::vector<int>& wanted = out.columns;
  if (columns) {
    for (const std::string& name : *columns) {
      if (std::ranges::find(top, name) == top.end()) return invalid(no_such_column(path, name, top));
      for (int i = 0; i < metadata->num_columns(); ++i)
        if (metadata->schema()->GetColumnRoot(i)->name() == name) wanted.push_back(i);
    }
  } else {
    for (int i = 0; i < metadata->num_columns(); ++i) wanted.push_back(i);
  }
  if (const auto found = parquet::arrow::FromParquetSchema(metadata->schema(), parquet::ArrowReaderProperties(),
                                                           metadata->key_value_metadata(), &out.original);
      !found.ok())
    return from_arrow(path, found);
  return out;
}

}  // namespace ms::history
