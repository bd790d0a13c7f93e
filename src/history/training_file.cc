#include "history/training_file.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <arrow/util/base64.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <unordered_set>

#include "base/check.h"
#include "history/arrow_pool.h"
#include "history/parallel.h"
#include "history/table_values.h"

namespace ms::history {
namespace {

constexpr size_t kBlockRows = kBlockChunks * kChunkRows;
constexpr size_t kSampleRows = 16'384;  // looked at to decide for or against a dictionary
constexpr int64_t kWriteRows = 65'536;   // that a column's encoder takes at a time

Unexpected from_arrow(const std::string& path, const arrow::Status& status) {
  const bool full = status.message().find("No space left") != std::string::npos;
  return fail(full ? ErrorKind::kExhausted : ErrorKind::kInternal, path + ": " + status.message());
}
#define ARROW_OK(path, expression)                                             \
  do {                                                                         \
    if (const arrow::Status arrow_status_ = (expression); !arrow_status_.ok()) \
      return from_arrow(path, arrow_status_);                                  \
  } while (false)
#define ARROW_TAKE(path, declaration, expression)                              \
  auto MS_CONCAT(arrow_result_, __LINE__) = (expression);                      \
  if (!MS_CONCAT(arrow_result_, __LINE__).ok())                                \
    return from_arrow(path, MS_CONCAT(arrow_result_, __LINE__).status());      \
  declaration = std::move(*MS_CONCAT(arrow_result_, __LINE__))

Result<parquet::Compression::type> compression_of(const std::string& name) {
  if (name == "none") return parquet::Compression::UNCOMPRESSED;
  if (name == "snappy") return parquet::Compression::SNAPPY;
  if (name == "lz4") return parquet::Compression::LZ4;
  if (name == "zstd") return parquet::Compression::ZSTD;
  return invalid("compression '" + name + "' is not one of none, snappy, lz4, zstd");
}

std::shared_ptr<arrow::Field> answer_field(const AnswerColumn& column) {
  switch (column.what) {
    case AnswerColumn::What::kValue: return arrow::field(column.name, arrow_type(column.type));
    case AnswerColumn::What::kStatus: return arrow::field(column.name, arrow::dictionary(arrow::int32(), arrow::utf8()));
    case AnswerColumn::What::kEventTime: return arrow::field(column.name, arrow_type(TypeKind::kTimestamp));
  }
  return nullptr;
}

using Bits = std::shared_ptr<arrow::Buffer>;

// A bitmap of the rows whose flags have none of `mask`; the number of the others comes back in `nulls`.
arrow::Result<Bits> bitmap_of(const uint8_t* flags, size_t rows, uint8_t mask, int64_t& nulls) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBitmap(static_cast<int64_t>(rows), arrow_pool()));
  uint8_t* out = buffer->mutable_data();
  size_t set = 0;
  for (size_t i = 0; i < rows; i += 8) {
    uint8_t byte = 0;
    for (size_t j = i; j < std::min(i + 8, rows); ++j) byte |= static_cast<uint8_t>((flags[j] & mask ? 0u : 1u) << (j - i));
    out[i / 8] = byte;
    set += static_cast<size_t>(std::popcount(byte));
  }
  nulls = static_cast<int64_t>(rows - set);
  return Bits(std::move(buffer));
}

// Rows [first, first + rows) of one answer column as an Arrow array; `first` is a multiple of kChunkRows.
class ArrayMaker {
 public:
  // `memory` is kept for the column's next arrays: the one made before must be gone.
  ArrayMaker(const AnswerColumn& column, size_t first, size_t rows, Bits& memory)
      : column_(column), first_(first), rows_(rows), flags_(rows), memory_(memory) {}

  // Whoever has the column's values: use(answers) or use(derived columns).
  template <class Use>
  auto from(const Use& use) const {
    return column_.derived != nullptr ? use(*column_.derived) : use(*column_.answers);
  }

  arrow::Result<std::shared_ptr<arrow::Array>> make() {
    switch (column_.what) {
      case AnswerColumn::What::kStatus: return statuses();
      case AnswerColumn::What::kEventTime: return event_times();
      case AnswerColumn::What::kValue: break;
    }
    if (feature::answer_is_bytes(column_.type)) return texts();
    ARROW_ASSIGN_OR_RAISE(auto values, slots());
    auto* bits = reinterpret_cast<uint64_t*>(values->mutable_data());
    if (column_.type != TypeKind::kBool && !from([&](const auto& a) { return a.has_nulls(column_.feature); })) {
      each_chunk([&](const auto& a, size_t chunk, size_t at) { a.values(chunk, column_.feature, bits + at); });
      return arrow::MakeArray(arrow::ArrayData::Make(arrow_type(column_.type), static_cast<int64_t>(rows_), {nullptr, std::move(values)}, 0));
    }
    each_chunk([&](const auto& a, size_t chunk, size_t at) { a.values(chunk, column_.feature, bits + at, flags_.data() + at); });
    if (column_.type == TypeKind::kBool) return bools(bits);
    return with_validity(arrow_type(column_.type), std::move(values));
  }

 private:
  template <class Use>
  void each_chunk(const Use& use) const {
    from([&](const auto& a) {
      for (size_t at = 0; at < rows_; at += kChunkRows) use(a, (first_ + at) / kChunkRows, at);
    });
  }
  arrow::Result<Bits> slots() {
    const auto bytes = static_cast<int64_t>(rows_ * 8);
    if (memory_ == nullptr || memory_->size() < bytes) {
      ARROW_ASSIGN_OR_RAISE(memory_, arrow::AllocateBuffer(bytes, arrow_pool()));
    }
    return arrow::SliceMutableBuffer(memory_, 0, bytes);
  }
  arrow::Result<std::shared_ptr<arrow::Array>> with_validity(std::shared_ptr<arrow::DataType> type, Bits values) {
    int64_t nulls = 0;
    ARROW_ASSIGN_OR_RAISE(auto validity, bitmap_of(flags_.data(), rows_, Answers::kNull, nulls));
    if (nulls == 0) validity = nullptr;
    return arrow::MakeArray(arrow::ArrayData::Make(std::move(type), static_cast<int64_t>(rows_), {validity, std::move(values)}, nulls));
  }
  arrow::Result<std::shared_ptr<arrow::Array>> bools(const uint64_t* bits) {
    std::vector<uint8_t> zero(rows_);
    for (size_t i = 0; i < rows_; ++i) zero[i] = bits[i] == 0;
    int64_t unused = 0;
    ARROW_ASSIGN_OR_RAISE(auto values, bitmap_of(zero.data(), rows_, 1, unused));
    return with_validity(arrow::boolean(), std::move(values));
  }
  arrow::Result<std::shared_ptr<arrow::Array>> texts() {
    std::vector<std::string_view> texts(rows_);
    each_chunk([&](const auto& a, size_t chunk, size_t at) { a.texts(chunk, column_.feature, texts.data() + at, flags_.data() + at); });
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow_pool(), arrow_type(column_.type), &builder));
    ARROW_RETURN_NOT_OK(builder->Reserve(static_cast<int64_t>(rows_)));
    for (size_t i = 0; i < rows_; ++i)
      ARROW_RETURN_NOT_OK(flags_[i] & Answers::kNull ? builder->AppendNull() : append_bytes(*builder, column_.type, texts[i]));
    return builder->Finish();
  }
  arrow::Result<std::shared_ptr<arrow::Array>> event_times() {
    ARROW_ASSIGN_OR_RAISE(auto values, slots());
    auto* us = reinterpret_cast<int64_t*>(values->mutable_data());
    each_chunk([&](const auto& a, size_t chunk, size_t at) { a.event_times(chunk, column_.feature, us + at); });
    for (size_t i = 0; i < rows_; ++i) flags_[i] = us[i] == feature::kNoEventTime ? Answers::kNull : 0;
    return with_validity(arrow_type(TypeKind::kTimestamp), std::move(values));
  }
  // The status as its name; GAP, which is not a status of values, where the instant lies in a gap, and NOT_MATURE of a label whose
  // window nobody knows whole yet.
  arrow::Result<std::shared_ptr<arrow::Array>> statuses() {
    constexpr int32_t kGapCode = static_cast<int32_t>(feature::Status::kError) + 1;
    arrow::StringBuilder names(arrow_pool());
    for (int32_t s = 0; s < kGapCode; ++s) ARROW_RETURN_NOT_OK(names.Append(to_string(static_cast<feature::Status>(s))));
    ARROW_RETURN_NOT_OK(names.Append("GAP"));
    ARROW_RETURN_NOT_OK(names.Append("NOT_MATURE"));
    ARROW_ASSIGN_OR_RAISE(auto dictionary, names.Finish());
    std::vector<uint64_t> unused(rows_);
    each_chunk([&](const auto& a, size_t chunk, size_t at) { a.values(chunk, column_.feature, unused.data() + at, flags_.data() + at); });
    arrow::Int32Builder codes(arrow_pool());
    ARROW_RETURN_NOT_OK(codes.Reserve(static_cast<int64_t>(rows_)));
    for (const uint8_t flags : flags_)
      codes.UnsafeAppend(flags & Answers::kNotMature ? kGapCode + 1 : flags & Answers::kGap ? kGapCode : flags & Answers::kStatus);
    ARROW_ASSIGN_OR_RAISE(auto indices, codes.Finish());
    return arrow::DictionaryArray::FromArrays(indices, dictionary);
  }

  const AnswerColumn& column_;
  const size_t first_, rows_;
  std::vector<uint8_t> flags_;
  Bits& memory_;
};

// Whether the first rows repeat their values often enough for a dictionary to pay.
bool repeats(const arrow::Array& array) {
  const auto rows = static_cast<size_t>(std::min<int64_t>(array.length(), kSampleRows));
  const uint64_t* bits = array.data()->GetValues<uint64_t>(1);
  const std::unordered_set<uint64_t> distinct(bits, bits + rows);
  return distinct.size() * 16 <= rows;
}

// Integers are stored as differences: about the bytes of a dictionary, or far fewer than plain ones, for less time than
// either. Floats get a dictionary where they repeat, texts always.
void choose_encoding(const arrow::Array& first, const std::string& name, parquet::WriterProperties::Builder& properties) {
  const auto id = first.type_id();
  const bool is_integer = id == arrow::Type::INT64 || id == arrow::Type::TIMESTAMP;
  if (!is_integer && (id != arrow::Type::DOUBLE || repeats(first))) return;
  properties.disable_dictionary(name);
  if (is_integer) properties.encoding(name, parquet::Encoding::DELTA_BINARY_PACKED);
}

arrow::Status to_arrow(const Result<>& done) {
  if (done) return arrow::Status::OK();
  return arrow::Status::IOError(done.error().message);
}

// Arrow's way to a file of ours. Keeps the error as we know it, because Arrow's statuses have no kinds of ours.
class FileSink final : public arrow::io::OutputStream {
 public:
  explicit FileSink(std::unique_ptr<File> file) : file_(std::move(file)) { buffer_.reserve(kBufferBytes); }

  arrow::Status Write(const void* data, int64_t bytes) override {
    const std::span part(static_cast<const uint8_t*>(data), static_cast<size_t>(bytes));
    if (buffer_.size() + part.size() > kBufferBytes) ARROW_RETURN_NOT_OK(Flush());
    if (part.size() > kBufferBytes) return write(part);
    buffer_.insert(buffer_.end(), part.begin(), part.end());
    return arrow::Status::OK();
  }
  arrow::Status Flush() override {
    ARROW_RETURN_NOT_OK(write(buffer_));
    buffer_.clear();
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return static_cast<int64_t>(written_ + buffer_.size()); }
  arrow::Status Close() override { return closed_ ? arrow::Status::OK() : Flush(); }
  bool closed() const override { return closed_; }

  // Everything is on the disk; nothing may be written any more.
  Result<> finish() {
    if (!Close().ok()) return failed_;
    closed_ = true;
    return file_->sync_data();
  }
  const Result<>& failed() const { return failed_; }

 private:
  static constexpr size_t kBufferBytes = 1u << 20;

  arrow::Status write(std::span<const uint8_t> part) {
    if (part.empty() || !failed_) return to_arrow(failed_);
    failed_ = file_->write_at(written_, {&part, 1});
    if (failed_) file_->begin_write_back(written_, part.size()), written_ += part.size();
    return to_arrow(failed_);
  }

  std::unique_ptr<File> file_;
  std::vector<uint8_t> buffer_;
  uint64_t written_ = 0;
  bool closed_ = false;
  Result<> failed_;
};

Result<std::unique_ptr<File>> create(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const bool left_over, fs.exists(path));
  if (left_over) TRY(fs.remove(path));
  return fs.open(path, FileSystem::Open::kCreateNew);
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

class Writer {
 public:
  Writer(const TrainingFileOptions& options, const Table& spine, const std::vector<AnswerColumn>& columns)
      : options_(options), path_(options.path + ".tmp"), spine_(spine), columns_(columns), memory_(columns.size()) {}

  Result<> run(FileSystem& fs) {
    TRY_ASSIGN(auto file, create(fs, path_));
    sink_ = std::make_shared<FileSink>(std::move(file));
    const Result<> written = write();
    return sink_->failed() ? written : sink_->failed();
  }

 private:
  Result<> write() {
    for (size_t first = 0; first < std::max<size_t>(spine_.rows(), 1); first += kBlockRows) {
      if (options_.stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
      const size_t rows = std::min<size_t>(kBlockRows, spine_.rows() - first);
      TRY(options_.answer_until((first + rows + kChunkRows - 1) / kChunkRows));
      TRY_ASSIGN(const auto block, assemble(first, rows));
      if (!writer_) TRY(open(*block));
      ARROW_OK(path_, writer_->NewBufferedRowGroup());
      ARROW_OK(path_, writer_->WriteRecordBatch(*block));
    }
    auto metadata = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : options_.metadata()) metadata->Append(key, value);
    ARROW_OK(path_, writer_->AddKeyValueMetadata(metadata));
    ARROW_OK(path_, writer_->Close());
    return sink_->finish();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> assemble(size_t first, size_t rows) {
    const auto slice = spine_.arrow()->Slice(static_cast<int64_t>(first), static_cast<int64_t>(rows));
    const size_t carried = spine_.names().size();
    std::vector<std::shared_ptr<arrow::Array>> arrays(carried + columns_.size());
    TRY(parallel_for(options_.threads, arrays.size(), {}, [&](size_t i, unsigned) -> Result<> {
      if (i >= carried) {
        ARROW_TAKE(path_, arrays[i], ArrayMaker(columns_[i - carried], first, rows, memory_[i - carried]).make());
        return {};
      }
      const auto& chunks = slice->column(static_cast<int>(i))->chunks();
      if (chunks.size() == 1) {
        arrays[i] = chunks.front();
      } else if (chunks.empty()) {
        ARROW_TAKE(path_, arrays[i], arrow::MakeEmptyArray(slice->field(static_cast<int>(i))->type(), arrow_pool()));
      } else {
        ARROW_TAKE(path_, arrays[i], arrow::Concatenate(chunks, arrow_pool()));
      }
      return {};
    }));
    auto fields = spine_.arrow()->schema()->fields();
    for (const AnswerColumn& column : columns_) fields.push_back(answer_field(column));
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), static_cast<int64_t>(rows), std::move(arrays));
  }

  Result<> open(const arrow::RecordBatch& first) {
    parquet::WriterProperties::Builder properties;
    TRY_ASSIGN(const auto codec, compression_of(options_.compression));
    properties.memory_pool(arrow_pool())->compression(codec)->created_by("millstream")->max_row_group_length(kBlockRows)->write_batch_size(kWriteRows);
    for (int i = 0; i < first.num_columns(); ++i)
      choose_encoding(*first.column(i), first.column_name(i), properties);
    const auto arrow_properties = parquet::ArrowWriterProperties::Builder().set_use_threads(options_.threads > 1)->build();
    ARROW_TAKE(path_, writer_,
               parquet::arrow::FileWriter::Open(*first.schema(), arrow_pool(), sink_, properties.build(), arrow_properties));
    // The schema that Arrow readers restore: the spine's own types and metadata. Our dictionaries are only a way to carry texts.
    arrow::FieldVector fields;
    for (const std::string& name : spine_.names()) fields.push_back(spine_.original_schema()->GetFieldByName(name));
    for (const AnswerColumn& column : columns_)
      fields.push_back(column.what == AnswerColumn::What::kStatus ? arrow::field(column.name, arrow::utf8()) : answer_field(column));
    const arrow::Schema restored(fields, spine_.original_schema()->metadata());
    ARROW_TAKE(path_, const auto bytes, arrow::ipc::SerializeSchema(restored));
    auto metadata = std::make_shared<arrow::KeyValueMetadata>();
    metadata->Append("ARROW:schema", arrow::util::base64_encode(std::string_view(*bytes)));
    ARROW_OK(path_, writer_->AddKeyValueMetadata(metadata));
    return {};
  }

  const TrainingFileOptions& options_;
  const std::string path_;
  const Table& spine_;
  const std::vector<AnswerColumn>& columns_;
  std::vector<Bits> memory_;  // by column, used again for every block
  std::shared_ptr<FileSink> sink_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

Result<> check_compression(const std::string& name) {
  TRY(compression_of(name));
  return {};
}

Result<> write_training_file(const TrainingFileOptions& options, const Table& spine, const std::vector<AnswerColumn>& columns,
                             FileSystem& fs) {
  Result<> written = Writer(options, spine, columns).run(fs);
  if (written && options.stop.stop_requested()) written = fail(ErrorKind::kCancelled, "cancelled");
  if (!written) (void)fs.remove(options.path + ".tmp");
  return written;
}

Result<> publish(FileSystem& fs, const std::string& path, const std::string& manifest_path, std::string_view manifest) {
  const std::string manifest_tmp = manifest_path + ".tmp";
  const auto all = [&]() -> Result<> {
    std::optional<std::string> older;
    TRY_ASSIGN(const bool had, fs.exists(manifest_path));
    if (had) {
      TRY_ASSIGN(older, read_file(fs, manifest_path));
    }
    TRY_ASSIGN(const auto file, create(fs, manifest_tmp));
    const std::span part(reinterpret_cast<const uint8_t*>(manifest.data()), manifest.size());
    TRY(file->write_at(0, {&part, 1}));
    TRY(file->sync_data());
    TRY(fs.rename(manifest_tmp, manifest_path));
    if (auto named = fs.rename(path + ".tmp", path); !named) {
      (void)(older ? write_file_atomically(fs, manifest_path, *older) : fs.remove(manifest_path));
      return named;
    }
    TRY(fs.sync_directory(parent_of(manifest_path)));
    return fs.sync_directory(parent_of(path));
  };
  const Result<> done = all();
  if (!done) (void)fs.remove(path + ".tmp"), (void)fs.remove(manifest_tmp);
  return done;
}

}  // namespace ms::history
