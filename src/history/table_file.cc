#include "history/table_file.h"

#include <parquet/file_reader.h>
#include <parquet/statistics.h>

#include "history/parquet_reader.h"

namespace ms::history {

struct TableFile::Opened {
  std::string path;
  std::vector<std::string> columns;
  std::shared_ptr<parquet::FileMetaData> metadata;
  std::shared_ptr<arrow::Schema> original;
};

TableFile::TableFile(std::unique_ptr<Opened> opened) : opened_(std::move(opened)) {
  uint64_t first = 0;
  for (int g = 0; g < opened_->metadata->num_row_groups(); ++g) {
    first_rows_.push_back(first);
    first += static_cast<uint64_t>(opened_->metadata->RowGroup(g)->num_rows());
  }
}
TableFile::~TableFile() = default;

Result<std::unique_ptr<const TableFile>> TableFile::open(const std::string& path, std::vector<std::string> columns) {
  TRY_ASSIGN(const ParquetReader file, ParquetReader::open(path, columns, false));
  auto opened = std::make_unique<Opened>(path, std::move(columns), file.reader->parquet_reader()->metadata(), file.original);
  return std::unique_ptr<const TableFile>(new TableFile(std::move(opened)));
}

uint64_t TableFile::rows() const { return static_cast<uint64_t>(opened_->metadata->num_rows()); }

uint64_t TableFile::rows(size_t group) const {
  return static_cast<uint64_t>(opened_->metadata->RowGroup(static_cast<int>(group))->num_rows());
}

Result<std::shared_ptr<const Table>> TableFile::read(size_t group) const {
  TRY_ASSIGN(const ParquetReader file, ParquetReader::open(opened_->path, opened_->columns, false, opened_->metadata));
  ARROW_TRY(opened_->path, auto table, file.reader->ReadRowGroup(static_cast<int>(group), file.columns));
  return Table::of(opened_->path, table, opened_->original, first_rows_[group]);
}

Result<std::shared_ptr<const Table>> TableFile::no_rows() const {
  TRY_ASSIGN(const ParquetReader file, ParquetReader::open(opened_->path, opened_->columns, false, opened_->metadata));
  ARROW_TRY(opened_->path, auto table, file.reader->ReadRowGroups({}, file.columns));
  return Table::of(opened_->path, table, opened_->original);
}

namespace {

std::optional<int64_t> micros_each(const parquet::ColumnDescriptor& column, feature::TimeUnit unit) {
  if (const auto& logical = column.logical_type(); logical->is_timestamp()) {
    switch (static_cast<const parquet::TimestampLogicalType&>(*logical).time_unit()) {
      case parquet::LogicalType::TimeUnit::MILLIS:
        return kMicrosPerMilli;
      case parquet::LogicalType::TimeUnit::MICROS:
        return 1;
      default:
        return std::nullopt;
    }
  } else if (!logical->is_none() && !logical->is_int()) {
    return std::nullopt;
  }
  switch (unit) {
    case feature::TimeUnit::kSeconds:
      return kMicrosPerSecond;
    case feature::TimeUnit::kMillis:
      return kMicrosPerMilli;
    case feature::TimeUnit::kMicros:
      return 1;
    case feature::TimeUnit::kRfc3339:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<TimeRange> TableFile::times(size_t group, const std::string& name, feature::TimeUnit unit) const {
  const auto rows = opened_->metadata->RowGroup(static_cast<int>(group));
  const int column = opened_->metadata->schema()->ColumnIndex(name);
  if (column < 0 || opened_->metadata->schema()->Column(column)->physical_type() != parquet::Type::INT64) return std::nullopt;
  const auto factor = micros_each(*opened_->metadata->schema()->Column(column), unit);
  const auto statistics = rows->ColumnChunk(column)->statistics();
  if (!factor || !statistics || !statistics->HasMinMax() || !statistics->HasNullCount() || statistics->null_count() != 0)
    return std::nullopt;
  const auto& typed = static_cast<const parquet::Int64Statistics&>(*statistics);
  int64_t least = 0, most = 0;
  if (__builtin_mul_overflow(typed.min(), *factor, &least) || __builtin_mul_overflow(typed.max(), *factor, &most) || most == INT64_MAX)
    return std::nullopt;
  return TimeRange{.from_us = least, .until_us = most + 1};
}

}  // namespace ms::history
