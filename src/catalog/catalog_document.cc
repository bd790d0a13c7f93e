#include "catalog/catalog_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "catalog/derived_features.h"
#include "catalog/parameters.h"
#include "catalog/planner.h"

namespace ms::catalog {
namespace {

using namespace feature;
using Json = nlohmann::ordered_json;

constexpr std::string_view kUnits[] = {"s", "ms", "us", "rfc3339"};
constexpr std::string_view kWindowKinds[] = {"sliding", "sliding_exact", "tumbling", "lifetime", "hopping", "session", "last", "decay", "series"};
static_assert(std::size(kWindowKinds) == feature::kWindowKindCount);

// What is wrong with the document; caught in read_document.
struct Malformed {
  std::string what;
};

template <class Enum, size_t N>
Enum one_of(const std::string& text, const std::string_view (&names)[N]) {
  const auto at = std::find(std::begin(names), std::end(names), text);
  if (at == std::end(names)) throw Malformed{fmt::format("unknown word '{}'", text)};
  return static_cast<Enum>(at - std::begin(names));
}

Type type_of(const std::string& text) {
  const auto type = parse_type(text);
  if (!type) throw Malformed{fmt::format("unknown type '{}'", text)};
  return *type;
}

Json source_of(const SourceEntry& s) {
  const SourceDefinition& d = s.definition;
  Json fields = Json::object(), derived = Json::array();
  for (const Field& f : d.fields) fields[f.name] = type_text(f.type);
  for (const auto& [name, text] : d.derived) derived.push_back({{"name", name}, {"expression", text}});
  Json out = {{"name", d.name}, {"topic", d.topic}, {"topic_id", s.topic.uuid.to_string()}, {"format", "json"},
          {"time", {{"field", d.time_field}, {"unit", kUnits[static_cast<size_t>(d.time_unit)]}}},
          {"fields", fields}, {"derived", derived}, {"max_ahead", format_duration(d.max_ahead_us)}, {"owner", d.owner}};
  if (d.retract) out["retract"] = {{"when", d.retract->when}, {"offset", d.retract->offset}};
  return out;
}

SourceEntry source_from(const Json& j) {
  SourceEntry out;
  SourceDefinition& d = out.definition;
  d.name = j.at("name"), d.topic = j.at("topic"), d.owner = j.at("owner");
  d.time_field = j.at("time").at("field"), d.time_unit = one_of<TimeUnit>(j.at("time").at("unit"), kUnits);
  for (const auto& [name, type] : j.at("fields").items()) d.fields.push_back({name, type_of(type)});
  for (const Json& e : j.at("derived")) d.derived.emplace_back(e.at("name"), e.at("expression"));
  const auto ahead = parse_duration(j.at("max_ahead").get<std::string>());
  const auto id = Uuid::parse(j.at("topic_id").get<std::string>());
  if (!ahead || !id) throw Malformed{fmt::format("source '{}'", d.name)};
  d.max_ahead_us = *ahead, out.topic.uuid = *id;
  if (j.contains("retract")) d.retract = RetractRule{j.at("retract").at("when"), j.at("retract").at("offset")};
  return out;
}

Json entity_of(const EntityDefinition& e) { return {{"name", e.name}, {"key", e.key}}; }
EntityDefinition entity_from(const Json& j) { return {j.at("name"), j.at("key").get<std::vector<std::string>>()}; }

Json scalar_of(const ScalarValue& v) {
  return std::visit([](const auto& x) -> Json {
    if constexpr (std::is_same_v<std::decay_t<decltype(x)>, std::monostate>) return nullptr;
    else return x;
  }, v);
}
ScalarValue scalar_from(const Json& j) {
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_integer()) return j.get<int64_t>();
  if (j.is_number_float()) return j.get<double>();
  if (j.is_string()) return j.get<std::string>();
  return std::monostate{};
}

// What a window of a kind has beside its kind, and how the document calls it; nullptr: it has none.
struct WindowMembers {
  const char* length = "length";
  const char* hop = nullptr;
  const char* count = nullptr;
};
WindowMembers members_of(WindowKind kind) {
  switch (kind) {
    case WindowKind::kSliding: return {.hop = "hop"};
    case WindowKind::kSlidingExact:
    case WindowKind::kTumbling: return {};
    case WindowKind::kLifetime: return {.length = nullptr};
    case WindowKind::kHopping: return {.hop = "slide"};
    case WindowKind::kSession: return {.length = "longest", .hop = "gap"};
    case WindowKind::kLast: return {.length = "age", .count = "rows"};
    case WindowKind::kDecay: return {.length = "half_life", .hop = "width"};
    case WindowKind::kSeries: return {.length = "step", .count = "steps"};
  }
  return {};
}

Json window_of(const Window& w) {
  const WindowMembers m = members_of(w.kind);
  Json out = {{"kind", kWindowKinds[static_cast<size_t>(w.kind)]}};
  if (m.length != nullptr && w.length_us != 0) out[m.length] = format_duration(w.length_us);  // without an age: 0
  if (m.hop != nullptr) out[m.hop] = format_duration(w.hop_us);
  if (m.count != nullptr) out[m.count] = w.count;
  if (w.kind == WindowKind::kSession) out["closed"] = w.closed;
  return out;
}
Window window_from(const Json& j) {
  Window out{.kind = one_of<WindowKind>(j.at("kind"), kWindowKinds)};
  const auto duration = [&](const char* key) {
    const auto us = parse_duration(j.at(key).get<std::string>());
    if (!us) throw Malformed{us.error().message};
    return *us;
  };
  const WindowMembers m = members_of(out.kind);
  const bool ageless = out.kind == WindowKind::kLast && !j.contains("age");
  if (m.length != nullptr && !ageless) out.length_us = duration(m.length);
  if (m.hop != nullptr) out.hop_us = duration(m.hop);
  if (m.count != nullptr) out.count = j.at(m.count);
  if (out.kind == WindowKind::kSession) out.closed = j.at("closed");
  return out;
}

void write_parameters(Json& out, const FeatureDefinition& f) {
  for (const Parameter& p : parameters_of(f.aggregate)) {
    std::visit([&](auto member) {
      const auto& value = f.parameters.*member;
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<double>>) {
        if (p.name == "q" && f.parameters.one) out[p.name] = value.at(0);
        else out[p.name] = value;
      } else {
        out[p.name] = value;
      }
    }, p.member);
  }
}
void read_parameters(const Json& j, FeatureDefinition& out) {
  for (const Parameter& p : parameters_of(out.aggregate)) {
    const Json& value = j.at(p.name);
    std::visit([&](auto member) {
      auto& to = out.parameters.*member;
      if constexpr (std::is_same_v<std::decay_t<decltype(to)>, std::vector<double>>) {
        if (p.name == "q") out.parameters.one = !value.is_array();
        if (value.is_array()) to = value.get<std::vector<double>>();
        else to = {value.get<double>()};
      } else {
        to = value;
      }
    }, p.member);
  }
}

Json feature_of(const ViewEntry& v, size_t i) {
  const FeatureDefinition& f = v.definition.features[i];
  Json out = {{"name", f.name},
              {"type", type_text(v.program->features()[i].type)},
              {"aggregate", to_string(f.aggregate)},
              {"window", window_of(f.window)}};
  if (!f.of.empty()) out["of"] = f.of;
  if (!f.by.empty()) out["by"] = f.by;
  if (!f.where.empty()) out["where"] = f.where;
  if (!std::holds_alternative<std::monostate>(f.default_value)) out["default"] = scalar_of(f.default_value);
  if (!f.default_json.empty()) out["default_json"] = f.default_json;
  if (f.ahead_us != 0) out["ahead"] = format_duration(f.ahead_us);
  if (f.ttl_us) out["ttl"] = format_duration(*f.ttl_us);
  write_parameters(out, f);
  out["hash"] = v.feature_hashes[i];
  return out;
}
FeatureDefinition feature_from(const Json& j) {
  FeatureDefinition out{.name = j.at("name"), .window = window_from(j.at("window"))};
  const std::string aggregate = j.at("aggregate");
  bool known = false;
  for (size_t i = 0; i < feature::kAggregateKindCount; ++i)
    if (to_string(static_cast<AggregateKind>(i)) == aggregate) out.aggregate = static_cast<AggregateKind>(i), known = true;
  if (!known) throw Malformed{fmt::format("aggregate '{}'", aggregate)};
  out.of = j.value("of", ""), out.by = j.value("by", ""), out.where = j.value("where", "");
  if (j.contains("default")) out.default_value = scalar_from(j.at("default"));
  out.default_json = j.value("default_json", "");
  if (j.contains("ahead")) {
    const auto us = parse_duration(j.at("ahead").get<std::string>());
    if (!us) throw Malformed{us.error().message};
    out.ahead_us = *us;
  }
  if (j.contains("ttl")) {
    const auto us = parse_duration(j.at("ttl").get<std::string>());
    if (!us) throw Malformed{us.error().message};
    out.ttl_us = *us;
  }
  read_parameters(j, out);
  return out;
}

Json view_of(const ViewEntry& v) {
  Json key = Json::array(), features = Json::array();
  for (const Field& f : v.program->key_fields()) key.push_back({{"name", f.name}, {"type", type_text(f.type)}});
  for (size_t i = 0; i < v.definition.features.size(); ++i) features.push_back(feature_of(v, i));
  return {{"name", v.definition.name}, {"version", v.version}, {"owner", v.definition.owner}, {"entity", entity_of(v.entity)}, {"key", key},
          {"source", source_of(v.source)}, {"where", v.definition.where}, {"features", features}};
}
std::shared_ptr<const ViewEntry> view_from(const Json& j) {
  auto out = std::make_shared<ViewEntry>();
  out->version = j.at("version"), out->source = source_from(j.at("source")), out->entity = entity_from(j.at("entity"));
  out->definition = {.name = j.at("name"), .entity = out->entity.name, .source = out->source.definition.name, .where = j.at("where"), .owner = j.at("owner")};
  for (const Json& f : j.at("features")) out->definition.features.push_back(feature_from(f));
  auto program = ViewProgram::compile(out->source.definition, out->entity, out->definition);
  if (!program) throw Malformed{fmt::format("view '{}' does not compile: {}", out->definition.name, program.error().message)};
  out->program = std::move(*program);
  for (size_t i = 0; i < out->definition.features.size(); ++i) {
    out->feature_hashes.push_back(feature_hash(*out->program, i, out->source.topic));
    if (out->feature_hashes[i] != j.at("features")[i].at("hash").get<std::string>())
      throw Malformed{fmt::format("feature '{}' of view '{}' is not the computation it was", out->definition.features[i].name, out->definition.name)};
  }
  return out;
}

Json service_of(const ServiceEntry& s) {
  Json columns = Json::array();
  for (const ServiceColumn& c : s.columns) {
    const ViewEntry& v = *s.views[c.view];
    columns.push_back({{"name", c.name},
                       {"view", v.definition.name},
                       {"version", v.version},
                       {"feature", v.definition.features[c.feature].name},
                       {"type", type_text(v.program->features()[c.feature].type)}});
  }
  Json out = {{"name", s.definition.name}, {"version", s.version}, {"features", s.definition.features}, {"columns", columns}};
  for (const Field& f : s.definition.request) out["request"][f.name] = type_text(f.type);
  for (size_t i = 0; i < s.definition.derived.size(); ++i)
    out["derived"].push_back({{"name", s.definition.derived[i].first},
                              {"expression", s.definition.derived[i].second},
                              {"type", type_text(s.program->results()[i].type)},
                              {"hash", s.derived_hashes[i]}});
  for (const auto& labels : s.labels) out["labels"].push_back(view_of(*labels));
  return out;
}
// Of a service whose columns are there.
void derived_from(const Json& j, ServiceEntry& out) {
  const Json request = j.value("request", Json::object()), derived = j.value("derived", Json::array());
  for (const auto& [name, type] : request.items()) out.definition.request.push_back({name, type_of(type)});
  for (const Json& d : derived) out.definition.derived.emplace_back(d.at("name"), d.at("expression"));
  if (const auto compiled = compile_derived(out); !compiled)
    throw Malformed{fmt::format("service '{}' does not compile: {}", out.definition.name, compiled.error().message)};
  for (size_t i = 0; i < derived.size(); ++i)
    if (out.derived_hashes[i] != derived[i].at("hash").get<std::string>())
      throw Malformed{fmt::format("derived feature '{}' of service '{}' is not the computation it was", out.definition.derived[i].first,
                                  out.definition.name)};
}
std::shared_ptr<const ServiceEntry> service_from(const Json& j, const CatalogSnapshot& views) {
  auto out = std::make_shared<ServiceEntry>();
  out->version = j.at("version"), out->definition = {j.at("name"), j.at("features").get<std::vector<std::string>>()};
  for (const Json& labels : j.value("labels", Json::array())) {
    out->labels.push_back(view_from(labels));
    out->definition.labels.push_back({out->labels.back()->definition.name, out->labels.back()->definition.features});
  }
  for (const Json& c : j.at("columns")) {
    const std::string name = c.at("view");
    const uint32_t version = c.at("version");
    auto view = views.find_view(name, version);
    for (const auto& v : views.retired_views)
      if (!view && v->definition.name == name && v->version == version) view = v;
    if (!view) throw Malformed{fmt::format("service '{}' reads view '{}' version {}, which is not there", out->definition.name, name, version)};
    const auto& features = view->definition.features;
    const auto feature = std::find_if(features.begin(), features.end(), [&](const auto& f) { return f.name == c.at("feature").get<std::string>(); });
    if (feature == features.end()) throw Malformed{fmt::format("service '{}' reads a feature that is not there", out->definition.name)};
    auto slot = std::find(out->views.begin(), out->views.end(), view);
    if (slot == out->views.end()) slot = out->views.insert(slot, view);
    out->columns.push_back({c.at("name"), static_cast<uint32_t>(slot - out->views.begin()), static_cast<uint32_t>(feature - features.begin())});
  }
  derived_from(j, *out);
  return out;
}

template <class List, class F>
Json array_of(const List& list, F one) {
  Json out = Json::array();
  for (const auto& entry : list) out.push_back(one(*entry));
  return out;
}

}  // namespace

std::string write_document(const CatalogSnapshot& s) {
  const Json out = {{"format", kCatalogFormat}, {"revision", s.revision}, {"sources", array_of(s.sources, source_of)}, {"entities", array_of(s.entities, entity_of)},
                    {"views", array_of(s.views, view_of)}, {"retired_views", array_of(s.retired_views, view_of)},
                    {"services", array_of(s.services, service_of)}, {"retired_services", array_of(s.retired_services, service_of)}};
  return out.dump(1) + "\n";
}

Result<std::shared_ptr<const CatalogSnapshot>> read_document(std::string_view text) {
  try {
    const Json j = Json::parse(text);
    const int format = j.at("format");
    if (format > kCatalogFormat) return fail(ErrorKind::kUnsupported, fmt::format("the catalog has format {}, this program reads up to {}; use the newer program", format, kCatalogFormat));
    auto out = std::make_shared<CatalogSnapshot>();
    out->revision = j.at("revision");
    for (const Json& e : j.at("sources")) out->sources.push_back(std::make_shared<SourceEntry>(source_from(e)));
    for (const Json& e : j.at("entities")) out->entities.push_back(std::make_shared<EntityDefinition>(entity_from(e)));
    for (const Json& e : j.at("views")) out->views.push_back(view_from(e));
    for (const Json& e : j.at("retired_views")) out->retired_views.push_back(view_from(e));
    for (const Json& e : j.at("services")) out->services.push_back(service_from(e, *out));
    for (const Json& e : j.at("retired_services")) out->retired_services.push_back(service_from(e, *out));
    return out;
  } catch (const Malformed& e) {
    return corruption("the catalog: " + e.what);
  } catch (const nlohmann::json::exception& e) {
    return corruption(fmt::format("the catalog: {}", e.what()));
  }
}

std::string source_json(const SourceEntry& entry) { return source_of(entry).dump(); }
std::string entity_json(const EntityDefinition& entity) { return entity_of(entity).dump(); }
std::string view_json(const ViewEntry& entry) { return view_of(entry).dump(); }
std::string service_json(const ServiceEntry& entry) { return service_of(entry).dump(); }

}  // namespace ms::catalog
