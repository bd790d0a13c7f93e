// Samples of replies actually served, kept in DIR/samples for `verify` (docs/formats/samples.md).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "engine/engine.h"
#include "feature/value.h"
#include "online/online.h"

namespace ms::online {

// What samples files are written as; format 1, without request fields and derived features, is read too.
inline constexpr int kSamplesFormat = 2;

// The canonical bytes of one view's answers: equal bytes mean bit-identical answers. `types` in the order of the row.
void encode_row(std::span<const feature::FeatureColumn> types, const feature::FeatureRow& row, ByteWriter& out);

struct DecodedValue {
  Type type;
  feature::Status status = feature::Status::kPresent;
  bool is_null = true;
  int64_t i = 0;      // kInt64, kTimestamp, kBool
  double f = 0;       // kFloat64
  std::string text;   // of what answer_is_bytes()
  int64_t event_time_us = feature::kNoEventTime;
};
struct DecodedRow {
  bool found = false;
  std::vector<DecodedValue> values;
};
Result<DecodedRow> decode_row(std::string_view bytes);  // Errors: Corruption
// The same of values that are of no view: request fields, derived features.
void encode_values(std::span<const Type> types, std::span<const feature::FeatureValue> values, ByteWriter& out);
Result<std::vector<DecodedValue>> decode_values(std::string_view bytes);  // Errors: Corruption
feature::FeatureValue feature_value(const DecodedValue& value);  // views into it
std::string to_text(const DecodedValue& value);         // for people: "12.5", "null", "\"ORD\""

// What one view answered for one entity of a reply.
struct SampledView {
  std::string name;
  uint32_t version = 0;
  std::string key;  // canonical bytes
  std::string row;  // encode_row
};
struct Sample {
  std::string service;
  uint32_t service_version = 0;
  Instant as_of;
  std::vector<engine::ReadCut> cut;
  std::vector<SampledView> views;
  std::string request, derived;  // encode_values, in the order of the service; empty: it has none
};
std::string encode_sample(const Sample& sample);
Result<Sample> decode_sample(std::string_view bytes, int format = kSamplesFormat);  // Errors: Corruption

// The head of a samples file and one record around the bytes of a sample.
std::string samples_file_head();
std::string samples_record(std::string_view sample_bytes);

struct SamplesRead {
  uint64_t samples = 0;
  uint64_t torn_tails = 0;  // files that end in half a record, as when a server was killed there
};
// Calls `visit` with every sample, oldest file first; an error of `visit` ends it. No directory: no samples.
// Errors: Corruption naming file and position (a record that is whole but not what was written), Unsupported.
Result<SamplesRead> read_samples(FileSystem& fs, const std::string& dir, const std::function<Result<>(const Sample&)>& visit);

struct SampleWriterOptions {
  std::string dir;  // DIR/samples
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  uint32_t per_second = 50;  // entities of replies; 0: none
  size_t pending_bytes_max = 1u << 20;  // waiting for the disk; beyond it samples are dropped and counted
  size_t file_bytes_max = 16u << 20;
  size_t files_max = 16;  // the oldest goes
};

// Takes a bounded share of what is served. offer() costs a clock read and a comparison unless the reply is taken.
class SampleWriter {
 public:
  static Result<std::unique_ptr<SampleWriter>> start(SampleWriterOptions options);
  ~SampleWriter();  // stops

  // Thread-safe; never blocks on the disk. `entities` are those of the request that `reply` answers.
  void offer(const Reply& reply, std::span<const EntityRow> entities);
  // What was offered before is in the file (not necessarily synced) when this returns.
  Result<> flush();
  void stop();  // flushes, syncs, joins. Idempotent.

 private:
  explicit SampleWriter(SampleWriterOptions options) : options_(std::move(options)) {}
  void run();
  Result<> write_pending();  // by the writer thread, or with it joined
  Result<> append(std::string_view bytes);
  Result<std::unique_ptr<File>> create(const std::string& path);
  Result<> rotate();

  const SampleWriterOptions options_;
  std::atomic<int64_t> next_us_{0};
  std::atomic<uint64_t> turn_{0};  // which entity of a reply is taken
  std::mutex file_mutex_;          // guards the file; taken before mutex_
  std::unique_ptr<File> file_;
  uint64_t file_bytes_ = 0;
  std::mutex mutex_;  // guards what follows, but for thread_
  std::condition_variable wake_;
  std::string pending_;
  int64_t pending_records_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ms::online
