#include "catalog/definitions.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>

#include "base/nearest.h"
#include "catalog/type_names.h"
#include "catalog/window_text.h"
#include "catalog/yaml_documents.h"

namespace ms::catalog {
namespace {

using namespace feature;

constexpr size_t kNameMax = 200;
constexpr size_t kEntriesMax = 100'000;   // of one file, with aliases expanded
constexpr size_t kRefusalsMax = 200;

bool is_name(std::string_view text, bool dots) {
  if (text.empty() || text.size() > kNameMax || (text[0] >= '0' && text[0] <= '9') || text[0] == '-') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c == '-' && !dots) || (c == '.' && dots);
  });
}

// Reads one file into `out`.
class FileReader {
 public:
  FileReader(const DefinitionFile& file, ParsedDefinitions& out) : file_(file), out_(out) {
    std::string_view rest = file.text;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      lines_.push_back(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }

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
  using Places = std::map<std::string, Place>;

  Place at(const YAML::Mark& mark) const {
    if (mark.line < 0) return Place{file_.name};
    Place out{file_.name, static_cast<size_t>(mark.line) + 1, static_cast<size_t>(mark.column) + 1, true};
    return out;
  }
  // Of a scalar's text: behind an opening quote; block scalars have no exact columns.
  Place text_at(const YAML::Node& node) const {
    Place out = at(node.Mark());
    const std::string_view line = out.line >= 1 && out.line <= lines_.size() ? lines_[out.line - 1] : std::string_view();
    const char first = out.column >= 1 && out.column <= line.size() ? line[out.column - 1] : ' ';
    if (first == '"' || first == '\'') ++out.column;
    else if (first == '|' || first == '>') out.exact = false;
    return out;
  }
  void refuse(const Place& place, std::string message) {
    if (out_.refusals.size() < kRefusalsMax) out_.refusals.push_back({place.file, place.line, place.column, std::move(message)});
  }

  // Calls f(key, value, place of the key) for every entry of a map; refuses what is not a map and keys that come twice.
  template <class F>
  void entries(const YAML::Node& map, std::string_view what, F f) {
    if (!map.IsMap()) return refuse(at(map.Mark()), fmt::format("{} must be a map (name: ...), not {}", what, kind(map)));
    std::set<std::string> seen;
    for (const auto& entry : map) {
      if (!room()) return;
      if (!entry.first.IsScalar()) {
        refuse(at(entry.first.Mark()), fmt::format("a name in {} must be a text", what));
        continue;
      }
      const std::string key = entry.first.Scalar();
      if (!seen.insert(key).second) refuse(at(entry.first.Mark()), fmt::format("'{}' comes twice in {}", key, what));
      else f(key, entry.second, at(entry.first.Mark()));
    }
  }
  // Aliases can make a small file name a node very often.
  bool room() {
    if (++entries_ == kEntriesMax) out_.refusals.push_back({file_.name, 0, 0, fmt::format("more than {} entries", kEntriesMax)});
    return entries_ < kEntriesMax;
  }
  static std::string_view kind(const YAML::Node& node) {
    return node.IsNull() ? "nothing" : node.IsScalar() ? "a text" : node.IsSequence() ? "a list" : "a map";
  }
  void unknown(const Place& place, const std::string& key, std::string_view what, std::span<const std::string> known) {
    std::string all;
    for (const std::string& k : known) all += (all.empty() ? "" : ", ") + k;
    const std::string hint = did_you_mean(key, known);
    refuse(place, fmt::format("{} has no '{}'{}", what, key, hint.empty() ? "; it takes " + all : hint));
  }
  std::string text(const YAML::Node& node, std::string_view what) {
    if (node.IsScalar()) return node.Scalar();
    refuse(at(node.Mark()), fmt::format("{} must be a text, not {}", what, kind(node)));
    return {};
  }
  std::string name(const Place& place, const std::string& key, std::string_view what) {
    if (!is_name(key, false)) refuse(place, fmt::format("'{}' cannot name a {}: letters, digits, _ and -, not starting with a digit, at most {} bytes", key, what, kNameMax));
    return key;
  }
  // A list, or a single value where a list is expected.
  std::vector<YAML::Node> items(const YAML::Node& node) {
    if (!node.IsSequence()) return {node};
    std::vector<YAML::Node> out;
    for (const YAML::Node& n : node) {
      if (!room()) break;
      out.push_back(n);
    }
    return out;
  }
  std::optional<int64_t> duration(const YAML::Node& node, std::string_view what) {
    const std::string written = text(node, what);
    const auto us = parse_duration(written);
    if (us) return *us;
    if (node.IsScalar()) refuse(text_at(node), fmt::format("{}: '{}' is not a duration like 30s, 5m or 7d", what, written));
    return std::nullopt;
  }

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
    const size_t before = out_.refusals.size();
    Parsed<SourceDefinition> out;
    SourceDefinition& d = out.definition;
    out.places[""] = where;
    d.name = d.topic = name(where, key, "source");
    static const std::string kKnown[] = {"topic", "format", "time", "fields", "derived", "max_ahead", "owner"};
    const std::string what = fmt::format("source '{}'", key);
    entries(node, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
      out.places[k] = at(v.Mark());
      if (k == "topic") d.topic = text(v, "topic");
      else if (k == "format") format(v);
      else if (k == "time") time(v, what, d);
      else if (k == "fields") fields(v, what, d);
      else if (k == "derived") derived(v, what, out);
      else if (k == "max_ahead") d.max_ahead_us = duration(v, "max_ahead").value_or(d.max_ahead_us);
      else if (k == "owner") d.owner = text(v, "owner");
      else unknown(place, k, what, kKnown);
    });
    if (d.time_field.empty() && !out.places.contains("time"))
      refuse(where, fmt::format("{} has no event time; add time: {{field: NAME, unit: ms}}", what));
    out.refused = out_.refusals.size() > before;
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
  void fields(const YAML::Node& node, const std::string& what, SourceDefinition& d) {
    if (node.IsNull()) return;
    entries(node, fmt::format("fields of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_name(k, true)) return refuse(place, fmt::format("'{}' cannot name a field: letters, digits and _, nested ones as a.b", k));
      const std::string type = text(v, fmt::format("the type of field '{}'", k));
      if (const auto known = field_type(type)) d.fields.push_back({k, *known});
      else if (v.IsScalar()) refuse(at(v.Mark()), no_such_type(type));
    });
    if (d.fields.size() > 1'000) refuse(at(node.Mark()), "more than 1,000 fields");
  }
  void derived(const YAML::Node& node, const std::string& what, Parsed<SourceDefinition>& out) {
    if (node.IsNull()) return;
    entries(node, fmt::format("derived of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_name(k, true)) return refuse(place, fmt::format("'{}' cannot name a derived field: letters, digits and _", k));
      out.places[fmt::format("derived[{}]", out.definition.derived.size())] = text_at(v);
      out.definition.derived.emplace_back(k, text(v, fmt::format("derived field '{}'", k)));
    });
  }

  void entity(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = out_.refusals.size();
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
    out.refused = out_.refusals.size() > before;
    out_.entities.push_back(std::move(out));
  }

  void view(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = out_.refusals.size();
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
      else if (k == "features") features(v, what, out);
      else if (k == "owner") d.owner = text(v, "owner");
      else unknown(place, k, what, kKnown);
    });
    if (!node.IsMap()) return;
    if (!out.places.contains("entity")) refuse(where, fmt::format("{} names no entity", what));
    if (!out.places.contains("from")) refuse(where, fmt::format("{} names no source; add from: SOURCE", what));
    if (!out.places.contains("features")) refuse(where, fmt::format("{} has no features", what));
    out.refused = out_.refusals.size() > before;
    out_.views.push_back(std::move(out));
  }

  void features(const YAML::Node& node, const std::string& what, Parsed<ViewDefinition>& out) {
    entries(node, fmt::format("features of {}", what), [&](const std::string& k, const YAML::Node& v, const Place& place) {
      if (!is_name(k, false) || k.find('-') != std::string::npos) return refuse(place, fmt::format("'{}' cannot name a feature: letters, digits and _, not starting with a digit", k));
      entries(v, fmt::format("feature '{}'", k), [&](const std::string& aggregate, const YAML::Node& spec, const Place& p) { feature_of(k, aggregate, spec, p, out); });
    });
    std::set<std::string> seen;
    for (size_t i = 0; i < out.definition.features.size(); ++i) {
      const std::string& n = out.definition.features[i].name;
      if (!seen.insert(n).second) refuse(out.place(fmt::format("features[{}].over", i)), fmt::format("{} has two features named '{}'", what, n));
    }
    if (out.definition.features.size() > 1'000) refuse(at(node.Mark()), fmt::format("{} has more than 1,000 features", what));
  }

  static std::optional<AggregateKind> aggregate_named(std::string_view name, std::vector<std::string>& all) {
    std::optional<AggregateKind> found;
    for (size_t i = 0; i < feature::kAggregateKindCount; ++i) {
      all.emplace_back(to_string(static_cast<AggregateKind>(i)));
      if (all.back() == name) found = static_cast<AggregateKind>(i);
    }
    return found;
  }

  void feature_of(const std::string& feature, const std::string& aggregate, const YAML::Node& spec, const Place& where, Parsed<ViewDefinition>& out) {
    std::vector<std::string> all;
    const auto found = aggregate_named(aggregate, all);
    if (!found) return unknown(where, aggregate, fmt::format("feature '{}'", feature), all);
    FeatureDefinition base{.aggregate = *found};
    Places places = {{"", where}};
    std::vector<std::pair<NamedWindow, Place>> windows;
    const std::string what = fmt::format("{} of feature '{}'", aggregate, feature);
    static const std::string kKnown[] = {"of", "over", "where", "default", "ttl", "cap"};
    entries(spec, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
      places["." + k] = text_at(v);
      if (k == "of") base.of = text(v, "of");
      else if (k == "where") base.where = text(v, "where");
      else if (k == "default") base.default_value = scalar(v);
      else if (k == "ttl") base.ttl_us = duration(v, "ttl");
      else if (k == "cap") cap(v, base);
      else if (k == "over") each_window(v, windows);
      else unknown(place, k, what, kKnown);
    });
    if (spec.IsMap() && !places.contains(".over")) refuse(where, fmt::format("{} has no window; add over: [1h]", what));
    if (places.contains(".cap") && *found != AggregateKind::kCountDistinct) refuse(places[".cap"], fmt::format("{} takes no cap; count_distinct does", what));
    for (const auto& [named, place] : windows) {
      if (!room()) return;
      FeatureDefinition f = base;
      f.name = fmt::format("{}_{}_{}", feature, aggregate, named.suffix);
      f.window = named.window;
      const std::string part = fmt::format("features[{}]", out.definition.features.size());
      for (const auto& [k, p] : places) out.places[part + k] = p;
      out.places[part + ".over"] = place;
      out.definition.features.push_back(std::move(f));
    }
  }

  void each_window(const YAML::Node& node, std::vector<std::pair<NamedWindow, Place>>& out) {
    for (const YAML::Node& item : items(node)) {
      if (!room()) return;
      window(item, out);
    }
  }
  void window(const YAML::Node& node, std::vector<std::pair<NamedWindow, Place>>& out) {
    // `sliding(1h, hop: 1m)` without quotes in a list in brackets arrives here in pieces.
    const std::string written = text(node, "a window (in quotes if it has a comma)");
    if (!node.IsScalar()) return;
    if (const auto parsed = parse_window(written)) out.emplace_back(*parsed, at(node.Mark()));
    else refuse(at(node.Mark()), parsed.error().message);
  }

  void cap(const YAML::Node& node, FeatureDefinition& out) {
    const std::string written = text(node, "cap");
    const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), out.distinct_cap);
    if (error != std::errc{} || end != written.data() + written.size()) refuse(at(node.Mark()), fmt::format("cap '{}' is not a whole number", written));
  }

  // A default as YAML types it: quoted is text; true, numbers and null are what they look like.
  ScalarValue scalar(const YAML::Node& node) {
    if (node.IsNull()) return std::monostate{};
    const std::string written = text(node, "default");
    if (node.Tag() == "!") return written;
    if (written == "true" || written == "false") return written == "true";
    const char* const end = written.data() + written.size();
    int64_t i = 0;
    if (const auto [stop, error] = std::from_chars(written.data(), end, i); error == std::errc{} && stop == end) return i;
    double f = 0;
    if (const auto [stop, error] = std::from_chars(written.data(), end, f); error == std::errc{} && stop == end) return f;
    return written;
  }

  void service(const std::string& key, const YAML::Node& node, const Place& where) {
    const size_t before = out_.refusals.size();
    Parsed<ServiceDefinition> out;
    out.places[""] = where;
    out.definition.name = name(where, key, "service");
    static const std::string kKnown[] = {"features"};
    const std::string what = fmt::format("service '{}'", key);
    entries(node, what, [&](const std::string& k, const YAML::Node& v, const Place& place) {
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
    out.refused = out_.refusals.size() > before;
    out_.services.push_back(std::move(out));
  }

  const DefinitionFile& file_;
  ParsedDefinitions& out_;
  std::vector<std::string_view> lines_;
  size_t entries_ = 0;
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
    if (!is_name(sample, false)) return bad();
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
