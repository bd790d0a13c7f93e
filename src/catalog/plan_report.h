// What `plan` found: what would change, and what is refused with its place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "codec/column_batch.h"

namespace ms::catalog {

// Something wrong in a definition file. Lines and columns count from 1; 0: the whole file.
struct Refusal {
  std::string file;
  size_t line = 0, column = 0;
  std::string message;  // what is wrong, which value, and what to do
  std::string text() const;  // "file:line:column: message"
};

enum class Change : uint8_t { kNew, kChanged, kUnchanged, kRemoved, kRefused };
std::string_view to_string(Change change);  // "new", "changed", "unchanged", "removed", "refused"

struct FeaturePlan {
  std::string name;
  std::string type;           // of the answer
  std::string window;         // "sliding 1h, hop 5m"
  std::string hash;           // identity of the computation; equal hash = equal state
  Change change = Change::kNew;
  std::string type_before;    // of a changed one; a name holds its window, so that cannot differ
  uint64_t state_bytes = 0;   // per entity, estimate for one with an event a minute, of this feature alone
  uint64_t state_bytes_most = 0;  // per entity, with caps and lists full
};

struct PlanItem {
  std::string kind;           // "source", "entity", "view", "service"
  std::string name;
  Change change = Change::kNew;
  bool only_words = false;    // unchanged, but its owner differs: stored, nothing is built
  uint32_t version = 0;       // views and services: the version that would be current
  std::vector<std::string> notes;  // "owner changes from a to b", "reads topic arrivals"
  // Views only.
  std::vector<FeaturePlan> features;  // in the order of the definition, then those that it has no more
  uint64_t state_bytes_per_entity = 0;  // of those that it has, which share tiles
  std::string topic;          // that it reads
  int64_t retention_us = 0;   // how much history of the topic the view needs; INT64_MAX: all of it
  std::vector<std::string> warnings;  // of views that their topic keeps less; of services about request fields that nothing uses
  // Services only: the columns in order, derived ones last, and what of a changed one is not as before.
  std::vector<std::string> columns;
  std::vector<std::pair<Change, std::string>> column_changes;
};

struct PlanReport {
  std::vector<Refusal> refusals;
  std::vector<PlanItem> items;   // in the order of the files; what the files do not name is not listed
  bool ok() const { return refusals.empty(); }
  bool changes() const;
  std::string text() const;      // for people: the refusals, one per line, and then items_text()
  std::string items_text() const;
  std::string json() const;      // {"ok", "changes", "refusals": [...], "items": [...], "text": items_text()}
};

// What a topic keeps; -1: everything.
struct TopicKeeps {
  int64_t ms = -1, bytes = -1;
};
using TopicRetention = std::function<std::optional<TopicKeeps>(std::string_view topic)>;
// Adds a warning to every view whose topic keeps less than the view needs: what is gone can be neither checked, nor trained
// on, nor built again.
void warn_of_retention(PlanReport& report, const TopicRetention& keeps);

}  // namespace ms::catalog
