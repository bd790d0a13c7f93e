#include "history/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <limits>
#include <set>

#include "base/cores.h"
#include "history/derive.h"
#include "history/derived_columns.h"
#include "history/events.h"
#include "history/manifest.h"
#include "history/own_rows.h"
#include "history/reporter.h"
#include "history/request_columns.h"
#include "history/spine.h"
#include "history/table.h"
#include "history/training_file.h"

namespace ms::history {
namespace {

constexpr uint32_t kServedGroups = 256;  // no engine has more shards
constexpr uint64_t kRowsPerGroup = 32'768;
constexpr uint64_t kEventsPerQuestion = 16;
constexpr size_t kKeysAtOnce = 65'536;  // with a state: some hundred bytes each, often more than a row of answers

unsigned thread_count(unsigned asked) { return asked != 0 ? asked : usable_cores(); }

// Enough groups that every thread is busy to the end and that a group's state stays near its core.
// A question rarely needs more than some events.
uint32_t group_count(TrainMode mode, unsigned threads, uint64_t events, uint64_t questions) {
  if (mode == TrainMode::kAsServed) return kServedGroups;
  const uint64_t rows = std::min(events, questions * kEventsPerQuestion) + questions;
  return std::bit_ceil(static_cast<uint32_t>(std::clamp<uint64_t>(rows / kRowsPerGroup, threads * 8ull, 4'096)));
}

// Also of files that do not exist yet.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  if (std::filesystem::equivalent(a, b, ignored)) return true;
  const auto x = std::filesystem::weakly_canonical(a, ignored), y = std::filesystem::weakly_canonical(b, ignored);
  return !x.empty() && x == y;
}

std::string manifest_path_of(const TrainRequest& request) {
  return request.manifest.empty() ? request.out + ".manifest.json" : request.manifest;
}

bool is_within(const std::string& file, const std::string& directory) {
  std::error_code ignored;
  const auto path = std::filesystem::weakly_canonical(file, ignored), around = std::filesystem::weakly_canonical(directory, ignored);
  return !around.empty() && std::ranges::mismatch(around, path).in1 == around.end();
}

// What is written on the way to the output and its manifest must hit nothing that is read, neither of the two the other, and
// nothing of the server's own.
Result<> check_paths(const TrainRequest& request, const std::string& data_dir) {
  const std::string manifest = manifest_path_of(request);
  const std::vector<std::string> written = {request.out, request.out + ".tmp", request.out + ".spill", manifest, manifest + ".tmp"};
  std::vector<std::string> read = {request.spine};
  for (const auto& [source, file] : request.event_files) read.push_back(file);
  // An earlier manifest may pin the training set that replaces its own.
  if (!request.pin_manifest.empty() && !same_file(request.pin_manifest, manifest)) read.push_back(request.pin_manifest);
  for (size_t i = 0; i < written.size(); ++i) {
    std::error_code ignored;
    const auto there = std::filesystem::status(written[i], ignored);
    if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there))
      return invalid(fmt::format("{} is {}; the job writes a file of this name", written[i], std::filesystem::is_directory(there) ? "a directory" : "no file"));
    if (!data_dir.empty() && is_within(written[i], data_dir))
      return invalid(fmt::format("{} would be within {}, where the server keeps its own files; choose a place outside", written[i], data_dir));
    for (size_t j = 0; j < i; ++j)
      if (same_file(written[i], written[j])) return invalid("the output and its manifest would both write " + written[i]);
    for (const std::string& input : read)
      if (same_file(written[i], input)) return invalid("the job would write over what it reads: " + input);
  }
  return {};
}

// Views made at different times may hold different versions of one source; those are read apart.
bool same_source(const TrainView& a, const TrainView& b) {
  const feature::SourceDefinition &x = a.source, &y = b.source;
  return x.name == y.name && a.topic == b.topic && x.fields == y.fields && x.time_field == y.time_field &&
         x.time_unit == y.time_unit && x.derived == y.derived && x.max_ahead_us == y.max_ahead_us;
}

// One training set from start to end.
class Training {
 public:
  Training(const TrainService& service, const TrainRequest& request, const TrainInputs& inputs, const ProgressSink& progress,
           std::stop_token stop)
      : service_(service), request_(request), inputs_(inputs), stop_(std::move(stop)), threads_(thread_count(request.threads)),
        reporter_(progress, *inputs.clock) {}

  Result<TrainReport> run() {
    const int64_t began = inputs_.clock->steady_us();
    TRY(check_request());
    TRY(choose_self_source());
    TRY(check_labels_apart());
    const uint64_t memory = request_.memory_bytes != 0 ? request_.memory_bytes : machine_memory_bytes() / 2;
    spill_ = std::make_shared<Spill>(*inputs_.fs, request_.out + ".spill", memory / 2);
    TRY(read_spine());
    TRY(check_instants());
    TRY(choose_pin());
    TRY(read_sources());
    TRY(write());
    manifest_.report.seconds = static_cast<double>(inputs_.clock->steady_us() - began) / 1e6;
    return manifest_.report;
  }

 private:
  Result<> check_request() const {
    TRY(check_compression(request_.compression));
    if (request_.out.ends_with(".csv")) return invalid(request_.out + ": a training set is a Parquet file; name it .parquet");
    for (const std::string& path : {request_.out, request_.manifest}) {
      const std::string parent = std::filesystem::path(path).parent_path().string();
      if (parent.empty()) continue;
      TRY_ASSIGN(const bool there, inputs_.fs->exists(parent));
      if (!there) return invalid(path + ": there is no directory '" + parent + "'");
    }
    TRY(check_paths(request_, inputs_.data_dir));
    for (const auto& [source, file] : request_.event_files) {
      if (std::ranges::none_of(service_.views, [&](const TrainView& v) { return v.source.name == source; }))
        return invalid("service '" + service_.name + "' has no source '" + source + "'");
      if (request_.mode == TrainMode::kAsServed)
        return invalid("as_served needs the log of source '" + source + "', not a file: only the log says what was known when");
    }
    if (request_.mode == TrainMode::kAsServed && (request_.pin || !request_.pin_manifest.empty()))
      return invalid("as_served takes no pin: the apply timeline says what each row could see");
    if (request_.mode == TrainMode::kAsServed && inputs_.timeline == nullptr)
      return invalid("as_served needs the apply timeline of a directory");
    std::set<std::string> names;
    for (const TrainColumn& column : service_.columns)
      if (!names.insert(column.name).second) return invalid("two features are called '" + column.name + "'");
    for (const auto& [name, expression] : service_.derived)
      if (!names.insert(name).second) return invalid("two features are called '" + name + "'");
    return {};
  }

  // With rows at t among the features, a label from t on would hold the same rows: it would predict what it was given.
  Result<> check_labels_apart() const {
    if (!request_.after_event && !request_.exclude_self) return {};
    for (const TrainColumn& column : service_.columns) {
      const TrainView& view = service_.views[column.view];
      if (view.ahead_us == 0 || view.program->specs()[column.feature].window.length_us != view.ahead_us) continue;
      if (std::ranges::any_of(service_.views, [&](const TrainView& v) { return v.ahead_us == 0 && v.source.name == view.source.name; }))
        return invalid("label '" + column.name + "' begins at the row's own time, and with " +
                       (request_.exclude_self ? "exclude_self" : "after_event") + " the features count events of source '" +
                       view.source.name +
                       "' at that time too: the same event would be in both; let the label begin later, as next(10s, 1h) does, or leave "
                       "the option out");
    }
    return {};
  }

  // Of which source the rows of the spine are.
  Result<> choose_self_source() {
    if (!request_.exclude_self) {
      if (!request_.self_source.empty() || !request_.self_partition.empty() || !request_.self_offset.empty())
        return invalid("a self source, partition or offset column says which event is the row's own; it needs exclude_self");
      return {};
    }
    std::set<std::string> sources;
    for (const TrainView& view : service_.views) sources.insert(view.source.name);
    std::string all;
    for (const std::string& name : sources) all += (all.empty() ? "'" : ", '") + name + "'";
    self_source_ = request_.self_source;
    if (self_source_.empty() && sources.size() > 1)
      return invalid("service '" + service_.name + "' reads the sources " + all +
                     "; exclude_self needs the one whose events the spine's rows are (--self-source NAME)");
    if (self_source_.empty()) self_source_ = *sources.begin();
    if (!sources.contains(self_source_))
      return invalid("service '" + service_.name + "' has no source '" + self_source_ + "'; it reads " + all);
    const auto file = request_.event_files.find(self_source_);
    if (request_.self_offset.empty() && (file == request_.event_files.end() || !same_file(file->second, request_.spine)))
      return invalid(
          "exclude_self needs to know which event each row of the spine is: name its column with the offset of the event in source '" +
          self_source_ + "' (--self-offset COLUMN)");
    return {};
  }
  // A position without a partition is one only where there is a single one.
  Result<> check_self_partitions(const std::string& topic, int32_t partitions) const {
    if (!request_.self_partition.empty() || partitions == 1) return {};
    return invalid("topic '" + topic + "' has " + std::to_string(partitions) +
                   " partitions: exclude_self needs the spine's column with the event's partition too (--self-partition COLUMN)");
  }

  Result<> read_spine() {
    reporter_.begin("reading", 0);
    std::map<std::string, Type> key_types;
    for (const TrainView& view : service_.views)
      for (const feature::Field& field : view.program->key_fields()) key_types.emplace(field.name, field.type);
    if (service_.program && request_.spine.ends_with(".csv")) {
      TRY_ASSIGN(const auto names, Table::csv_names(request_.spine));
      add_request_types(names, service_.program->request(), key_types);
    }
    TRY_ASSIGN(spine_, Table::read(request_.spine, std::nullopt, threads_, key_types));
    for (const AnswerColumn& column : output_columns())
      if (spine_->find(column.name)) return invalid(request_.spine + ": its column '" + column.name + "' is also the name of a feature");
    TRY_ASSIGN(const size_t time, choose_time_column(*spine_, request_.time_column));
    manifest_.time_column = spine_->names()[time];
    TRY_ASSIGN(times_, read_times(*spine_, time, threads_, stop_));
    for (const TrainView& view : service_.views) {
      TRY_ASSIGN(auto keys, read_keys(*spine_, view.program->key_fields(), threads_, stop_));
      keys_.push_back(std::move(keys));
    }
    TRY(find_request());
    if (request_.exclude_self) {
      TRY_ASSIGN(own_, read_own_rows(*spine_, request_.self_partition, request_.self_offset, threads_, stop_));
    }
    TRY_ASSIGN(manifest_.spine, identify(*inputs_.fs, request_.spine, spine_->rows()));
    manifest_.report.rows = spine_->rows();
    manifest_.report.features = service_.columns.size() + service_.derived.size();
    return {};
  }

  Result<> find_request() {
    if (!service_.program) return {};
    TRY_ASSIGN(request_columns_, find_request_columns(*spine_, service_.program->request(), threads_, stop_));
    for (const size_t column : request_columns_) manifest_.request_columns.push_back(spine_->names()[column]);
    return {};
  }

  // as_served answers only where the timeline knows what was applied.
  Result<> check_instants() const {
    if (request_.mode != TrainMode::kAsServed || times_.empty()) return {};
    const auto at = [&](auto it) {
      return request_.spine + ": row " + std::to_string(it - times_.begin() + 1) + " (" + format_time(*it) + "): ";
    };
    for (const TrainView& view : service_.views) {
      if (view.ahead_us != 0) continue;
      const auto joined = inputs_.timeline->joined_at(view.name, view.version);
      if (!joined)
        return fail(ErrorKind::kUnavailable, "view " + view.name + "@" + std::to_string(view.version) + " has not served yet");
      const auto early = std::ranges::find_if(times_, [&](int64_t t) { return t < joined->us; });
      if (early != times_.end())
        return invalid(at(early) + "view " + view.name + "@" + std::to_string(view.version) + " serves only since " +
                       format_time(joined->us) + "; use mode as_known for older rows");
    }
    const Instant until = inputs_.timeline->synced_until();
    const auto late = std::ranges::find_if(times_, [&](int64_t t) { return t > until.us; });
    if (late != times_.end() && *late > inputs_.clock->wall_us()) return invalid(at(late) + "lies in the future; nobody has been served then");
    if (late != times_.end())
      return fail(ErrorKind::kUnavailable, at(late) + "the apply timeline reaches to " + format_time(until.us) + " only");
    return {};
  }

  Result<> choose_pin() {
    if (!request_.pin_manifest.empty()) {
      TRY_ASSIGN(const std::string json, read_file(*inputs_.fs, request_.pin_manifest));
      TRY_ASSIGN(pin_, read_pin(json, request_.pin_manifest));
    } else if (request_.pin) {
      pin_ = *request_.pin;
    }
    const bool pinned = request_.pin || !request_.pin_manifest.empty();
    for (const TrainView& view : service_.views) {
      if (request_.event_files.contains(view.source.name)) continue;
      if (inputs_.log == nullptr)
        return invalid("source '" + view.source.name + "' needs its log or a file (--events " + view.source.name + "=FILE)");
      const auto topic = inputs_.log->find_topic(view.topic);
      if (!topic) return not_found("topic '" + view.source.topic + "' of source '" + view.source.name + "' is not in the log");
      if (request_.exclude_self && view.source.name == self_source_) TRY(check_self_partitions(topic->name, topic->partitions));
      for (int32_t p = 0; p < topic->partitions; ++p) TRY(pin_partition({topic->id, PartitionId{p}}, topic->name, pinned));
    }
    return {};
  }
  Result<> pin_partition(TopicPartition partition, const std::string& topic, bool pinned) {
    TRY_ASSIGN(const log::PartitionState state, inputs_.log->partition_state(partition));
    if (!pinned) {
      pin_[partition] = state.last_stable;
      return {};
    }
    const auto it = pin_.find(partition);
    if (it != pin_.end() && it->second > state.last_stable)
      return invalid("the pin asks for offset " + std::to_string(it->second.value) + " of " + topic + "-" +
                     std::to_string(partition.partition.value) + ", which ends at " + std::to_string(state.last_stable.value));
    return {};
  }

  // One source after the other: its events are read once for all the views that use them.
  Result<> read_sources() {
    histories_.resize(service_.views.size());
    derivations_.resize(service_.views.size());
    lost_.resize(service_.views.size());
    for (size_t v = 0; v < service_.views.size(); ++v) {
      const int64_t ahead = service_.views[v].ahead_us;
      ahead_times_.push_back(ahead == 0 ? std::vector<int64_t>() : times_);
      for (int64_t& t : ahead_times_.back()) t = t > INT64_MAX - ahead ? INT64_MAX : t + ahead;
      questions_.push_back(keys_[v].questions(times_of(v)));
    }
    for (size_t v = 0; v < service_.views.size(); ++v)
      if (!derivations_[v]) TRY(read_source(service_.views[v]));
    return {};
  }

  Result<> read_source(const TrainView& first) {
    std::vector<size_t> views;
    EventRequest request{.source = first.source,
                         .spill = spill_,
                         .read_at = {inputs_.clock->wall_us()},
                         .threads = threads_,
                         .stop = stop_,
                         .report = [this](uint64_t rows) { reporter_.add(rows); }};
    for (size_t v = 0; v < service_.views.size(); ++v) {
      if (!same_source(service_.views[v], first)) continue;
      views.push_back(v);
      request.programs.push_back(service_.views[v].program);
    }
    TRY_ASSIGN(const auto wanted, wanted_events(views, request));
    reporter_.begin("reading", 0);
    ManifestSource& source = manifest_.sources.emplace_back();
    source.name = first.source.name;
    TRY_ASSIGN(SourceHistory history, read_events_of(first, request, source));
    manifest_.report.undecodable += history.undecodable;
    if (history.lost.any() && !request_.statuses)
      for (const size_t v : views) TRY(check_lost(v, history.lost));
    tables_.push_back(history.table);
    for (size_t i = 0; i < views.size(); ++i) {
      histories_[views[i]] = std::move(history.views[i]);
      const size_t keys = wanted.empty() ? questions_[views[i]].keys.size() : wanted[i]->keys();
      lost_[views[i]] = history.lost;
      TRY(prepare_view(views[i], request.groups, keys, history.lost, history.newest_us[i]));
    }
    return {};
  }

  // A Parquet file of enough row groups to keep all threads busy is read one by one.
  Result<std::unique_ptr<const TableFile>> row_groups(const std::string& path, const std::vector<std::string>& columns) const {
    std::unique_ptr<const TableFile> none;
    if (path.ends_with(".csv")) return none;
    TRY_ASSIGN(auto file, TableFile::open(path, columns));
    if (file->groups() < 2 * threads_) return none;
    return file;
  }
  Result<SourceHistory> read_row_groups(const TableFile& file, const std::string& path, EventRequest& request, ManifestSource& source) {
    reporter_.begin("reading", file.rows());
    request.groups = group_count(request_.mode, threads_, file.rows(), spine_->rows());
    // The checksum is taken beside the reading, which brings the file's bytes near.
    auto identity =
        std::async(threads_ > 1 ? std::launch::async : std::launch::deferred, [&] { return identify(*inputs_.fs, path, file.rows()); });
    auto read = read_events(request, file);
    TRY_ASSIGN(source.file, identity.get());
    return read;
  }

  // What to read of a source for some views. Of the spine itself, as a history, everything is asked.
  Result<std::vector<std::unique_ptr<Wanted>>> wanted_events(const std::vector<size_t>& views, EventRequest& request) const {
    std::vector<std::unique_ptr<Wanted>> out;
    const auto file = request_.event_files.find(request.source.name);
    if (file != request_.event_files.end() && same_file(file->second, request_.spine)) return out;
    for (const size_t v : views) {
      const feature::ViewProgram& program = *service_.views[v].program;
      std::vector<feature::FeatureSpec> specs;
      for (const uint32_t f : features_of(v)) specs.push_back(program.specs()[f]);
      out.push_back(std::make_unique<Wanted>(specs, questions_[v], counts_at_t(v)));
      request.wanted.push_back(out.back().get());
      std::vector<size_t> columns;
      bool plain = true;
      for (const feature::Field& key : program.key_fields()) {
        plain &= std::ranges::find(program.input_fields(), key) != program.input_fields().end();
        TRY_ASSIGN(columns.emplace_back(), spine_->find(key.name));
      }
      if (plain && file != request_.event_files.end()) out.back()->learn_columns(*spine_, program.key_fields(), columns, questions_[v]);
    }
    return out;
  }

  Result<SourceHistory> read_events_of(const TrainView& view, EventRequest& request, ManifestSource& source) {
    if (const auto file = request_.event_files.find(view.source.name); file != request_.event_files.end()) {
      std::shared_ptr<const Table> table = spine_;
      if (!same_file(file->second, request_.spine)) {
        TRY_ASSIGN(const auto columns, event_columns(request));
        std::map<std::string, Type> types;  // that a CSV's own looks do not tell
        for (const feature::Field& field : view.source.fields)
          if (feature::answer_is_bytes(field.type)) types.emplace(field.name, field.type);
        TRY_ASSIGN(const auto file_of_groups, row_groups(file->second, columns));
        if (file_of_groups) return read_row_groups(*file_of_groups, file->second, request, source);
        TRY_ASSIGN(table, Table::read(file->second, columns, threads_, types));
      }
      reporter_.begin("reading", table->rows());
      TRY_ASSIGN(source.file, identify(*inputs_.fs, file->second, table->rows()));
      request.groups = group_count(request_.mode, threads_, table->rows(), spine_->rows());
      return read_events(request, table);
    }
    source.topic = view.topic;
    uint64_t records = 0;
    for (const auto& [partition, until] : pin_) {
      if (partition.topic != view.topic) continue;
      source.offsets[partition] = until;
      records += static_cast<uint64_t>(until.value);
    }
    reporter_.begin("reading", records);
    request.groups = group_count(request_.mode, threads_, records, spine_->rows());
    return read_events(request, view.topic, source.offsets, *inputs_.log);
  }

  // Without a column that could say so, no value may come from less than its window. Windows never reach further back for a later
  // row, so the earliest one decides for all.
  Result<> check_lost(size_t v, const LostEvents& lost) const {
    if (times_.empty()) return {};
    const TrainView& view = service_.views[v];
    const auto earliest = std::ranges::min_element(times_of(v));
    for (const uint32_t f : features_of(v))
      if (lost.reach(view.program->specs()[f].window, *earliest))
        return invalid(request_.spine + ": row " + std::to_string(earliest - times_of(v).begin() + 1) + " (" +
                       format_time(*earliest - view.ahead_us) + "): '" + view.program->features()[f].name +
                       "' may need records that are gone: " + lost.text(view.source.topic) +
                       "; --statuses makes such values null with status GAP");
    return {};
  }

  Result<> prepare_view(size_t v, uint32_t groups, size_t keys, const LostEvents& lost, int64_t newest_us) {
    DeriveRequest request{.program = service_.views[v].program,
                          .features = features_of(v),
                          .after_event = counts_at_t(v),
                          .own = is_self(v) ? &own_ : nullptr,
                          .known_until_us = is_label(v) ? newest_us : INT64_MAX,
                          .event_times = request_.event_times,
                          .lost = lost,
                          .timeline = request_.mode == TrainMode::kAsServed && !is_label(v) ? inputs_.timeline : nullptr,
                          .groups = groups,
                          .threads = threads_,
                          .stop = stop_,
                          .report = [this](uint64_t rows) { reporter_.add(rows); }};
    // Block by block needs the states of all keys at once, all at once the answers of all questions: what is less.
    const size_t block_chunks = keys > kKeysAtOnce ? SIZE_MAX : kBlockChunks;
    TRY_ASSIGN(derivations_[v], Derivation::make(std::move(request), histories_[v], questions_[v], block_chunks));
    return {};
  }

  bool is_label(size_t v) const { return service_.views[v].ahead_us != 0; }
  const std::vector<int64_t>& times_of(size_t v) const { return is_label(v) ? ahead_times_[v] : times_; }
  bool counts_at_t(size_t v) const { return !is_label(v) && (request_.after_event || request_.exclude_self); }
  bool is_self(size_t v) const { return request_.exclude_self && !is_label(v) && service_.views[v].source.name == self_source_; }

  // A row of the spine that a state had no event for may be right all the same; reading once more tells.
  Result<> check_own_rows() {
    for (size_t v = 0; v < service_.views.size(); ++v) {
      std::vector<uint32_t> unmet = derivations_[v]->answers().unmet();
      std::erase_if(unmet, [&](uint32_t i) { return times_[i] <= lost_[v].until_us; });  // all null, with status GAP
      if (unmet.empty()) continue;
      const TrainView& view = service_.views[v];
      TRY_ASSIGN(const auto check, OwnRowsCheck::make(view.source, *view.program, questions_[v], own_, std::move(unmet)));
      EventRequest request{
          .source = view.source, .programs = {check.program()}, .wanted = {&check.wanted()}, .threads = threads_, .stop = stop_};
      ManifestSource again;
      TRY_ASSIGN(const SourceHistory history, read_events_of(view, request, again));
      if (const auto row = check.first_missing(history.views[0]))
        return invalid(
            request_.spine + ": row " + std::to_string(*row + 1) + ": source '" + view.source.name + "' has no event at partition " +
            std::to_string(own_[*row].partition) + ", offset " + std::to_string(own_[*row].offset) + " with the row's key and its time " +
            format_time(times_[*row]) +
            "; exclude_self leaves out the very event that a row was made from, so the row must carry its position and its event time");
    }
    return {};
  }

  std::vector<uint32_t> features_of(size_t view) const {
    std::vector<uint32_t> out;
    for (const TrainColumn& column : service_.columns)
      if (column.view == view && std::ranges::find(out, column.feature) == out.end()) out.push_back(column.feature);
    return out;
  }

  // Where the answers to each column stand, once there are some.
  std::vector<DerivedColumns::Input> answers_to_columns() const {
    std::vector<std::vector<uint32_t>> chosen_of;
    for (size_t v = 0; v < service_.views.size(); ++v) chosen_of.push_back(features_of(v));
    std::vector<DerivedColumns::Input> out;
    for (const TrainColumn& column : service_.columns) {
      const std::vector<uint32_t>& chosen = chosen_of[column.view];
      out.push_back({.answers = derivations_.empty() ? nullptr : &derivations_[column.view]->answers(),
                     .feature = static_cast<size_t>(std::ranges::find(chosen, column.feature) - chosen.begin())});
    }
    return out;
  }

  // Features, derived features, labels.
  std::vector<AnswerColumn> output_columns() const {
    std::vector<AnswerColumn> out;
    const auto add = [&](AnswerColumn value) {
      const std::string name = value.name;
      out.push_back(value);
      if (request_.statuses) {
        value.name = name + "__status", value.what = AnswerColumn::What::kStatus;
        out.push_back(value);
      }
      if (request_.event_times) {
        value.name = name + "__event_time", value.what = AnswerColumn::What::kEventTime;
        out.push_back(value);
      }
    };
    const auto add_derived = [&] {
      for (size_t i = 0; i < service_.derived.size(); ++i)
        add({.name = service_.derived[i].first, .type = service_.program->results()[i].type, .derived = derived_.get(), .feature = i});
    };
    const auto places = answers_to_columns();
    for (size_t c = 0; c < service_.columns.size(); ++c) {
      const TrainColumn& column = service_.columns[c];
      if (c == service_.features()) add_derived();
      const auto [answers, feature] = places[c];
      add({.name = column.name, .type = service_.views[column.view].program->features()[column.feature].type, .answers = answers, .feature = feature});
    }
    if (service_.features() == service_.columns.size()) add_derived();
    return out;
  }

  void prepare_derived() {
    if (service_.derived.empty()) return;
    std::vector<DerivedColumns::Input> inputs = answers_to_columns();
    inputs.resize(service_.features());
    derived_ = std::make_unique<DerivedColumns>(service_.program, std::move(inputs), *spine_, request_columns_, threads_, stop_);
  }

  Result<> write() {
    reporter_.begin("replaying", spine_->rows() * service_.views.size());
    const std::string manifest_path = manifest_path_of(request_);
    std::string manifest;
    prepare_derived();
    const auto answer_until = [this](size_t chunk_end) -> Result<> {
      for (const auto& derivation : derivations_) TRY(derivation->answer_until(chunk_end));
      if (derived_) TRY(derived_->derive_until(chunk_end));
      return chunk_end * kChunkRows >= spine_->rows() ? check_own_rows() : Result<>{};
    };
    const auto metadata = [&] {
      for (const auto& derivation : derivations_) {
        manifest_.report.events += derivation->answers().events();
        manifest_.report.not_mature_rows = std::max(manifest_.report.not_mature_rows, derivation->answers().not_mature());
        manifest_.report.gap_rows = std::max(manifest_.report.gap_rows, derivation->answers().gaps());
      }
      manifest = to_json(manifest_, service_, request_);
      return std::map<std::string, std::string>{{"millstream.manifest", manifest}};
    };
    const TrainingFileOptions options{.path = request_.out, .compression = request_.compression, .threads = threads_, .stop = stop_,
                                      .answer_until = answer_until, .metadata = metadata};
    TRY(write_training_file(options, *spine_, output_columns(), *inputs_.fs));
    TRY(publish(*inputs_.fs, request_.out, manifest_path, manifest));
    reporter_.end();
    manifest_.report.spilled_bytes = spill_->written();
    manifest_.report.out = request_.out;
    manifest_.report.manifest = manifest_path;
    return {};
  }

  const TrainService& service_;
  const TrainRequest& request_;
  const TrainInputs& inputs_;
  const std::stop_token stop_;
  const unsigned threads_;
  Reporter reporter_;
  std::shared_ptr<Spill> spill_;  // one budget for all sources

  std::shared_ptr<const Table> spine_;
  std::vector<int64_t> times_;
  std::vector<SpineKeys> keys_;  // one per view
  std::string self_source_;      // exclude_self
  OwnRows own_;
  std::vector<std::vector<int64_t>> ahead_times_;  // by view; of labels
  std::vector<LostEvents> lost_;  // one per view
  engine::OffsetVector pin_;
  std::vector<std::shared_ptr<const Table>> tables_;  // texts of the histories are views into them
  std::vector<ViewEvents> histories_;                 // these three: one per view
  std::vector<Questions> questions_;
  std::vector<std::unique_ptr<Derivation>> derivations_;
  std::vector<size_t> request_columns_;      // of the spine, by field of the request
  std::unique_ptr<DerivedColumns> derived_;
  Manifest manifest_;
};

}  // namespace

std::string_view to_string(TrainMode mode) { return mode == TrainMode::kAsKnown ? "as_known" : "as_served"; }

Result<TrainReport> train(const TrainService& service, const TrainRequest& request, const TrainInputs& inputs,
                          const ProgressSink& progress, std::stop_token stop) {
  return Training(service, request, inputs, progress, std::move(stop)).run();
}

}  // namespace ms::history
