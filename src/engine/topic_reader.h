// From a topic's record batches to prepared rows: the one path that the live engine, training sets and replay share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "feature/definition.h"
#include "feature/view_program.h"
#include "log/log.h"

namespace ms::engine {

// Why a record is not applied. The text is a stable code with a detail: "json: ...", "event_time: ...",
// "too_far_ahead: ...", "expression: ...", "retraction: ...", "batch: ...".
struct DeadLetter {
  std::string source;
  PartitionId partition;
  Offset offset;
  AppendTime append_time;
  std::string reason;
  Slice key, value;  // the original bytes
};

// One way to decode a topic: a source definition and views that were compiled from it.
struct ReaderGroup {
  feature::SourceDefinition source;
  std::vector<std::shared_ptr<const feature::ViewProgram>> programs;
};

// Decodes the records of one topic for some views. One thread at a time; reuse it, it keeps its buffers.
class TopicReader {
 public:
  // Nothing is decoded that no program needs. Each group decodes for itself.
  static std::unique_ptr<TopicReader> make(std::vector<ReaderGroup> groups);
  virtual ~TopicReader() = default;

  struct Chunk {
    PartitionId partition;
    Offset begin, end;        // every record in [begin, end) is in `rows` or was left out for a reason
    AppendTime append_time;   // of the last record
    uint64_t records = 0;
    std::vector<feature::PreparedRows*> rows;  // one per program, groups in order; valid in the sink
    // By program: the largest event time of the records whose fields it can read, whatever its filters and expressions make of them;
    // INT64_MIN: none.
    std::vector<int64_t> newest_us;
    std::vector<DeadLetter> dead;
  };
  using Sink = std::function<Result<>(Chunk&)>;

  // Feeds `batches` (of one partition, in order) to the sink in chunks of at most `rows_max` rows. Records below `from` or
  // at or above `until` are skipped. A batch that cannot be read at all gives one DeadLetter.
  virtual Result<> read(PartitionId partition, std::span<const log::ReadBatch> batches, Offset from, Offset until,
                        size_t rows_max, const Sink& sink) = 0;
};

}  // namespace ms::engine
