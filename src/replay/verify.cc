#include "replay/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "base/cores.h"
#include "base/rng.h"
#include "engine/row_split.h"
#include "feature/view_program.h"
#include "history/derive.h"
#include "history/events.h"
#include "online/samples.h"
#include "replay/derived_check.h"

namespace ms::replay {
namespace {

using history::Answers;
using history::kChunkRows;

constexpr uint32_t kGroups = 256;  // no engine has more shards

// The rows of one view version among the samples.
struct Asked {
  std::shared_ptr<const catalog::ViewEntry> view;
  std::vector<std::pair<uint32_t, uint32_t>> rows;  // sample, view within it
  std::vector<int64_t> times;
  history::Questions questions;
};

struct Loaded {
  std::vector<online::Sample> samples;
  uint64_t torn_tails = 0;
};

// Every wanted sample, or `samples_max` of them, each as likely as any other.
Result<Loaded> load(const VerifyRequest& request, FileSystem& fs, const std::stop_token& stop) {
  Loaded out;
  Rng rng(random_seed());
  uint64_t seen = 0;
  const auto visit = [&](const online::Sample& sample) -> Result<> {
    if (stop.stop_requested()) return fail(ErrorKind::kCancelled, "cancelled");
    if (!request.service.empty() && sample.service != request.service) return {};
    if (request.since && sample.as_of < *request.since) return {};
    if (request.until && sample.as_of > *request.until) return {};
    ++seen;
    if (request.samples_max == 0 || out.samples.size() < request.samples_max) {
      out.samples.push_back(sample);
    } else if (const uint64_t at = rng.below(seen); at < request.samples_max) {
      out.samples[at] = sample;
    }
    return {};
  };
  TRY_ASSIGN(const auto read, online::read_samples(fs, request.samples_dir, visit));
  out.torn_tails = read.torn_tails;
  return out;
}

std::string key_text(std::string_view key) {
  const auto parts = feature::parse_key(key);
  if (!parts) return "(malformed key)";
  std::string out;
  for (const feature::ScalarValue& part : *parts) {
    if (!out.empty()) out += ", ";
    if (const auto* text = std::get_if<std::string>(&part)) out += *text;
    else if (const auto* number = std::get_if<int64_t>(&part)) out += std::to_string(*number);
    else if (const auto* flag = std::get_if<bool>(&part)) out += *flag ? "true" : "false";
  }
  return out;
}

// The derived answers of up to kChunkRows rows, put together row by row as the replies were.
class DerivedRows {
 public:
  DerivedRows(const std::vector<feature::FeatureColumn>& types, const Answers& answers, size_t chunk, size_t rows)
      : types_(types), found_(rows), columns_(types.size()) {
    answers.found(chunk, found_.data());
    for (size_t f = 0; f < types.size(); ++f) {
      Fetched& column = columns_[f];
      column.bits.resize(rows), column.flags.resize(rows), column.event_times.resize(rows);
      answers.values(chunk, f, column.bits.data(), column.flags.data());
      answers.event_times(chunk, f, column.event_times.data());
      if (!feature::answer_is_bytes(types[f].type)) continue;
      column.texts.resize(rows);
      answers.texts(chunk, f, column.texts.data(), column.flags.data());
    }
  }

  // False when nothing is known about the row's instant. `lost`: the features that may need records that are gone.
  bool get(size_t i, feature::FeatureRow& row, std::vector<bool>& lost) const {
    row.reset(types_.size());
    row.found = found_[i] != 0;
    for (size_t f = 0; f < types_.size(); ++f) {
      const Fetched& column = columns_[f];
      lost[f] = (column.flags[i] & Answers::kLost) != 0;
      if (!lost[f] && (column.flags[i] & Answers::kGap) != 0) return false;
      feature::FeatureValue& value = row.values[f];
      value.status = static_cast<feature::Status>(column.flags[i] & Answers::kStatus);
      value.is_null = (column.flags[i] & Answers::kNull) != 0;
      value.i = static_cast<int64_t>(column.bits[i]);
      if (!column.texts.empty()) value.text = column.texts[i];
      value.event_time_us = column.event_times[i];
    }
    return true;
  }

 private:
  struct Fetched {
    std::vector<uint64_t> bits;
    std::vector<uint8_t> flags;
    std::vector<std::string_view> texts;
    std::vector<int64_t> event_times;
  };
  const std::vector<feature::FeatureColumn>& types_;
  std::vector<uint8_t> found_;
  std::vector<Fetched> columns_;
};

class Verification {
 public:
  Verification(const catalog::CatalogSnapshot& catalog, const VerifyRequest& request, const VerifyInputs& inputs,
               const std::function<void(uint64_t, uint64_t)>& progress, std::stop_token stop)
      : catalog_(catalog), request_(request), inputs_(inputs), progress_(progress), stop_(std::move(stop)),
        threads_(request.threads != 0 ? request.threads : usable_cores()) {}

  Result<VerifyReport> run() {
    const int64_t began = inputs_.clock->steady_us();
    TRY_ASSIGN(Loaded loaded, load(request_, *inputs_.fs, stop_));
    samples_ = std::move(loaded.samples);
    report_.samples = samples_.size();
    report_.torn_tails = loaded.torn_tails;
    TRY(check_cuts());
    sort_by_view();
    derived_ = std::make_unique<DerivedCheck>(catalog_, samples_);
    if (progress_) progress_(0, total_);
    for (auto& [name, asked] : asked_) TRY(verify_view(asked));
    TRY(verify_derived());
    report_.seconds = static_cast<double>(inputs_.clock->steady_us() - began) / 1e6;
    return std::move(report_);
  }

 private:
  // Law L1: the cut of a reply is the timeline's cut for its instant.
  Result<> check_cuts() {
    for (const online::Sample& sample : samples_) {
      if (report_.first == Instant{} || sample.as_of < report_.first) report_.first = sample.as_of;
      report_.last = std::max(report_.last, sample.as_of);
      for (const engine::ReadCut& cut : sample.cut) {
        TRY_ASSIGN(const auto known, inputs_.timeline->cut_at(cut.shard, sample.as_of));
        if (known && known->publish != cut.publish)
          add({.service = sample.service, .as_of = sample.as_of, .feature = "cut",
               .served = fmt::format("publish {} of shard {}", cut.publish, cut.shard), .derived = fmt::format("publish {}", known->publish)});
      }
    }
    return {};
  }

  void sort_by_view() {
    for (uint32_t s = 0; s < samples_.size(); ++s) {
      for (uint32_t v = 0; v < samples_[s].views.size(); ++v) {
        const online::SampledView& row = samples_[s].views[v];
        const auto entry = catalog_.find_view(row.name, row.version);
        if (!entry) {
          ++report_.forgotten;
          continue;
        }
        Asked& asked = asked_[{row.name, row.version}];
        asked.view = entry;
        asked.rows.emplace_back(s, v);
        asked.times.push_back(samples_[s].as_of.us);
        asked.questions.key_of.push_back(static_cast<uint32_t>(asked.questions.keys.size()));
        asked.questions.keys.push_back({row.key, feature::shard_hash(row.key), feature::table_hash(row.key)});
        ++total_;
      }
    }
    for (auto& [name, asked] : asked_) asked.questions.times_us = asked.times.data(), asked.questions.rows = asked.times.size();
  }

  Result<> verify_view(const Asked& asked) {
    const auto& program = asked.view->program;
    const catalog::SourceEntry& source = asked.view->source;
    const auto topic = inputs_.log->find_topic(source.topic);
    if (!topic) return not_found("topic '" + source.definition.topic + "' of source '" + source.definition.name + "' is not in the log");
    engine::OffsetVector until;
    for (int32_t p = 0; p < topic->partitions; ++p) {
      const TopicPartition partition{topic->id, PartitionId{p}};
      TRY_ASSIGN(const log::PartitionState state, inputs_.log->partition_state(partition));
      until[partition] = state.last_stable;
    }
    const history::EventRequest events{.source = source.definition, .programs = {program}, .groups = kGroups, .threads = threads_, .stop = stop_};
    TRY_ASSIGN(const history::SourceHistory history, history::read_events(events, topic->id, until, *inputs_.log));
    if (history.lost.any()) {
      const std::string text = history.lost.text(topic->name);
      if (std::ranges::find(report_.lost, text) == report_.lost.end()) report_.lost.push_back(text);
    }
    history::DeriveRequest request{.program = program, .event_times = true, .lost = history.lost, .timeline = inputs_.timeline, .groups = kGroups,
                                   .threads = threads_, .stop = stop_};
    for (uint32_t f = 0; f < program->features().size(); ++f) request.features.push_back(f);
    TRY_ASSIGN(const Answers answers, history::derive(request, history.views.front(), asked.questions));
    for (size_t chunk = 0; chunk * kChunkRows < asked.rows.size(); ++chunk) TRY(compare(asked, answers, chunk));
    return {};
  }

  Result<> compare(const Asked& asked, const Answers& answers, size_t chunk) {
    const size_t first = chunk * kChunkRows, rows = std::min(kChunkRows, asked.rows.size() - first);
    const DerivedRows derived(asked.view->program->features(), answers, chunk, rows);
    feature::FeatureRow row;
    std::vector<bool> lost(asked.view->program->features().size());
    for (size_t i = 0; i < rows; ++i) {
      if (++done_; progress_ && (done_ % 1'024 == 0 || done_ == total_)) progress_(done_, total_);
      if (!derived.get(i, row, lost)) {
        ++report_.gaps;
        continue;
      }
      derived_->add(asked.rows[first + i].first, *asked.view, row, lost);
      TRY(compare_row(asked, asked.rows[first + i], row, lost));
    }
    return {};
  }

  Result<> compare_row(const Asked& asked, std::pair<uint32_t, uint32_t> at, const feature::FeatureRow& derived, const std::vector<bool>& lost) {
    const online::SampledView& served = samples_[at.first].views[at.second];
    const auto& types = asked.view->program->features();
    const auto not_checkable = static_cast<uint64_t>(std::ranges::count(lost, true));
    report_.not_checkable += not_checkable;
    if (not_checkable == types.size()) return {};
    ++report_.answers;
    report_.values += types.size() - not_checkable;
    ByteWriter bytes;
    online::encode_row(types, derived, bytes);
    if (bytes.str() == served.row) return {};
    return explain(samples_[at.first], served, types, bytes.str(), lost);
  }

  Result<> explain(const online::Sample& sample, const online::SampledView& served, const std::vector<feature::FeatureColumn>& types,
                   std::string_view derived, const std::vector<bool>& lost) {
    TRY_ASSIGN(const online::DecodedRow theirs, online::decode_row(served.row));
    TRY_ASSIGN(const online::DecodedRow ours, online::decode_row(derived));
    Difference difference{.service = sample.service, .view = served.name + "@" + std::to_string(served.version), .key = key_text(served.key),
                          .as_of = sample.as_of};
    TRY_ASSIGN(difference.cut, cut_text(served.key, sample.as_of));
    const auto differs = [&](const std::string& what, const std::string& was, const std::string& is) {
      difference.feature = what, difference.served = was, difference.derived = is;
      add(difference);
    };
    // `found` goes by the view's longest window.
    if (theirs.found != ours.found && std::ranges::none_of(lost, std::identity{})) differs("found", theirs.found ? "true" : "false", ours.found ? "true" : "false");
    if (theirs.values.size() != ours.values.size()) {
      differs("(number of features)", std::to_string(theirs.values.size()), std::to_string(ours.values.size()));
      return {};
    }
    for (size_t f = 0; f < types.size(); ++f)
      if (!lost[f] && !same(theirs.values[f], ours.values[f])) differs(types[f].name, value_text(theirs.values[f]), value_text(ours.values[f]));
    return {};
  }

  Result<> verify_derived() {
    const auto differs = [&](uint32_t s, const std::string& feature, const std::string& served, const std::string& again) -> Result<> {
      const online::Sample& sample = samples_[s];
      Difference difference{.service = sample.service, .view = fmt::format("{}@{}", sample.service, sample.service_version), .as_of = sample.as_of,
                            .feature = feature, .served = served, .derived = again};
      std::vector<std::string_view> keys;
      for (const online::SampledView& view : sample.views)
        if (std::ranges::find(keys, view.key) == keys.end()) keys.push_back(view.key);
      for (const std::string_view key : keys) {
        TRY_ASSIGN(const std::string cut, cut_text(key, sample.as_of));
        difference.key += (difference.key.empty() ? "" : "; ") + key_text(key);
        difference.cut += (difference.cut.empty() ? "" : "; ") + cut;
      }
      TRY_ASSIGN(const std::string request, request_text(sample));
      difference.key += request;
      add(std::move(difference));
      return {};
    };
    TRY_ASSIGN(const auto counts, derived_->run(differs));
    report_.values += counts.values, report_.not_checkable += counts.not_checkable, report_.forgotten += counts.forgotten;
    return {};
  }

  // " (request 12.5, "EUR")"
  static Result<std::string> request_text(const online::Sample& sample) {
    TRY_ASSIGN(const auto fields, online::decode_values(sample.request));
    std::string out;
    for (const online::DecodedValue& field : fields) out += (out.empty() ? "" : ", ") + online::to_text(field);
    return out.empty() ? out : " (request " + out + ")";
  }

  Result<std::string> cut_text(std::string_view key, Instant as_of) {
    TRY_ASSIGN(const uint32_t shards, inputs_.timeline->shards_at(as_of));
    const uint32_t shard = engine::shard_of(feature::shard_hash(key), shards);
    TRY_ASSIGN(const auto cut, inputs_.timeline->cut_at(shard, as_of));
    if (!cut) return std::string("unknown");
    std::string out = fmt::format("shard {}, publish {}:", shard, cut->publish);
    for (const auto& [partition, offset] : cut->applied) {
      const auto topic = inputs_.log->find_topic(partition.topic);
      out += fmt::format(" {}-{} < {}", topic ? topic->name : partition.topic.uuid.to_string(), partition.partition.value, offset.value);
    }
    return out;
  }

  void add(Difference difference) {
    ++report_.differences;
    if (report_.shown.size() < request_.differences_max) report_.shown.push_back(std::move(difference));
  }

  const catalog::CatalogSnapshot& catalog_;
  const VerifyRequest& request_;
  const VerifyInputs& inputs_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  const std::stop_token stop_;
  const unsigned threads_;
  std::vector<online::Sample> samples_;
  std::map<std::pair<std::string, uint32_t>, Asked> asked_;
  std::unique_ptr<DerivedCheck> derived_;
  uint64_t done_ = 0, total_ = 0;
  VerifyReport report_;
};

}  // namespace

std::string to_text(const VerifyReport& report) {
  if (report.samples == 0) return "no samples of served answers: nothing was compared\n";
  std::string out = fmt::format("{} samples, {} values derived again, {} differ, {} rows in gaps", report.samples, report.values,
                                report.differences, report.gaps);
  if (report.forgotten != 0) out += fmt::format(", {} rows of views that are no longer defined", report.forgotten);
  if (report.not_checkable != 0) out += fmt::format(", {} values not checkable", report.not_checkable);
  if (report.torn_tails != 0) out += fmt::format(", {} samples files end in half a record", report.torn_tails);
  out += "\n";
  for (const std::string& why : report.lost)
    if (report.not_checkable != 0) out += "not checkable: " + why + "\n";
  for (const Difference& d : report.shown) {
    if (d.view.empty()) out += fmt::format("\n{}: {} at {}\n", d.service, d.feature, format_time(d.as_of.us));
    else out += fmt::format("\n{}: {} {} of {} at {}\n", d.service, d.view, d.feature, d.key, format_time(d.as_of.us));
    out += fmt::format("  served   {}\n  derived  {}\n", d.served, d.derived);
    if (!d.cut.empty()) out += fmt::format("  cut      {}\n", d.cut);
  }
  if (report.differences > report.shown.size()) out += fmt::format("\nand {} more\n", report.differences - report.shown.size());
  return out;
}

Result<VerifyReport> verify(const catalog::CatalogSnapshot& catalog, const VerifyRequest& request, const VerifyInputs& inputs,
                            const std::function<void(uint64_t done, uint64_t total)>& progress, std::stop_token stop) {
  return Verification(catalog, request, inputs, progress, std::move(stop)).run();
}

}  // namespace ms::replay
