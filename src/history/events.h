// The history of a source, prepared for the states of some views: from the log or from a file, through the same decoder
// contract and the same ViewProgram::prepare() as the live engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/timeline.h"
#include "feature/definition.h"
#include "feature/view_program.h"
#include "history/partition.h"
#include "history/spill.h"
#include "history/table.h"
#include "history/table_file.h"
#include "history/wanted.h"
#include "log/log.h"

namespace ms::history {

// Up to kChunkRows rows of one topic partition: those of a group in offset order; read_events() lays a group's rows together and
// empties `rows.shard_hashes`, which the grouping replaces.
struct EventChunk {
  feature::PreparedRows rows;
  Grouping grouping;
  bool in_time_order = true;  // event times never go back
  // Set when the rows are on disk: then `rows` has just its columns' types, and `grouping` says how many rows each group has.
  std::shared_ptr<const Spill> spill;
  std::vector<uint64_t> places;  // of each group in the spill; one more at the end
};
// One view's share of its source's history; chunks of one partition stand in offset order.
struct ViewEvents {
  TopicId topic;  // nil for a file
  std::vector<std::unique_ptr<EventChunk>> chunks;
};
// What retention has taken from the history of a topic. The log knows when the last of it was appended, and a row's event time
// is at most `max_ahead` after its append time: so no lost row has an event time above `until_us`. INT64_MAX: nothing says so.
struct LostEvents {
  int64_t until_us = INT64_MIN;  // INT64_MIN: nothing is lost
  PartitionId partition;         // the one with the latest such time, and what it still holds
  Offset log_start;

  bool any() const { return until_us != INT64_MIN; }
  // Whether the answer of a feature over `window` at `t` may need a lost row.
  bool reach(const feature::Window& window, int64_t t) const;
  std::string text(std::string_view topic) const;  // what the log still has, for people
};
// What is lost of one partition. Errors: those of Log::read.
Result<LostEvents> lost_before(const feature::SourceDefinition& source, TopicPartition partition, const log::PartitionState& state,
                               log::Log& log);

struct SourceHistory {
  std::vector<ViewEvents> views;  // in the order of `programs`
  uint64_t records = 0;           // read
  uint64_t undecodable = 0;       // of them left out as dead letters
  // By view: the largest event time of the records whose fields it can read, wanted or not, of a file those
  // that may have been recorded by EventRequest::read_at; INT64_MIN: none.
  std::vector<int64_t> newest_us;
  LostEvents lost;                // never of a file
  std::shared_ptr<const Table> table;  // a file: texts of the rows are views into it
};

struct EventRequest {
  feature::SourceDefinition source;
  std::vector<std::shared_ptr<const feature::ViewProgram>> programs;
  std::vector<const Wanted*> wanted;  // by program; an entry or all of it missing: every event. Others are left out
  std::shared_ptr<Spill> spill;       // what of the rows does not fit goes there; null: all fits
  // Of a file, which does not say when its events were recorded: not after this. What lies more than `max_ahead` later does not say how
  // far the file reaches; such a record of a topic is a dead letter.
  AppendTime read_at{INT64_MAX};
  uint32_t groups = 1;
  unsigned threads = 1;
  std::stop_token stop;
  std::function<void(uint64_t records)> report;  // so many more were read; from any thread; may be empty
};

// Rows of a file: the row number is the offset, in partition 0. The table must have what event_columns() names.
// Errors: kInvalidArgument: the source takes events back, by offsets that a file does not have.
Result<std::vector<std::string>> event_columns(const EventRequest& request);
Result<SourceHistory> read_events(const EventRequest& request, std::shared_ptr<const Table> table);
// The same without holding the whole file: what is wanted of a row group is copied out of it.
Result<SourceHistory> read_events(const EventRequest& request, const TableFile& file);
// Records of the topic below `until` (partitions it does not name are left out).
Result<SourceHistory> read_events(const EventRequest& request, TopicId topic, const engine::OffsetVector& until, log::Log& log);

}  // namespace ms::history
