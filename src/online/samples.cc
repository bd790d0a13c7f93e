#include "online/samples.h"

#include <fmt/format.h>

#include <chrono>

#include "base/crc32c.h"
#include "base/float_text.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "codec/decimal_text.h"
#include "codec/packed_value.h"
#include "codec/value_text.h"

namespace ms::online {
namespace {

constexpr std::string_view kMagic = "MSSAMPL2";
static_assert(kMagic.back() == '0' + kSamplesFormat);
constexpr std::string_view kSuffix = ".samples";
constexpr size_t kRecordHead = 8;  // length, CRC
constexpr uint32_t kRecordBytesMax = 16u << 20;
constexpr int64_t kBurstUs = kMicrosPerSecond;
constexpr std::chrono::milliseconds kFlushInterval{100};

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Kinds with parameters carry them.
void encode_type(const Type& type, ByteWriter& out) {
  out.u8(static_cast<uint8_t>(type.kind));
  const bool collection = type == TypeKind::kList || type == TypeKind::kMap;
  if (collection) out.u8(static_cast<uint8_t>(type.element));
  if (type == TypeKind::kDecimal || (collection && type.element == TypeKind::kDecimal)) out.u8(type.precision), out.u8(type.scale);
  if (type == TypeKind::kVector) out.u32(type.size);
}

bool decode_decimal(ByteReader& in, Type& type) {
  type.precision = in.u8(), type.scale = in.u8();
  return type.precision >= 1 && type.precision <= kDecimalDigitsMax && type.scale <= type.precision;
}

bool decode_type(ByteReader& in, Type& type) {
  const uint8_t kind = in.u8();
  if (kind >= kTypeKindCount) return false;
  type = static_cast<TypeKind>(kind);
  if (type == TypeKind::kDecimal) return decode_decimal(in, type);
  if (type == TypeKind::kVector) {
    const uint32_t size = in.u32();
    type = Type::vector(size);
    return size >= 1 && size <= kVectorSizeMax;
  }
  if (is_scalar(type)) return true;
  const uint8_t element = in.u8();
  if (element >= kTypeKindCount || !is_scalar(static_cast<TypeKind>(element))) return false;
  type.element = static_cast<TypeKind>(element);
  return type.element != TypeKind::kDecimal || decode_decimal(in, type);
}

void encode_value(const Type& type, const feature::FeatureValue& value, ByteWriter& out) {
  encode_type(type, out);
  out.u8(static_cast<uint8_t>(value.status));
  out.u8(value.is_null);
  if (!value.is_null) {
    if (type == TypeKind::kFloat64) out.f64(value.f);
    else if (feature::answer_is_bytes(type)) out.sized(value.text);
    else out.i64(value.i);
  }
  out.i64(value.event_time_us);
}

bool valid_bytes(const Type& type, std::string_view bytes) {
  if (type == TypeKind::kString) return true;
  if (type == TypeKind::kDecimal) return bytes.size() == sizeof(int128);
  return valid_packed(type, bytes);
}

bool decode_value(ByteReader& in, DecodedValue& value) {
  if (!decode_type(in, value.type)) return false;
  const uint8_t status = in.u8(), is_null = in.u8();
  if (status > static_cast<uint8_t>(feature::Status::kError) || is_null > 1) return false;
  value.status = static_cast<feature::Status>(status);
  value.is_null = is_null;
  if (!value.is_null) {
    if (value.type == TypeKind::kFloat64) value.f = in.f64();
    else if (feature::answer_is_bytes(value.type)) value.text = in.sized();
    else value.i = in.i64();
    if (in.ok() && feature::answer_is_bytes(value.type) && !valid_bytes(value.type, value.text)) return false;
  }
  value.event_time_us = in.i64();
  return in.ok();
}

Unexpected broken(std::string_view what) { return corruption(fmt::format("a sample's {} is malformed", what)); }

// Samples files of `dir`, oldest first.
Result<std::vector<std::string>> list_files(FileSystem& fs, const std::string& dir) {
  TRY_ASSIGN(const bool there, fs.exists(dir));
  if (!there) return std::vector<std::string>();
  TRY_ASSIGN(auto names, fs.list(dir));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kSuffix); });
  return names;
}

Result<> read_one(const std::string& path, std::string_view bytes, const std::function<Result<>(const Sample&)>& visit, SamplesRead& read) {
  if (bytes.size() < kMagic.size()) return ++read.torn_tails, Result<>{};
  if (!bytes.starts_with(kMagic.substr(0, 7))) return corruption(path + " is not a samples file");
  const int format = bytes[7] - '0';
  if (format < 1 || format > kSamplesFormat) return fail(ErrorKind::kUnsupported, path + " was written by a newer Millstream");
  for (size_t at = kMagic.size(); at < bytes.size();) {
    const size_t left = bytes.size() - at;
    const uint32_t length = left < kRecordHead ? 0 : load_le<uint32_t>(bytes.data() + at);
    if (left < kRecordHead || length > left - kRecordHead) return ++read.torn_tails, Result<>{};
    const std::string_view record = bytes.substr(at + kRecordHead, length);
    if (length > kRecordBytesMax || crc32c(as_bytes(record)) != load_le<uint32_t>(bytes.data() + at + 4))
      return corruption(fmt::format("{}: the record at byte {} is not what was written", path, at));
    TRY_ASSIGN(const Sample sample, decode_sample(record, format));
    ++read.samples;
    TRY(visit(sample));
    at += kRecordHead + length;
  }
  return {};
}

void take_derived(const feature::ServiceProgram& program, const Reply& reply, size_t index, Sample& sample) {
  const auto encoded = [](const auto& columns, std::span<const feature::FeatureValue> values) {
    std::vector<Type> types;
    for (const auto& column : columns) types.push_back(column.type);
    ByteWriter out;
    encode_values(types, values, out);
    return types.empty() ? std::string() : out.take();
  };
  const size_t results = program.results().size();
  sample.request = encoded(program.request(), reply.request.of(index));
  sample.derived = encoded(program.results(), std::span(reply.derived).subspan(index * results, results));
}

Sample take_sample(const Reply& reply, const EntityRow& entity, size_t index) {
  const ReadPlan& plan = *reply.plan;
  Sample sample{.service = plan.service, .service_version = plan.version, .as_of = reply.as_of, .cut = reply.cut, .views = {}};
  for (size_t v = 0; v < plan.views.size(); ++v) {
    SampledView view{.name = plan.views[v].name, .version = plan.views[v].version, .key = {}, .row = {}};
    if (!append_key(plan.views[v], entity, view.key)) continue;
    ByteWriter row;
    encode_row(plan.views[v].program->features(), reply.rows[index * plan.views.size() + v], row);
    view.row = row.take();
    sample.views.push_back(std::move(view));
  }
  if (plan.program) take_derived(*plan.program, reply, index, sample);
  return sample;
}

Metric& dropped_total() {
  static Metric& metric = counter("millstream_samples_dropped_total");
  return metric;
}

}  // namespace

void encode_row(std::span<const feature::FeatureColumn> types, const feature::FeatureRow& row, ByteWriter& out) {
  out.u8(row.found);
  out.varint(row.values.size());
  for (size_t i = 0; i < row.values.size(); ++i) encode_value(types[i].type, row.values[i], out);
}

Result<DecodedRow> decode_row(std::string_view bytes) {
  ByteReader in(bytes);
  DecodedRow row;
  const uint8_t found = in.u8();
  const uint64_t count = in.varint();
  if (found > 1 || count > in.remaining()) return broken("row");
  row.found = found;
  for (uint64_t i = 0; i < count; ++i)
    if (!decode_value(in, row.values.emplace_back())) return broken("value");
  if (!in.ok() || !in.at_end()) return broken("row");
  return row;
}

void encode_values(std::span<const Type> types, std::span<const feature::FeatureValue> values, ByteWriter& out) {
  out.varint(values.size());
  for (size_t i = 0; i < values.size(); ++i) encode_value(types[i], values[i], out);
}

Result<std::vector<DecodedValue>> decode_values(std::string_view bytes) {
  std::vector<DecodedValue> values;
  if (bytes.empty()) return values;
  ByteReader in(bytes);
  const uint64_t count = in.varint();
  if (count > in.remaining()) return broken("values");
  for (uint64_t i = 0; i < count; ++i)
    if (!decode_value(in, values.emplace_back())) return broken("value");
  if (!in.ok() || !in.at_end()) return broken("values");
  return values;
}

feature::FeatureValue feature_value(const DecodedValue& value) {
  feature::FeatureValue out;
  out.status = value.status, out.is_null = value.is_null, out.event_time_us = value.event_time_us, out.text = value.text;
  if (value.type == TypeKind::kFloat64) out.f = value.f;
  else out.i = value.i;
  return out;
}

std::string to_text(const DecodedValue& value) {
  if (value.is_null) return "null";
  switch (value.type.kind) {
    case TypeKind::kBool: return value.i ? "true" : "false";
    case TypeKind::kInt64: return std::to_string(value.i);
    case TypeKind::kFloat64: return float_text(value.f);
    case TypeKind::kString: return '"' + value.text + '"';
    case TypeKind::kTimestamp: return format_time(value.i);
    case TypeKind::kDecimal:
      return decimal_text(feature::answer_decimal(value.text), value.type.scale);
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap:
      return nested_text(value.type, value.text);
  }
  return {};
}

std::string encode_sample(const Sample& sample) {
  ByteWriter out;
  out.sized(sample.service);
  out.u32(sample.service_version);
  out.i64(sample.as_of.us);
  out.varint(sample.cut.size());
  for (const auto& cut : sample.cut) out.varint(cut.shard), out.varint(cut.publish);
  out.varint(sample.views.size());
  for (const auto& view : sample.views) {
    out.sized(view.name);
    out.u32(view.version);
    out.sized(view.key);
    out.sized(view.row);
  }
  out.sized(sample.request), out.sized(sample.derived);
  return out.take();
}

Result<Sample> decode_sample(std::string_view bytes, int format) {
  ByteReader in(bytes);
  Sample sample;
  sample.service = in.sized();
  sample.service_version = in.u32();
  sample.as_of.us = in.i64();
  const uint64_t cuts = in.varint();
  if (cuts > in.remaining()) return broken("cut");
  for (uint64_t i = 0; i < cuts; ++i) {
    const uint64_t shard = in.varint();
    if (shard > UINT32_MAX) return broken("cut");
    sample.cut.push_back({static_cast<uint32_t>(shard), in.varint()});
  }
  const uint64_t views = in.varint();
  if (views > in.remaining()) return broken("view count");
  for (uint64_t i = 0; i < views; ++i) {
    SampledView& view = sample.views.emplace_back();
    view.name = in.sized();
    view.version = in.u32();
    view.key = in.sized();
    view.row = in.sized();
  }
  if (format >= 2) sample.request = in.sized(), sample.derived = in.sized();
  if (!in.ok() || !in.at_end()) return broken("record");
  return sample;
}

std::string samples_file_head() { return std::string(kMagic); }

std::string samples_record(std::string_view sample_bytes) {
  ByteWriter out;
  out.u32(static_cast<uint32_t>(sample_bytes.size()));
  out.u32(crc32c(as_bytes(sample_bytes)));
  out.bytes(sample_bytes);
  return out.take();
}

Result<SamplesRead> read_samples(FileSystem& fs, const std::string& dir, const std::function<Result<>(const Sample&)>& visit) {
  SamplesRead read;
  TRY_ASSIGN(const auto names, list_files(fs, dir));
  for (const std::string& name : names) {
    const std::string path = dir + "/" + name;
    TRY_ASSIGN(const std::string bytes, read_file(fs, path));
    TRY(read_one(path, bytes, visit, read));
  }
  return read;
}

Result<std::unique_ptr<SampleWriter>> SampleWriter::start(SampleWriterOptions options) {
  auto writer = std::unique_ptr<SampleWriter>(new SampleWriter(std::move(options)));
  TRY(writer->options_.fs->create_directories(writer->options_.dir));
  writer->thread_ = std::thread([w = writer.get()] { w->run(); });
  return writer;
}

SampleWriter::~SampleWriter() { stop(); }

void SampleWriter::offer(const Reply& reply, std::span<const EntityRow> entities) {
  if (options_.per_second == 0 || entities.empty()) return;
  const int64_t now = options_.clock->steady_us();
  int64_t next = next_us_.load(std::memory_order_relaxed);
  if (now < next) return;
  const int64_t step = kMicrosPerSecond / options_.per_second;
  if (!next_us_.compare_exchange_strong(next, std::max(next, now - kBurstUs) + step, std::memory_order_relaxed)) return;
  const size_t index = turn_.fetch_add(1, std::memory_order_relaxed) % entities.size();
  const std::string record = samples_record(encode_sample(take_sample(reply, entities[index], index)));
  const std::scoped_lock lock(mutex_);
  if (stopping_ || pending_.size() + record.size() > options_.pending_bytes_max) return dropped_total().add();
  pending_ += record;
  ++pending_records_;
}

Result<> SampleWriter::flush() {
  const std::scoped_lock lock(file_mutex_);
  return write_pending();
}

Result<> SampleWriter::write_pending() {
  std::string bytes;
  int64_t records = 0;
  {
    const std::scoped_lock lock(mutex_);
    bytes.swap(pending_);
    records = std::exchange(pending_records_, 0);
  }
  if (bytes.empty()) return {};
  const auto written = append(bytes);
  if (!written) {
    const std::scoped_lock lock(mutex_);
    if (bytes.size() + pending_.size() <= options_.pending_bytes_max) pending_.insert(0, bytes), pending_records_ += records;
    else dropped_total().add(records);
    return written;
  }
  counter("millstream_samples_bytes_total").add(static_cast<int64_t>(bytes.size()));
  return {};
}

// After an error the file is what it was, so that the same file can be tried again: a full disk makes no new ones.
Result<> SampleWriter::append(std::string_view bytes) {
  if (!file_ || file_bytes_ > options_.file_bytes_max) TRY(rotate());
  const auto part = as_bytes(bytes);
  const auto written = file_->write_at(file_bytes_, std::span(&part, 1));
  if (written) file_bytes_ += bytes.size();
  else static_cast<void>(file_->truncate(file_bytes_));  // half a record ends a file that nobody goes on with
  return written;
}

Result<std::unique_ptr<File>> SampleWriter::create(const std::string& path) {
  TRY_ASSIGN(auto file, options_.fs->open(path, FileSystem::Open::kCreateNew));
  const auto head = as_bytes(kMagic);
  TRY(file->write_at(0, std::span(&head, 1)));
  return file;
}

// Old files go only when there is a new one.
Result<> SampleWriter::rotate() {
  TRY_ASSIGN(auto names, list_files(*options_.fs, options_.dir));
  // Named by the time, but always after the newest there is, should the clock have gone back.
  int64_t number = options_.clock->wall_us();
  if (!names.empty()) {
    int64_t newest = 0;
    std::from_chars(names.back().data(), names.back().data() + names.back().size(), newest);
    number = std::max(number, newest + 1);
  }
  const std::string path = fmt::format("{}/{:020}{}", options_.dir, number, kSuffix);
  auto created = create(path);
  if (!created) {
    static_cast<void>(options_.fs->remove(path));
    return Unexpected(created.error());
  }
  if (file_) {
    if (const auto synced = file_->sync_data(); !synced) log_warn("samples_not_synced", {{"error", synced.error().message}});
  }
  file_ = std::move(*created);
  file_bytes_ = kMagic.size();
  for (size_t i = 0; i + options_.files_max <= names.size(); ++i) TRY(options_.fs->remove(options_.dir + "/" + names[i]));
  return options_.fs->sync_directory(options_.dir);
}

void SampleWriter::run() {
  bool failing = false;
  while (true) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kFlushInterval, [this] { return stopping_; });
    const bool last = stopping_;
    lock.unlock();
    const auto written = flush();
    if (!written && !failing) log_warn("samples_not_written", {{"error", written.error().message}});
    failing = !written;
    if (last) return;
  }
}

void SampleWriter::stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  wake_.notify_all();
  thread_.join();
  if (file_) static_cast<void>(file_->sync_data());
}

}  // namespace ms::online
