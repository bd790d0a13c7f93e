#include "log/merger.h"

#include <algorithm>

#include "base/logging.h"
#include "base/metrics.h"

namespace ms::log {
namespace {

constexpr int kLostMax = 3;  // in a row: retention removes more than can be merged

void for_each_run(const View& view, const std::function<void(const RunRef&)>& visit) {
  for (const TopicViewPtr& topic : view.topics())
    for (const auto& partition : topic->partitions)
      for (const RunRef& run : partition->runs()) visit(run);
}

std::vector<RunName> names_of(const std::vector<RunRef>& runs) {
  std::vector<RunName> out;
  for (const RunRef& run : runs) out.push_back({run.object, run.run.of, run.run.base, run.run.next});
  return out;
}

}  // namespace

Merger::Merger(const LogOptions& options, ObjectStore& store, ObjectReader& reader, CommitWriter& writer, const View& view, size_t runs_max)
    : options_(options), store_(store), reader_(reader), writer_(writer), view_(view), runs_max_(runs_max), ids_(writer) {}

Result<> Merger::run() {
  const std::scoped_lock lock(mutex_);
  for (int lost = 0; lost < kLostMax;) {
    TRY_ASSIGN(const Step step, merge_one());
    if (step == Step::kNothing) return {};
    lost = step == Step::kLost ? lost + 1 : 0;
  }
  return {};
}

// The runs of the chosen objects, by partition and offset.
std::vector<RunRef> Merger::choose() const {
  std::map<uint64_t, LiveObject> objects;
  for_each_run(view_, [&](const RunRef& run) {
    LiveObject& live = objects[run.object];
    live.bytes += run.run.bytes, ++live.runs;
  });
  for (const uint64_t object : unreadable_) objects.erase(object);
  const auto chosen = choose_merge(objects, {.object_bytes = options_.object_bytes_target, .runs = runs_max_});
  std::vector<RunRef> out;
  if (chosen.empty()) return out;
  for_each_run(view_, [&](const RunRef& run) {
    if (std::ranges::binary_search(chosen, run.object)) out.push_back(run);
  });
  std::ranges::sort(out, {}, [](const RunRef& run) { return std::pair(run.run.of, run.run.base); });
  return out;
}

Result<> Merger::copy(ObjectBuilder& to, const RunRef& from) const {
  const auto topic = view_.find(from.run.of.topic);
  const RunDirectory* open = to.run();
  if (!topic || open == nullptr ||
      !continues(open_run(*open), from.run, run_limits(topic->settings)))
    to.begin_run(from.run.of, from.run.base);
  TRY(reader_.read_through(from, [&](const ReadBatch& batch) -> Result<> {
    if (stopping_.load(std::memory_order_relaxed)) return fail(ErrorKind::kUnavailable, "the log is closing");
    const auto header = parse_record_batch(batch.bytes.span());
    if (!header) return corruption(header.error().message);
    to.add(batch, *header);
    return {};
  }));
  if (from.run.compacted > 0) to.compacted_until(from.run.compacted_until());
  return {};
}

// The object is durable before the metadata names it. Readers that still hold a source find it until the grace has passed.
Result<Merger::Step> Merger::merge_one() {
  const std::vector<RunRef> sources = choose();
  if (sources.empty()) return Step::kNothing;
  TRY_ASSIGN(const uint64_t id, ids_.next());
  ObjectBuilder object(id);
  for (const RunRef& source : sources) {
    const auto copied = copy(object, source);
    if (copied) continue;
    if (copied.error().kind == ErrorKind::kUnavailable) return Unexpected(copied.error());
    if (copied.error().kind == ErrorKind::kNotFound) return Step::kLost;
    log_warn("log_object_not_merged", {{"object", object_name(source.object)}, {"error", copied.error().message}});
    unreadable_.insert(source.object);
    return Step::kMerged;  // the others are chosen anew
  }
  const auto parts = object.finish();
  TRY(store_.put(object_name(id), parts));
  const auto replaced = writer_.run(ReplaceRuns{id, object.object_bytes(), object.runs(), names_of(sources)});
  if (!replaced && replaced.error().kind == ErrorKind::kConflict) return Step::kLost;
  if (!replaced) return Unexpected(replaced.error());
  ids_.used();
  counter("millstream_log_objects_merged_total").add();
  counter("millstream_log_merged_bytes_total").add(static_cast<int64_t>(object.object_bytes()));
  return Step::kMerged;
}

}  // namespace ms::log
