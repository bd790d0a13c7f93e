// The Parquet file of a training set: the spine's columns as they were, then the answers. The only door to Arrow's writers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/types.h"
#include "history/derive.h"
#include "history/derived_columns.h"
#include "history/table.h"

namespace ms::history {

// One column after the spine's.
struct AnswerColumn {
  enum class What : uint8_t { kValue, kStatus, kEventTime };
  std::string name;
  Type type;  // of a kValue
  What what = What::kValue;
  const Answers* answers = nullptr;  // one of the two
  const DerivedColumns* derived = nullptr;
  size_t feature = 0;                // number among the chosen features of `answers`, or of the derived ones
};

struct TrainingFileOptions {
  std::string path;
  std::string compression;  // "none", "snappy", "lz4", "zstd"
  unsigned threads = 1;
  std::stop_token stop;
  std::function<Result<>(size_t)> answer_until;  // makes the answers of all chunks below the number; called in order
  std::function<std::map<std::string, std::string>()> metadata;  // of the file; called when all is answered
};

inline constexpr size_t kBlockChunks = 4;  // chunks of a row group: answered and written together

// Errors before anything is computed: an unknown compression.
Result<> check_compression(const std::string& name);

// Writes PATH.tmp, synced and complete; only then publish() gives it its name. After an error or a stop request nothing of it
// is left behind. Errors: kCancelled, kExhausted (disk full), kInternal.
Result<> write_training_file(const TrainingFileOptions& options, const Table& spine, const std::vector<AnswerColumn>& columns,
                             FileSystem& fs);

// PATH.tmp takes the name PATH together with the manifest of its making: everything that can run out of space is done and
// synced before the first of the two is renamed, so an error leaves an older pair as it was and nothing else.
Result<> publish(FileSystem& fs, const std::string& path, const std::string& manifest_path, std::string_view manifest);

}  // namespace ms::history
