// The proof: answers that were served, derived again from the log through the training path, must be the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "catalog/catalog.h"
#include "engine/timeline.h"
#include "log/log.h"

namespace ms::replay {

struct VerifyRequest {
  std::string samples_dir;                // DIR/samples
  std::string service;                    // empty: all
  std::optional<Instant> since;           // samples served at or after it
  std::optional<Instant> until;           // samples served at or before it
  uint64_t samples_max = 0;               // chosen evenly at random; 0: all there are
  size_t differences_max = 20;            // spelled out; the rest is counted
  unsigned threads = 0;                   // 0: one per core
};
struct VerifyInputs {
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  log::Log* log = nullptr;
  const engine::TimelineReader* timeline = nullptr;
};

struct Difference {
  std::string service, view;  // view as name@version; of a derived feature the service, likewise
  std::string key;            // readable parts; of a derived feature the request's fields too
  Instant as_of;
  std::string feature;        // or "found", or "cut"
  std::string served, derived;  // value, status, event time; bits where texts could hide a difference
  std::string cut;            // what the timeline says was applied: "shard 1, publish 12: topic-0 < 345"
};
struct VerifyReport {
  uint64_t samples = 0;       // taken into account
  uint64_t answers = 0;       // (entity, view) rows derived again
  uint64_t values = 0;        // feature values compared, derived ones too: not those of gaps, nor those not checkable
  uint64_t not_checkable = 0;  // feature values whose windows may reach below what the log still has
  std::vector<std::string> lost;  // why: per topic, what the log still has
  uint64_t gaps = 0;          // rows whose instant lies in a recorded gap, or past what the timeline has synced
  uint64_t forgotten = 0;     // rows of view versions that the catalog no longer has
  uint64_t differences = 0;   // values, found flags and cuts that differ
  uint64_t torn_tails = 0;    // samples files that end in half a record
  Instant first, last;        // of the samples' instants
  std::vector<Difference> shown;
  double seconds = 0;
};

// For people: one line of counts, then the differences.
std::string to_text(const VerifyReport& report);

// Errors: kNotFound (a topic), kCorruption (samples, log, timeline), kCancelled. Differences are not an error of the call.
Result<VerifyReport> verify(const catalog::CatalogSnapshot& catalog, const VerifyRequest& request, const VerifyInputs& inputs,
                            const std::function<void(uint64_t done, uint64_t total)>& progress, std::stop_token stop);

}  // namespace ms::replay
