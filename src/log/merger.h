// Makes one stream object of many small ones, so that neither files nor runs pile up. See merge_plan.h for which.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "log/merge_plan.h"
#include "log/object_ids.h"
#include "log/object_reader.h"

namespace ms::log {

class Merger {
 public:
  // `runs_max`: of the objects that become one; the command that names them must fit a frame.
  Merger(const LogOptions& options, ObjectStore& store, ObjectReader& reader, CommitWriter& writer, const View& view, size_t runs_max);

  // Merges until nothing is worth it. Sources go with the next retention check behind the grace time. An object that cannot be
  // read is left alone until the next start; a merge that retention was faster than is planned anew. Thread-safe, one at a time.
  Result<> run();
  void stop() { stopping_.store(true, std::memory_order_relaxed); }  // as Reconciler::stop

 private:
  enum class Step : uint8_t { kNothing, kMerged, kLost };
  Result<Step> merge_one();
  std::vector<RunRef> choose() const;
  Result<> copy(ObjectBuilder& to, const RunRef& from) const;

  const LogOptions& options_;
  ObjectStore& store_;
  ObjectReader& reader_;
  CommitWriter& writer_;
  const View& view_;
  const size_t runs_max_;
  std::mutex mutex_;
  ObjectIds ids_;
  std::set<uint64_t> unreadable_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace ms::log
