// What a training set was made from (docs/formats/manifest.md): enough to make it again, and to say what it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "engine/timeline.h"
#include "history/train.h"

namespace ms::history {

inline constexpr int kManifestVersion = 1;

struct FileIdentity {
  std::string path;
  uint64_t rows = 0, bytes = 0;
  uint32_t crc32c = 0;  // of the whole file
};
struct ManifestSource {
  std::string name;
  TopicId topic;                   // nil: from `file`
  engine::OffsetVector offsets;    // as_known: the pin; as_served: what there was to read
  FileIdentity file;
};
struct Manifest {
  FileIdentity spine;
  std::string time_column;
  std::vector<ManifestSource> sources;
  std::vector<std::string> request_columns;  // of the spine, by request field
  TrainReport report;
};

Result<FileIdentity> identify(FileSystem& fs, const std::string& path, uint64_t rows);
std::string to_json(const Manifest& manifest, const TrainService& service, const TrainRequest& request);
// The offset vector of a manifest. Errors: kInvalidArgument (not a manifest), kUnsupported (a newer one).
Result<engine::OffsetVector> read_pin(std::string_view json, const std::string& path);

}  // namespace ms::history
