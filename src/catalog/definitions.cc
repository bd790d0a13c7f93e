#include "catalog/definitions.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "catalog/feature_parser.h"
#include "catalog/type_names.h"
#include "catalog/yaml_documents.h"
#include "catalog/yaml_reader.h"

namespace ms::catalog {
namespace {

using namespace feature;

// Reads one file into `out`.
class FileReader : private YamlReader {
 public:
  FileReader(const DefinitionFile& file, ParsedDefinitions& out) : YamlReader(file, out.refusals), file_(file), out_(out) {}

  void run() {
    if (file_.text.size() > kDefinitionBytesMax) return refuse(Place{file_.name}, fmt::format("larger than {} bytes", kDefinitionBytesMax));
    const auto documents = read_yaml(file_.text);
    if (!documents) return refuse(at(documents.error().mark), documents.error().message);
    try {
      for (const YAML::Node& document : *documents) read(document);
    } catch (const YAML::Exception& e) {
      refuse(at(e.mark), e.msg);
    } catch (const std::exception& e) {
      refuse(Place{file_.name}, fmt::format("not YAML: {}", e.what()));
    }
  }

 private:
  void read(const YAML::Node& document) {
    if (document.IsNull()) return;
    static const std::string kKnown[] = {"sources", "entities", "views", "services"};
    entries(document, "a definition file", [&](const std::string& key, const YAML::Node& value, const Place& place) {
      const auto each = [&](auto read_one) {
        if (!value.IsNull()) entries(value, key, [&](const std::string& n, const YAML::Node& v, const Place& p) { (this->*read_one)(n, v, p); });
      };
      if (key == "sources") each(&FileReader::source);
      else if (key == "entities") each(&FileReader::entity);
      else if (key == "views") each(&FileReader::view);
      else if (key == "services") each(&FileReader::service);
      else unknown(place, key, "a definition file", kKnown);
    });
  }

  void source(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = refusals();
    Parsed<SourceDefinition> out;
    SourceDefinition& d = out.definition;
    out.places[""] = where;
    d.name = d.topic = name(where, key, "source");
    static const std::string kKnown[] = {"topic", "format", "time", "fields", "derived", "max_ahead", "retract", "owner"};
    const std::string what = fmt::format("source '{}'", key);
    entries(node, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
      out.places[k] = at(v.Mark());
      if (k == "topic") d.topic = text(v, "topic");
      else if (k == "format") format(v);
      else if (k == "time") time(v, what, d);
      else if (k == "fields") fields(v, what, d);
      else if (k == "derived") derived(v, what, out);
      else if (k == "max_ahead") d.max_ahead_us = duration(v, "max_ahead").value_or(d.max_ahead_us);
      else if (k == "retract") retract(v, what, out);
      else if (k == "owner") d.owner = text(v, "owner");
      else unknown(place, k, what, kKnown);
    });
    if (d.time_field.empty() && !out.places.contains("time"))
      refuse(where, fmt::format("{} has no event time; add time: {{field: NAME, unit: ms}}", what));
    out.refused = refusals() > before;
    out_.sources.push_back(std::move(out));
  }
  void format(const YAML::Node& node) {
    const std::string written = text(node, "format");
    if (node.IsScalar() && written != "json") refuse(at(node.Mark()), fmt::format("there is no format '{}'; json is the one there is", written));
  }
  void time(const YAML::Node& node, const std::string& what, SourceDefinition& d) {
    static const std::string kKnown[] = {"field", "unit"};
    static const std::string kUnits[] = {"s", "ms", "us", "rfc3339"};
    entries(node, fmt::format("time of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (k == "field") {
        d.time_field = text(v, "time.field");
      } else if (k == "unit") {
        const std::string unit = text(v, "time.unit");
        const auto found = std::find(std::begin(kUnits), std::end(kUnits), unit);
        if (found == std::end(kUnits)) refuse(at(v.Mark()), fmt::format("there is no time unit '{}'; the units are s, ms, us and rfc3339", unit));
        else d.time_unit = static_cast<TimeUnit>(found - std::begin(kUnits));
      } else {
        unknown(place, k, "time", kKnown);
      }
    });
    if (node.IsMap() && d.time_field.empty()) refuse(at(node.Mark()), fmt::format("time of {} names no field", what));
  }
  void retract(const YAML::Node& node, const std::string& what, Parsed<SourceDefinition>& out) {
    static const std::string kKnown[] = {"when", "offset"};
    RetractRule rule;
    entries(node, fmt::format("retract of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (k != "when" && k != "offset") return unknown(place, k, "retract", kKnown);
      out.places["retract." + k] = text_at(v);
      (k == "when" ? rule.when : rule.offset) = text(v, "retract." + k);
    });
    if (node.IsMap() && (rule.when.empty() || rule.offset.empty()))
      refuse(at(node.Mark()), fmt::format("retract of {} needs both: {{when: CONDITION, offset: FIELD}}", what));
    else out.definition.retract = std::move(rule);
  }
  void fields(const YAML::Node& node, const std::string& what, SourceDefinition& d) {
    if (node.IsNull()) return;
    entries(node, fmt::format("fields of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_path(k)) return refuse(place, fmt::format("'{}' cannot name a field: letters, digits and _, nested ones as a.b", k));
      const std::string type = text(v, fmt::format("the type of field '{}'", k));
      if (const auto known = field_type(type)) d.fields.push_back({k, *known});
      else if (v.IsScalar()) refuse(at(v.Mark()), no_such_type(type));
    });
    if (d.fields.size() > 1'000) refuse(at(node.Mark()), "more than 1,000 fields");
  }
  void derived(const YAML::Node& node, const std::string& what, Parsed<SourceDefinition>& out) {
    if (node.IsNull()) return;
    entries(node, fmt::format("derived of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_path(k)) return refuse(place, fmt::format("'{}' cannot name a derived field: letters, digits and _", k));
      out.places[fmt::format("derived[{}]", out.definition.derived.size())] = text_at(v);
      out.definition.derived.emplace_back(k, text(v, fmt::format("derived field '{}'", k)));
    });
  }

  void entity(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = refusals();
    Parsed<EntityDefinition> out;
    out.places[""] = where;
    out.definition.name = name(where, key, "entity");
    static const std::string kKnown[] = {"key"};
    const std::string what = fmt::format("entity '{}'", key);
    entries(node, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (k != "key") return unknown(place, k, what, kKnown);
      std::set<std::string> seen;
      for (const YAML::Node& item : items(v)) {
        out.places[fmt::format("key[{}]", out.definition.key.size())] = at(item.Mark());
        out.definition.key.push_back(text(item, "a key field"));
        if (!seen.insert(out.definition.key.back()).second) refuse(at(item.Mark()), fmt::format("'{}' comes twice in the key of {}", out.definition.key.back(), what));
      }
    });
    if (out.definition.key.empty()) refuse(where, fmt::format("{} has no key; add key: [FIELD, ...]", what));
    if (out.definition.key.size() > 16) refuse(where, fmt::format("{} has more than 16 key fields", what));
    out.refused = refusals() > before;
    out_.entities.push_back(std::move(out));
  }

  void view(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = refusals();
    Parsed<ViewDefinition> out;
    ViewDefinition& d = out.definition;
    out.places[""] = where;
    d.name = name(where, key, "view");
    static const std::string kKnown[] = {"entity", "from", "where", "features", "owner"};
    const std::string what = fmt::format("view '{}'", key);
    entries(node, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
      out.places[k] = text_at(v);
      if (k == "entity") d.entity = text(v, "entity");
      else if (k == "from") d.source = text(v, "from");
      else if (k == "where") d.where = text(v, "where");
      else if (k == "features") FeatureParser(*this, out).read(v, what);
      else if (k == "owner") d.owner = text(v, "owner");
      else unknown(place, k, what, kKnown);
    });
    if (!node.IsMap()) return;
    if (!out.places.contains("entity")) refuse(where, fmt::format("{} names no entity", what));
    if (!out.places.contains("from")) refuse(where, fmt::format("{} names no source; add from: SOURCE", what));
    if (!out.places.contains("features")) refuse(where, fmt::format("{} has no features", what));
    out.refused = refusals() > before;
    out_.views.push_back(std::move(out));
  }

  void service(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = refusals();
    Parsed<ServiceDefinition> out;
    out.places[""] = where;
    out.definition.name = name(where, key, "service");
    static const std::string kKnown[] = {"features", "request", "derived", "labels"};
    const std::string what = fmt::format("service '{}'", key);
    entries(node, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (k == "labels") return labels(v, what, out);
      if (k == "request") return request(v, what, out);
      if (k == "derived") return derived_features(v, what, out);
      if (k != "features") return unknown(place, k, what, kKnown);
      for (const YAML::Node& item : items(v)) {
        const std::string line = text(item, "a feature of a service");
        if (!item.IsScalar()) continue;
        if (const auto parsed = parse_service_line(line); !parsed) {
          refuse(text_at(item), parsed.error().message);
          continue;
        }
        out.places[fmt::format("features[{}]", out.definition.features.size())] = text_at(item);
        out.definition.features.push_back(line);
      }
    });
    if (node.IsMap() && out.definition.features.empty()) refuse(where, fmt::format("{} has no features; add features: [VIEW.*]", what));
    out.refused = refusals() > before;
    out_.services.push_back(std::move(out));
  }

  static bool is_plain_name(const std::string& text) { return is_path(text) && text.find('.') == std::string::npos; }

  void request(const YAML::Node& node, const std::string& what, Parsed<ServiceDefinition>& out) {
    if (node.IsNull()) return;
    entries(node, fmt::format("request of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_plain_name(k)) return refuse(place, fmt::format("'{}' cannot name a field of the request: letters, digits and _", k));
      const std::string type = text(v, fmt::format("the type of request field '{}'", k));
      const auto known = field_type(type);
      if (!known && v.IsScalar()) refuse(at(v.Mark()), no_such_type(type));
      if (!known) return;
      out.places[fmt::format("request[{}]", out.definition.request.size())] = place;
      out.definition.request.push_back({k, *known});
    });
    if (out.definition.request.size() > 1'000) refuse(at(node.Mark()), "more than 1,000 fields of the request");
  }

  // The place of a name is beside that of its expression: "derived[2].name".
  void derived_features(const YAML::Node& node, const std::string& what, Parsed<ServiceDefinition>& out) {
    if (node.IsNull()) return;
    entries(node, fmt::format("derived of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_plain_name(k)) return refuse(place, fmt::format("'{}' cannot name a derived feature: letters, digits and _", k));
      const std::string part = fmt::format("derived[{}]", out.definition.derived.size());
      out.places[part] = text_at(v), out.places[part + ".name"] = place;
      out.definition.derived.emplace_back(k, text(v, fmt::format("derived feature '{}'", k)));
    });
    if (out.definition.derived.size() > 1'000) refuse(at(node.Mark()), "more than 1,000 derived features");
  }

  // By view, as its features are written.
  void labels(const YAML::Node& node, const std::string& what, Parsed<ServiceDefinition>& out) {
    if (node.IsNull()) return;
    entries(node, fmt::format("labels of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      Parsed<ViewDefinition> view;
      view.places[""] = place;
      FeatureParser(*this, view, FeatureParser::Of::kLabels).read(v, fmt::format("view '{}' in {}", k, what));
      const std::string part = fmt::format("labels[{}]", out.definition.labels.size());
      for (const auto& [inside, at_place] : view.places) out.places[inside.empty() ? part : part + "." + inside] = at_place;
      out.definition.labels.push_back({k, std::move(view.definition.features)});
    });
  }

  const DefinitionFile& file_;
  ParsedDefinitions& out_;
};

template <class T>
void refuse_doubles(std::vector<Parsed<T>>& list, std::string_view kind, std::vector<Refusal>& refusals) {
  std::map<std::string, Place> seen;
  for (const Parsed<T>& p : list) {
    const Place& here = p.places.at("");
    const auto [first, fresh] = seen.try_emplace(p.definition.name, here);
    if (!fresh) refusals.push_back({here.file, here.line, here.column, fmt::format("{} '{}' is defined twice; first at {}:{}", kind, p.definition.name, first->second.file, first->second.line)});
  }
}

}  // namespace

Result<ServiceLine> parse_service_line(std::string_view text) {
  const auto words = [&] {
    std::vector<std::string> out;
    for (size_t from = 0; from < text.size();) {
      const size_t to = std::min(text.find(' ', from), text.size());
      if (to > from) out.emplace_back(text.substr(from, to - from));
      from = to + 1;
    }
    return out;
  }();
  const auto bad = [&] { return invalid(fmt::format("'{}' is not view.feature, view.*, 'view.feature as name' or 'view.* as prefix_*'", text)); };
  if (words.size() != 1 && (words.size() != 3 || words[1] != "as")) return bad();
  const size_t dot = words[0].find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == words[0].size()) return bad();
  ServiceLine out{words[0].substr(0, dot), words[0].substr(dot + 1), words.size() == 3 ? words[2] : ""};
  if (out.feature.find_first_of(".*") != std::string::npos && out.feature != "*") return bad();
  if (!out.as.empty()) {
    const size_t star = out.as.find('*');
    if ((out.feature == "*") != (star != std::string::npos) || (star != std::string::npos && out.as.find('*', star + 1) != std::string::npos)) return bad();
    std::string sample = out.as;
    if (star != std::string::npos) sample.replace(star, 1, "x");
    if (!is_name(sample)) return bad();
  }
  return out;
}

ParsedDefinitions parse_definitions(std::span<const DefinitionFile> files) {
  ParsedDefinitions out;
  for (const DefinitionFile& file : files) FileReader(file, out).run();
  refuse_doubles(out.sources, "source", out.refusals);
  refuse_doubles(out.entities, "entity", out.refusals);
  refuse_doubles(out.views, "view", out.refusals);
  refuse_doubles(out.services, "service", out.refusals);
  return out;
}

}  // namespace ms::catalog
