#include "catalog/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/human_bytes.h"
#include "base/nearest.h"
#include "base/sha256.h"
#include "catalog/derived_features.h"
#include "catalog/parameters.h"
#include "catalog/state_estimate.h"
#include "catalog/window_text.h"

namespace ms::catalog {
namespace {

using namespace feature;

template <class T>
std::vector<std::string> names_of(const std::map<std::string, T>& map) {
  std::vector<std::string> out;
  for (const auto& [name, value] : map) out.push_back(name);
  return out;
}

bool same(const SourceDefinition& a, const SourceDefinition& b) {
  return a.topic == b.topic && a.fields == b.fields && a.time_field == b.time_field && a.time_unit == b.time_unit && a.derived == b.derived &&
         a.max_ahead_us == b.max_ahead_us && a.retract == b.retract && a.owner == b.owner;
}

// What makes a feature's state smaller.
std::string ways_out(const FeatureSpec& spec) {
  std::string out;
  const auto add = [&](std::string_view way) { out += fmt::format("{}{}", out.empty() ? "" : ", ", way); };
  for (const Parameter& p : parameters_of(spec.aggregate)) {
    if (p.name == "error") add("a larger error");
    else if (p.name == "cap" || p.name == "n" || p.name == "precision") add(fmt::format("a smaller {}", p.name));
  }
  switch (spec.window.kind) {
    case WindowKind::kSliding: add(fmt::format("a wider hop, as in sliding({0}, hop: {0})", format_duration(spec.window.length_us))), add("a shorter window"); break;
    case WindowKind::kSlidingExact: add("sliding without exact"), add("a shorter window"); break;
    case WindowKind::kHopping: add("a wider hop that divides the window"), add("a shorter window"); break;
    case WindowKind::kSession: add("a longer gap"), add("a shorter longest session"); break;
    case WindowKind::kLast: add("fewer rows"); break;
    case WindowKind::kSeries: add("fewer steps"); break;
    case WindowKind::kTumbling:
    case WindowKind::kLifetime:
    case WindowKind::kDecay: break;
  }
  return out.empty() ? "a narrower type" : out;
}

class Planner {
 public:
  Planner(const CatalogSnapshot& now, const ParsedDefinitions& parsed, const TopicLookup& topics) : now_(now), parsed_(parsed), topics_(topics) {}

  Planned run() {
    report_.refusals = parsed_.refusals;
    for (const auto& s : now_.sources) sources_[s->definition.name] = s;
    for (const auto& e : now_.entities) entities_[e->name] = e;
    for (const auto& v : now_.views) {
      auto& newest = views_[v->definition.name];
      if (!newest || newest->version < v->version) newest = v;
    }
    for (const auto& s : now_.services) services_[s->definition.name] = s;
    for (const auto& p : parsed_.sources) source(p);
    for (const auto& p : parsed_.entities) entity(p);
    for (const auto& p : parsed_.views) view(p);
    other_views();
    auto next = assemble();
    for (const auto& p : parsed_.services) service(p, *next);
    finish(*next);
    return {std::move(report_), std::move(next)};
  }

 private:
  void refuse(const Place& at, size_t inside, std::string message) {
    const size_t column = at.column + (at.exact && inside > 0 ? inside - 1 : 0);
    const auto same_as = [&](const Refusal& r) { return r.file == at.file && r.line == at.line && r.column == column; };
    if (std::none_of(report_.refusals.begin(), report_.refusals.end(), same_as)) report_.refusals.push_back({at.file, at.line, column, std::move(message)});
  }

  template <class T>
  static const Parsed<T>* parsed_as(const std::vector<Parsed<T>>& list, const std::string& name) {
    for (const Parsed<T>& p : list)
      if (p.definition.name == name) return &p;
    return nullptr;
  }

  // Not a change: what is wrong was left out, so that the rest of the file could be looked at.
  void refused(std::string_view kind, const std::string& name) {
    if (refused_.emplace(kind, name).second) report_.items.push_back({.kind = std::string(kind), .name = name, .change = Change::kRefused});
  }
  bool is_refused(std::string_view kind, const std::string& name) const { return refused_.contains({std::string(kind), name}); }

  void source(const Parsed<SourceDefinition>& p) {
    auto entry = std::make_shared<SourceEntry>(SourceEntry{p.definition, {}});
    const auto before = sources_.find(p.definition.name);
    PlanItem item{.kind = "source", .name = p.definition.name};
    bool good = bind_topic(p, before == sources_.end() ? nullptr : before->second.get(), *entry, item) && !p.refused;
    note_time(p.definition, item);
    if (const auto& r = p.definition.retract) item.notes.push_back(fmt::format("takes events back where {}, at offset {}", r->when, r->offset));
    item.change = before == sources_.end() ? Change::kNew
                  : same(before->second->definition, p.definition) && before->second->topic == entry->topic ? Change::kUnchanged : Change::kChanged;
    if (item.change == Change::kChanged && before->second->topic != entry->topic) item.notes.push_back("reads another topic: every view of it is built anew");
    // Its derived fields are checked even when no view uses them yet.
    DefinitionPlace place;
    const auto program = ViewProgram::compile(p.definition, {"", {p.definition.time_field}}, {}, &place);
    if (!program && place.part.starts_with("source.")) refuse(p.place(place.part.substr(7)), place.column, program.error().message), good = false;
    sources_[p.definition.name] = std::move(entry);
    if (good) report_.items.push_back(std::move(item));
    else refused("source", p.definition.name);
  }

  // The time may be a field that nothing else uses; a misspelt one makes every event a dead letter.
  static void note_time(const SourceDefinition& d, PlanItem& item) {
    std::vector<std::string> names;
    for (const Field& f : d.fields) names.push_back(f.name);
    if (d.time_field.empty() || std::find(names.begin(), names.end(), d.time_field) != names.end()) return;
    item.notes.push_back(fmt::format("its time is field '{}', which is not among its fields{}", d.time_field, did_you_mean(d.time_field, names)));
  }

  bool bind_topic(const Parsed<SourceDefinition>& p, const SourceEntry* before, SourceEntry& entry, PlanItem& item) {
    item.notes.push_back(fmt::format("reads topic {}", p.definition.topic));
    if (!topics_) {
      if (before && before->definition.topic == p.definition.topic) entry.topic = before->topic;
      return true;
    }
    const auto topic = topics_(p.definition.topic);
    if (!topic) return refuse(p.place("topic"), 0, fmt::format("there is no topic '{0}'; create it first: millstream topic create {0}", p.definition.topic)), false;
    entry.topic = topic->id;
    if (topic->compacted)
      refuse(p.place("topic"), 0, fmt::format("topic '{0}' is compacted: what its features count could be neither verified, trained on nor built again, since "
                                              "superseded events go. To keep all events: millstream topic alter {0} --config cleanup.policy=delete --config retention.ms=-1",
                                              p.definition.topic));
    return !topic->compacted;
  }

  void entity(const Parsed<EntityDefinition>& p) {
    const auto before = entities_.find(p.definition.name);
    const Change change = before == entities_.end() ? Change::kNew : before->second->key == p.definition.key ? Change::kUnchanged : Change::kChanged;
    std::string key;
    for (const std::string& k : p.definition.key) key += (key.empty() ? "" : ", ") + k;
    if (p.refused) refused("entity", p.definition.name);
    else report_.items.push_back({.kind = "entity", .name = p.definition.name, .change = change, .notes = {"key " + key}});
    entities_[p.definition.name] = std::make_shared<EntityDefinition>(p.definition);
  }

  void view(const Parsed<ViewDefinition>& p) {
    const ViewDefinition& d = p.definition;
    const auto source = sources_.find(d.source);
    const auto entity = entities_.find(d.entity);
    if (source == sources_.end() && !d.source.empty()) refuse(p.place("from"), 0, fmt::format("there is no source '{}'{}", d.source, did_you_mean(d.source, names_of(sources_))));
    if (entity == entities_.end() && !d.entity.empty()) refuse(p.place("entity"), 0, fmt::format("there is no entity '{}'{}", d.entity, did_you_mean(d.entity, names_of(entities_))));
    if (source == sources_.end() || entity == entities_.end()) return refused("view", d.name);
    DefinitionPlace place;
    auto program = ViewProgram::compile(source->second->definition, *entity->second, d, &place);
    if (!program) return refused("view", d.name), refuse_view(p, place, program.error().message);
    const bool fits = within_budget(p, **program);
    if (!fits || p.refused || is_refused("source", d.source) || is_refused("entity", d.entity)) refused("view", d.name);
    settle(d, *source->second, *entity->second, std::move(*program));
  }

  bool within_budget(const Parsed<ViewDefinition>& p, const ViewProgram& program) {
    bool fits = true;
    for (size_t i = 0; i < program.specs().size(); ++i) {
      const FeatureSpec& spec = program.specs()[i];
      const uint64_t most = estimate_state({&spec, 1}, program.retracts()).most_bytes;
      if (most <= kStateBytesMax) continue;
      fits = false;
      refuse(p.place(fmt::format("features[{}].over", i)), 0,
             fmt::format("view '{}': feature '{}' may need {} for one entity, more than the {} that a feature may; give it {}", p.definition.name,
                         p.definition.features[i].name, human_bytes(static_cast<int64_t>(most)), human_bytes(static_cast<int64_t>(kStateBytesMax)), program.retracts() ? "a shorter window, whose rows are all kept" : ways_out(spec)));
    }
    return fits;
  }

  // A compile error belongs to the view, or to the source or entity that it uses, if that is in the files too.
  void refuse_view(const Parsed<ViewDefinition>& p, const DefinitionPlace& place, const std::string& message) {
    const std::string what = fmt::format("view '{}': {}", p.definition.name, message);
    if (place.part.starts_with("source.")) {
      if (const auto* s = parsed_as(parsed_.sources, p.definition.source)) return refuse(s->place(place.part.substr(7)), place.column, message);
      return refuse(p.place("from"), 0, what);
    }
    if (place.part.starts_with("entity")) return refuse(p.place("entity"), 0, what);
    refuse(p.place(place.part), place.column, what);
  }

  // Decides the version of a compiled view and reports it.
  void settle(const ViewDefinition& d, const SourceEntry& source, const EntityDefinition& entity, std::shared_ptr<const ViewProgram> program) {
    auto entry = std::make_shared<ViewEntry>(ViewEntry{d, 1, source, entity, std::move(program), {}});
    for (size_t i = 0; i < d.features.size(); ++i) entry->feature_hashes.push_back(feature_hash(*entry->program, i, source.topic));
    const auto before = views_.find(d.name);
    PlanItem item{.kind = "view", .name = d.name};
    if (before != views_.end()) {
      const ViewEntry& old = *before->second;
      const bool equal = old.feature_hashes == entry->feature_hashes && std::equal(d.features.begin(), d.features.end(), old.definition.features.begin(), old.definition.features.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
      entry->version = equal ? old.version : highest_version(d.name) + 1;
      item.change = equal ? Change::kUnchanged : Change::kChanged;
      item.only_words = old.definition.owner != d.owner;
      if (item.only_words) item.notes.push_back(fmt::format("owner changes from '{}' to '{}'", old.definition.owner, d.owner));
    }
    item.version = entry->version;
    describe_view(*entry, before == views_.end() ? nullptr : before->second.get(), item);
    if (!is_refused("view", d.name)) report_.items.push_back(std::move(item));
    views_[d.name] = std::move(entry);
  }

  uint32_t highest_version(const std::string& name) const {
    uint32_t out = 0;
    for (const auto* list : {&now_.views, &now_.retired_views})
      for (const auto& v : *list)
        if (v->definition.name == name) out = std::max(out, v->version);
    return out;
  }

  static void describe_view(const ViewEntry& entry, const ViewEntry* old, PlanItem& item) {
    std::string key;
    for (const Field& f : entry.program->key_fields()) key += fmt::format("{}{} {}", key.empty() ? "" : ", ", f.name, type_text(f.type));
    item.notes.insert(item.notes.begin(), fmt::format("from {} (topic {}), by {} ({})", entry.source.definition.name, entry.source.definition.topic, entry.entity.name, key));
    item.topic = entry.source.definition.topic;
    item.retention_us = entry.program->longest_reach_us();
    for (size_t i = 0; i < entry.feature_hashes.size(); ++i) {
      item.features.push_back(feature_plan(entry, i));
      if (old != nullptr) compare(*old, item.features.back());
    }
    const auto& specs = entry.program->specs();
    const StateEstimate state = estimate_state(specs, entry.program->retracts());
    item.state_bytes_per_entity = state.busy_bytes;
    if (entry.program->retracts())
      item.notes.push_back(fmt::format("keeps its rows so that they can be taken back: {} of the state", human_bytes(static_cast<int64_t>(state.kept_rows_bytes))));
    if (std::any_of(specs.begin(), specs.end(), [](const FeatureSpec& s) { return s.window.closed; }))
      item.notes.push_back("closed sessions keep all runs: the estimate counts one a day for a year");
    for (size_t i = 0; old != nullptr && i < old->feature_hashes.size(); ++i) {
      if (feature_index(entry, old->definition.features[i].name)) continue;
      item.features.push_back(feature_plan(*old, i));
      item.features.back().change = Change::kRemoved;
    }
  }

  static std::optional<size_t> feature_index(const ViewEntry& view, const std::string& name) {
    const auto& features = view.definition.features;
    const auto at = std::find_if(features.begin(), features.end(), [&](const auto& f) { return f.name == name; });
    return at == features.end() ? std::nullopt : std::optional(static_cast<size_t>(at - features.begin()));
  }

  static FeaturePlan feature_plan(const ViewEntry& view, size_t i) {
    const StateEstimate state = estimate_state({&view.program->specs()[i], 1}, view.program->retracts());
    return {.name = view.definition.features[i].name,
            .type = type_text(view.program->features()[i].type),
            .window = describe(view.definition.features[i].window),
            .hash = view.feature_hashes[i],
            .state_bytes = state.busy_bytes,
            .state_bytes_most = state.most_bytes};
  }

  static void compare(const ViewEntry& old, FeaturePlan& f) {
    const auto at = feature_index(old, f.name);
    if (!at) return;
    const FeaturePlan before = feature_plan(old, *at);
    f.change = before.hash == f.hash ? Change::kUnchanged : Change::kChanged;
    if (f.change == Change::kChanged) f.type_before = before.type;
  }

  // Views that the files do not name, whose source or entity the files change.
  void other_views() {
    for (auto& [name, entry] : std::map(views_)) {
      if (parsed_as(parsed_.views, name)) continue;
      const auto* source = parsed_as(parsed_.sources, entry->definition.source);
      const auto* entity = parsed_as(parsed_.entities, entry->definition.entity);
      if (!source && !entity) continue;
      DefinitionPlace place;
      auto program = ViewProgram::compile(sources_[entry->definition.source]->definition, *entities_[entry->definition.entity], entry->definition, &place);
      if (program) {
        settle(entry->definition, *sources_[entry->definition.source], *entities_[entry->definition.entity], std::move(*program));
        continue;
      }
      const bool in_source = source && (place.part.starts_with("source.") || !entity);
      const Place& at = in_source ? source->place(place.part.starts_with("source.") ? place.part.substr(7) : "") : entity ? entity->place("") : source->place("");
      refuse(at, in_source ? place.column : 0, fmt::format("view '{}', applied earlier, would not compile any more: {}", name, program.error().message));
    }
  }

  std::shared_ptr<CatalogSnapshot> assemble() {
    auto next = std::make_shared<CatalogSnapshot>();
    next->revision = now_.revision;
    for (const auto& [name, s] : sources_) next->sources.push_back(s);
    for (const auto& [name, e] : entities_) next->entities.push_back(e);
    for (const auto& [name, v] : views_) next->views.push_back(v);
    return next;
  }

  void service(const Parsed<ServiceDefinition>& p, const CatalogSnapshot& next) {
    auto entry = std::make_shared<ServiceEntry>();
    entry->definition = p.definition, entry->version = 1;
    size_t line = 0;
    if (const auto expanded = expand_service(*entry, next, line); !expanded) {
      const auto& text = p.definition.features[line];
      const bool broken = parsed_as(parsed_.views, text.substr(0, text.find('.'))) != nullptr && !report_.refusals.empty();
      if (!broken) refuse(p.place(fmt::format("features[{}]", line)), 0, fmt::format("service '{}': {}", p.definition.name, expanded.error().message));
      return refused("service", p.definition.name);
    }
    const bool reads_refused = std::any_of(entry->views.begin(), entry->views.end(), [&](const auto& v) { return is_refused("view", v->definition.name); });
    if (!add_labels(p, next, *entry) || p.refused || reads_refused || !add_derived(p, *entry)) return refused("service", p.definition.name);
    PlanItem item{.kind = "service", .name = p.definition.name};
    if (const auto before = services_.find(p.definition.name); before != services_.end()) {
      const bool equal = identity(*entry) == identity(*before->second);
      entry->version = before->second->version + (equal ? 0 : 1);
      item.change = equal ? Change::kUnchanged : Change::kChanged;
      if (!equal) item.column_changes = changes(identity(*before->second), identity(*entry)), retired_services_.push_back(before->second);
    }
    item.version = entry->version;
    for (const ServiceColumn& c : entry->columns) item.columns.push_back(c.name);
    note_derived(*entry, item);
    for (const auto& labels : entry->labels) note_labels(*labels, item);
    report_.items.push_back(std::move(item));
    services_[p.definition.name] = std::move(entry);
  }

  bool add_derived(const Parsed<ServiceDefinition>& p, ServiceEntry& entry) {
    DefinitionPlace place;
    const std::string what = fmt::format("service '{}': ", p.definition.name);
    if (const auto compiled = compile_derived(entry, &place); !compiled) {
      const std::string name = place.part + ".name";
      refuse(p.place(place.column == 0 && p.places.contains(name) ? name : place.part), place.column, what + compiled.error().message);
      return false;
    }
    bool good = true;
    for (const auto& labels : entry.labels)
      for (const FeatureDefinition& label : labels->definition.features)
        for (size_t i = 0; i < p.definition.derived.size(); ++i)
          if (p.definition.derived[i].first == label.name)
            refuse(p.place(fmt::format("derived[{}].name", i)), 0, fmt::format("{}derived feature '{}' has the name of a label", what, label.name)), good = false;
    return good;
  }
  static void note_derived(const ServiceEntry& entry, PlanItem& item) {
    for (const Field& f : entry.definition.request) item.notes.push_back(fmt::format("request field {} ({})", f.name, type_text(f.type)));
    for (size_t i = 0; i < entry.definition.derived.size(); ++i) {
      const auto& [name, expression] = entry.definition.derived[i];
      item.columns.push_back(name);
      item.notes.push_back(fmt::format("derived {} ({}) = {}", name, type_text(entry.program->results()[i].type), expression));
    }
    for (const std::string& name : unused_request_fields(entry))
      item.warnings.push_back(fmt::format("request field '{}' is used by no derived feature; callers must send it all the same", name));
  }

  // Compiled as a view of its own over what the view takes: nothing of it is served or kept in a state.
  bool add_labels(const Parsed<ServiceDefinition>& p, const CatalogSnapshot& next, ServiceEntry& entry) {
    std::set<std::string> taken;
    for (const ServiceColumn& c : entry.columns) taken.insert(c.name);
    bool good = true;
    for (size_t i = 0; i < p.definition.labels.size(); ++i) {
      const LabelsDefinition& d = p.definition.labels[i];
      const std::string part = fmt::format("labels[{}]", i), what = fmt::format("service '{}': ", p.definition.name);
      const auto bad = [&](const Place& at, size_t column, const std::string& message) {
        refuse(at, column, what + message), good = false;
      };
      const auto view = next.find_view(d.view);
      if (is_refused("view", d.view)) {
        good = false;
        continue;
      }
      if (!view) {
        bad(p.place(part), 0, fmt::format("there is no view '{}'{}", d.view, did_you_mean(d.view, names_of(views_))));
        continue;
      }
      for (size_t f = 0; f < d.labels.size(); ++f)
        if (!taken.insert(d.labels[f].name).second)
          bad(p.place(fmt::format("{}.features[{}].over", part, f)), 0,
              fmt::format("two columns are named '{}'; give the label another name", d.labels[f].name));
      auto labels = std::make_shared<ViewEntry>(ViewEntry{view->definition, view->version, view->source, view->entity, nullptr, {}});
      labels->definition.features = d.labels;
      DefinitionPlace place;
      auto program = ViewProgram::compile(view->source.definition, view->entity, labels->definition, &place);
      if (!program) {
        bad(p.place(part + "." + place.part), place.column, program.error().message);
        continue;
      }
      labels->program = std::move(*program);
      for (size_t f = 0; f < d.labels.size(); ++f) labels->feature_hashes.push_back(feature_hash(*labels->program, f, view->source.topic));
      entry.labels.push_back(std::move(labels));
    }
    return good;
  }
  static void note_labels(const ViewEntry& labels, PlanItem& item) {
    for (size_t f = 0; f < labels.definition.features.size(); ++f)
      item.notes.push_back(fmt::format("label {} ({}), {} of {}: in training sets only", labels.definition.features[f].name,
                                       type_text(labels.program->features()[f].type), describe_label(labels.definition.features[f]),
                                       labels.definition.name));
  }

  // What a service version is: its columns, request fields, derived features and labels by name, with what each is, in order.
  using ServiceIdentity = std::vector<std::pair<std::string, std::string>>;
  static ServiceIdentity identity(const ServiceEntry& s) {
    ServiceIdentity out;
    for (const ServiceColumn& c : s.columns) out.emplace_back(c.name, s.views[c.view]->feature_hashes[c.feature]);
    for (const Field& f : s.definition.request) out.emplace_back("request." + f.name, type_text(f.type));
    for (size_t i = 0; i < s.derived_hashes.size(); ++i) out.emplace_back(s.definition.derived[i].first, s.derived_hashes[i]);
    for (const auto& labels : s.labels)
      for (size_t f = 0; f < labels->feature_hashes.size(); ++f)
        out.emplace_back(labels->definition.features[f].name, labels->feature_hashes[f]);
    return out;
  }

  static std::vector<std::pair<Change, std::string>> changes(const ServiceIdentity& before, const ServiceIdentity& now) {
    const std::map<std::string, std::string> was(before.begin(), before.end()), is(now.begin(), now.end());
    std::vector<std::pair<Change, std::string>> out;
    for (const auto& [name, hash] : now) {
      const auto at = was.find(name);
      if (at == was.end()) out.emplace_back(Change::kNew, name);
      else if (at->second != hash) out.emplace_back(Change::kChanged, name);
    }
    for (const auto& [name, hash] : before)
      if (!is.contains(name)) out.emplace_back(Change::kRemoved, name);
    return out;
  }

  void finish(CatalogSnapshot& next) {
    for (const auto& [name, s] : services_) next.services.push_back(s);
    next.retired_services = now_.retired_services;
    next.retired_services.insert(next.retired_services.end(), retired_services_.begin(), retired_services_.end());
    // A service that was not applied again keeps the view versions it was made with.
    const auto live = [&](const ViewEntry& v) { return next.find_view(v.definition.name, v.version) != nullptr; };
    std::vector<std::shared_ptr<const ViewEntry>> older(now_.views);
    older.insert(older.end(), now_.retired_views.begin(), now_.retired_views.end());
    for (const auto& v : older) {
      if (live(*v)) continue;
      const bool read = std::any_of(next.services.begin(), next.services.end(), [&](const auto& s) {
        return std::any_of(s->views.begin(), s->views.end(), [&](const auto& w) { return w->definition.name == v->definition.name && w->version == v->version; });
      });
      (read ? next.views : next.retired_views).push_back(v);
    }
    std::sort(next.views.begin(), next.views.end(), [](const auto& a, const auto& b) { return std::tie(a->definition.name, a->version) < std::tie(b->definition.name, b->version); });
    if (report_.changes()) ++next.revision;
  }

  const CatalogSnapshot& now_;
  const ParsedDefinitions& parsed_;
  const TopicLookup& topics_;
  PlanReport report_;
  std::set<std::pair<std::string, std::string>> refused_;  // kind and name
  std::map<std::string, std::shared_ptr<const SourceEntry>> sources_;
  std::map<std::string, std::shared_ptr<const EntityDefinition>> entities_;
  std::map<std::string, std::shared_ptr<const ViewEntry>> views_;  // newest versions
  std::map<std::string, std::shared_ptr<const ServiceEntry>> services_;
  std::vector<std::shared_ptr<const ServiceEntry>> retired_services_;
};

}  // namespace

std::string feature_hash(const ViewProgram& program, size_t i, TopicId topic) {
  return sha256_hex(fmt::format(R"({{"feature":{},"topic":"{}"}})", program.canonical_feature(i), topic.uuid.to_string()));
}

Result<> expand_service(ServiceEntry& service, const CatalogSnapshot& snapshot, size_t& line) {
  std::vector<std::string> view_names;
  for (const auto& v : snapshot.views) view_names.push_back(v->definition.name);
  std::map<std::string, std::string> taken;  // column -> view
  for (line = 0; line < service.definition.features.size(); ++line) {
    TRY_ASSIGN(const ServiceLine parsed, parse_service_line(service.definition.features[line]));
    const auto view = snapshot.find_view(parsed.view);
    if (!view) return invalid(fmt::format("there is no view '{}'{}", parsed.view, did_you_mean(parsed.view, view_names)));
    auto at = std::find_if(service.views.begin(), service.views.end(), [&](const auto& v) { return v->definition.name == parsed.view; });
    if (at == service.views.end()) at = service.views.insert(at, view);
    const auto slot = static_cast<uint32_t>(at - service.views.begin());
    size_t found = 0;
    std::vector<std::string> names;
    for (uint32_t f = 0; f < view->definition.features.size(); ++f) {
      const std::string& name = view->definition.features[f].name;
      names.push_back(name);
      if (parsed.feature != "*" && parsed.feature != name) continue;
      ++found;
      std::string column = parsed.as.empty() ? name : parsed.as;
      if (const size_t star = column.find('*'); star != std::string::npos) column.replace(star, 1, name);
      if (const auto [first, fresh] = taken.try_emplace(column, parsed.view); !fresh)
        return invalid(fmt::format("two features are named '{}', of views '{}' and '{}'; give one another name: '{}.{} as {}_{}'", column, first->second, parsed.view, parsed.view, parsed.feature, parsed.view, parsed.feature));
      service.columns.push_back({column, slot, f});
    }
    if (found == 0) return invalid(fmt::format("view '{}' has no feature '{}'{}", parsed.view, parsed.feature, did_you_mean(parsed.feature, names)));
  }
  return {};
}

Planned plan_definitions(const CatalogSnapshot& now, const ParsedDefinitions& parsed, const TopicLookup& topics) { return Planner(now, parsed, topics).run(); }

}  // namespace ms::catalog
