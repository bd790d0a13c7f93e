// Training sets: every row of a spine is a question (key, time); the answers come from a replay of the sources' events
// through the same operators that serve online. The output keeps the spine's rows, order and columns and adds features.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "engine/timeline.h"
#include "feature/definition.h"
#include "feature/service_program.h"
#include "feature/view_program.h"
#include "log/log.h"

namespace ms::catalog {
struct ServiceEntry;
}

namespace ms::history {

// Which records a question may see (03-feature-semantics "knowledge").
enum class TrainMode : uint8_t {
  kAsKnown,   // all below a pinned offset vector
  kAsServed,  // those applied and published on the key's shard at the question's time, from the apply timeline
};
std::string_view to_string(TrainMode mode);  // "as_known", "as_served"

// A service version, resolved: what to compute and in which order the columns go out.
struct TrainView {
  std::string name;
  uint32_t version = 0;
  feature::SourceDefinition source;
  TopicId topic;  // nil when the source has no topic (its history must then come from a file)
  std::shared_ptr<const feature::ViewProgram> program;
  std::vector<std::string> feature_hashes;  // identity of each feature, hex
  // Labels of a service: as if the view were asked at t + this. Then they are no part of the view version, and the mode asks nothing
  // of them: they are as known. 0: features.
  int64_t ahead_us = 0;
};
struct TrainColumn {
  std::string name;      // as in the service's replies
  uint32_t view = 0;     // index into TrainService::views
  uint32_t feature = 0;  // index into that view's features
};
struct TrainService {
  std::string name;
  uint32_t version = 0;
  std::vector<TrainView> views;
  std::vector<TrainColumn> columns;  // features, then labels
  // Request fields and derived features over the features among `columns`, which are its first; null: there are none.
  std::shared_ptr<const feature::ServiceProgram> program;
  feature::ServiceProgram::Derived derived;
  std::vector<std::string> derived_hashes;

  size_t features() const;  // how many of `columns` are no labels
};
TrainService training_service(const catalog::ServiceEntry& service);

struct TrainRequest {
  std::string spine;        // FILE.parquet or FILE.csv
  std::string out;          // FILE.parquet; written as OUT.tmp and renamed when complete, with the manifest: both or none of them
  std::string manifest;     // empty: OUT.manifest.json
  std::string time_column;  // empty: event_time, timestamp, time, date (the first there is), else the only timestamp column
  TrainMode mode = TrainMode::kAsKnown;
  bool after_event = false;                          // rows with et = t count too, where the window's head is t
  // exclude_self: after_event, but without the event that the row of the spine was made from. The spine says where that one stands.
  bool exclude_self = false;
  std::string self_source;     // its source; empty: the only one of the service
  std::string self_partition;  // the spine's column with its partition; empty: partition 0, the only one
  std::string self_offset;     // with its offset, or its row number in a file of events (from 0); empty: the spine is that file
  std::optional<engine::OffsetVector> pin;           // as_known only; default: the high watermarks of now
  std::string pin_manifest;                          // as_known only: the pin of an earlier training set's manifest
  std::map<std::string, std::string> event_files;    // source name -> FILE.parquet or FILE.csv instead of the log
  bool statuses = false;     // adds <feature>__status (string)
  bool event_times = false;  // adds <feature>__event_time (timestamp)
  std::string compression = "snappy";  // "none", "snappy", "lz4", "zstd"
  unsigned threads = 0;      // 0: one per core
  // What a run should do with; 0: half of the machine's. Half of it holds prepared events, what has no room goes to a file
  // OUT.spill beside the output, which has lost its name already. The spine, its answers, the states of the keys that are being
  // answered and a row group per thread come out of the other half, which is not enforced.
  uint64_t memory_bytes = 0;
};

// What train() reads from and through. `log` may be null when every source comes from a file; `timeline` only for as_served.
struct TrainInputs {
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  log::Log* log = nullptr;
  engine::TimelineReader* timeline = nullptr;
  std::string data_dir;  // of the server whose log it is: nothing is written there. Empty: there is none
};

struct TrainProgress {
  std::string_view phase;  // "reading", then "replaying" (which writes as it goes)
  uint64_t done = 0, total = 0;  // rows of the phase, summed over views
  double rows_per_second = 0;
  double seconds_left = 0;  // of the phase
};
// Called now and then, never by two threads at once.
using ProgressSink = std::function<void(const TrainProgress&)>;

struct TrainReport {
  uint64_t rows = 0;          // spine rows, all of them in the output
  uint64_t features = 0;
  uint64_t events = 0;        // rows replayed, summed over views: those that some row of the spine can see
  uint64_t undecodable = 0;   // records left out as the live engine leaves them out
  uint64_t gap_rows = 0;      // rows with null for what is not known: instants in a recorded gap (as_served), windows that
                              // reach below what the log still has (with `statuses`; else such a row is refused)
  uint64_t not_mature_rows = 0;  // rows with a label whose window ends after the newest event known of its source: null
  uint64_t spilled_bytes = 0;  // of prepared events that the memory had no room for
  double seconds = 0;
  std::string out, manifest;  // paths written
};

// Errors: kInvalidArgument (a bad request, a spine or file that is not there or lacks a column, with the row; without `statuses`,
// a row whose windows may need records that retention removed), kNotFound (a source's topic), kUnsupported, kExhausted (disk full)
// and kCancelled (nothing is left behind), kUnavailable (as_served before the view joined, or past what the timeline has synced),
// kInternal (the disk).
Result<TrainReport> train(const TrainService& service, const TrainRequest& request, const TrainInputs& inputs,
                          const ProgressSink& progress, std::stop_token stop);

}  // namespace ms::history
