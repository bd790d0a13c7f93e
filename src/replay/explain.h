// Why a value is what it is: the events of one key, read again from the log by the view's own program, and the answer derived from
// those that counted. Nothing is taken from the live state, so an explanation that agrees with the served value proves it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "catalog/catalog.h"
#include "engine/timeline.h"
#include "feature/value.h"
#include "history/events.h"
#include "log/log.h"

namespace ms::replay {

// One key of one view version at the instant, and what its shard had applied then.
struct ExplainQuestion {
  std::shared_ptr<const catalog::ViewEntry> view;
  std::string key;                 // canonical bytes
  std::vector<uint32_t> features;  // of the view, ascending; at least one
  engine::OffsetVector applied;    // partitions that are not named: nothing of them
};

// Why an event of the key does not count for a feature. The first that holds.
enum class LeftOut : uint8_t {
  kBeforeWindow,       // et < tail; only those among the records that had to be read
  kAfterWindow,        // et >= head: at or after the instant, or in a window that is not closed yet
  kUndecodable,        // its record is a dead letter of the view, but the key can be told
  kFilteredByView,     // the view's `where` is not true
  kFilteredByFeature,  // the feature's own is not
  kRetracted,          // taken back by a retraction that the key's shard had applied
  kAppendedLater,      // came after the instant
  kNotApplied,         // was in the log at the instant, but not applied by the key's shard yet
};
inline constexpr size_t kLeftOutCount = static_cast<size_t>(LeftOut::kNotApplied) + 1;
std::string_view to_string(LeftOut reason);  // "before_window", "after_window", ...

struct EventPosition {
  PartitionId partition;
  Offset offset;
  EventTime event_time;
  AppendTime append_time;
};
// Some events: how many, the first and the last in canonical order.
struct EventGroup {
  uint64_t events = 0;
  EventPosition first, last;
  void add(const EventPosition& event);
};

struct FeatureExplanation {
  int64_t tail_us = 0, head_us = 0;  // [tail, head); tail INT64_MIN: no end
  EventGroup counted;                // in the window, applied, past every filter
  uint64_t nulls = 0;                // of them with a null argument, which the aggregate skips
  std::array<EventGroup, kLeftOutCount> left_out;
  Offset retracted_by;  // the retraction of the last one of those; it stands in the same partition
  bool lost = false;  // the window may reach below what the log still has: `counted` and the value are not the whole
};

// A record that no view row came from, so that its key is not known.
struct UndecodableRecords {
  uint64_t records = 0;
  PartitionId last_partition;
  Offset last;
  std::string last_reason;
};
struct ReadRange {
  PartitionId partition;
  Offset from, until;  // [from, until); what lies below `from` was appended too early for any of the windows
};

struct ViewExplanation {
  TopicId topic;
  std::string topic_name;
  std::vector<FeatureExplanation> features;  // in the order of the question's
  feature::FeatureRow derived;               // of all features of the view; only those of the question say anything
  EventGroup seen;                           // every event of the key among the records that were read
  UndecodableRecords undecodable;
  history::LostEvents lost;
  std::vector<ReadRange> ranges;
  uint64_t records = 0;  // read
};

// The derived row is only the whole row's, `found` included, when every feature was asked for and nothing is lost.
class Explainer {
 public:
  // Finds out what has to be read: up to the present end of the log. Errors: kNotFound (a topic), those of the log.
  static Result<std::unique_ptr<Explainer>> make(std::vector<ExplainQuestion> questions, Instant t, log::Log& log);
  virtual ~Explainer() = default;

  virtual uint64_t records() const = 0;  // that run() will read
  // In the order of the questions. Memory: one state per question, one chunk of rows; of a source that takes events back, and of windows
  // that pick among their rows, some bytes for each event of the key.
  // Errors: kCancelled, those of the log.
  virtual Result<std::vector<ViewExplanation>> run(const std::function<void(uint64_t done)>& progress, std::stop_token stop) = 0;
};

}  // namespace ms::replay
