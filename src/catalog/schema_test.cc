// docs/schema/definitions.json accepts what the parser accepts and refuses the same shapes.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/sha256.h"
#include "base/testing/doc_example.h"
#include "catalog/definitions.h"
#include "catalog/parameters.h"
#include "catalog/planner.h"
#include "feature/feature_spec.h"

namespace ms::catalog {
namespace {

using nlohmann::json;

std::string file_text(const std::string& path) {
  std::ifstream in(std::string(MS_SOURCE_DIR "/") + path);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

json to_json(const YAML::Node& node) {
  if (node.IsSequence()) {
    json out = json::array();
    for (const auto& n : node) out.push_back(to_json(n));
    return out;
  }
  if (node.IsMap()) {
    json out = json::object();
    for (const auto& e : node) out[e.first.Scalar()] = to_json(e.second);
    return out;
  }
  if (!node.IsScalar()) return nullptr;
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;
  if (text == "true" || text == "false") return text == "true";
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return text.find_first_of(".e") == std::string::npos ? json(static_cast<int64_t>(number)) : json(number);
  return text;
}

// The part of JSON Schema that the schema uses.
class Schema {
 public:
  explicit Schema(const json& root) : root_(root) {}
  bool accepts(const json& value) const { return accepts(root_, value); }

 private:
  bool accepts(const json& s, const json& v) const {
    if (s.contains("$ref")) return accepts(root_.at(json::json_pointer(s["$ref"].get<std::string>().substr(1))), v);
    for (const auto& [key, rule] : s.items())
      if (!holds(key, rule, s, v)) return false;
    return true;
  }
  static bool is_type(const std::string& type, const json& v) {
    if (type == "object") return v.is_object();
    if (type == "array") return v.is_array();
    if (type == "string") return v.is_string();
    if (type == "number") return v.is_number();
    if (type == "integer") return v.is_number_integer();
    if (type == "boolean") return v.is_boolean();
    return type == "null" && v.is_null();
  }
  bool holds(const std::string& key, const json& rule, const json& s, const json& v) const {
    if (key == "type") {
      if (rule.is_string()) return is_type(rule, v);
      return std::any_of(rule.begin(), rule.end(), [&](const json& t) { return is_type(t, v); });
    }
    if (key == "enum") return std::find(rule.begin(), rule.end(), v) != rule.end();
    if (key == "const") return rule == v;
    if (key == "oneOf") return std::count_if(rule.begin(), rule.end(), [&](const json& one) { return accepts(one, v); }) == 1;
    if (v.is_string() && key == "pattern") return std::regex_search(v.get<std::string>(), std::regex(rule.get<std::string>()));
    if (v.is_string() && key == "maxLength") return v.get<std::string>().size() <= rule;
    if (v.is_number() && key == "minimum") return v >= rule;
    if (v.is_number() && key == "maximum") return v <= rule;
    if (v.is_array() && key == "items") return std::all_of(v.begin(), v.end(), [&](const json& i) { return accepts(rule, i); });
    if (v.is_array() && key == "minItems") return v.size() >= rule;
    if (v.is_array() && key == "maxItems") return v.size() <= rule;
    if (!v.is_object()) return true;
    if (key == "required") return std::all_of(rule.begin(), rule.end(), [&](const json& r) { return v.contains(r.get<std::string>()); });
    for (const auto& [name, value] : v.items()) {
      const bool known = s.contains("properties") && s["properties"].contains(name);
      if (key == "propertyNames" && !accepts(rule, name)) return false;
      if (key == "properties" && known && !accepts(rule[name], value)) return false;
      if (key == "additionalProperties" && !known && (rule.is_boolean() ? !rule.get<bool>() : !accepts(rule, value))) return false;
    }
    return true;
  }
  const json& root_;
};

// Whether the schema and the parser (not the types behind it) accept `text`.
std::pair<bool, std::string> verdicts(const std::string& text) {
  static const json root = json::parse(file_text("docs/schema/definitions.json"));
  bool schema = true;
  for (const YAML::Node& document : YAML::LoadAll(text)) schema = schema && Schema(root).accepts(to_json(document));
  const DefinitionFile file{"f.yaml", text};
  const auto parsed = parse_definitions({&file, 1});
  return {schema, parsed.refusals.empty() ? "" : parsed.refusals[0].text()};
}

// The first ```LANGUAGE block of a page.
std::string block_of(const std::string& path, const std::string& language) {
  const std::string page = file_text(path);
  const size_t from = page.find("```" + language + "\n") + language.size() + 4;
  return page.substr(from, page.find("```", from) - from);
}

TEST(Schema, ExamplesAreAcceptedByBoth) {
  for (const std::string& text : {file_text("examples/flights/definitions.yaml"), block_of("docs/definitions.md", "yaml")}) {
    const auto [schema, refusal] = verdicts(text);
    EXPECT_TRUE(schema) << text;
    EXPECT_EQ(refusal, "");
    const DefinitionFile file{"f.yaml", text};
    const auto planned = plan_definitions({}, parse_definitions({&file, 1}), [](std::string_view) { return std::optional(TopicId{}); });
    EXPECT_TRUE(planned.report.ok()) << planned.report.text();
  }
}

TEST(Schema, TypesOfFields) {
  const std::string example = block_of("docs/definitions.md", "yaml");
  const auto with = [&](std::string_view type) {
    std::string text = example;
    constexpr std::string_view kFrom = "origin: string";
    return verdicts(text.replace(text.find(kFrom), kFrom.size(), fmt::format("origin: \"{}\"", type)));
  };
  for (const char* type : {"decimal(12,2)", "decimal(38, 38)", "list<string>", "list<decimal(5,0)>", "vector<float64,8>",
                           "vector<double, 4096>", "map<string,float64>", "map<string, decimal(1,1)>"}) {
    const auto [schema, refusal] = with(type);
    EXPECT_TRUE(schema) << type;
    EXPECT_EQ(refusal, "") << type;
  }
  for (const char* type : {"decimal", "decimal(39,2)", "decimal(12)", "list", "list<list<string>>", "vector<int64,8>", "vector<float64,0>",
                           "vector<float64,99999>", "map<int64,string>", "map<string,map<string,bool>>"}) {
    const auto [schema, refusal] = with(type);
    EXPECT_FALSE(schema) << type;
    EXPECT_NE(refusal, "") << type;
  }
}

// Every aggregate with what it needs and, one after the other, every key that some aggregate takes: with values at the ends of its range
// and beyond.
TEST(Schema, EveryAggregateTakesTheSameKeysInBoth) {
  const auto kept = [](feature::AggregateKind aggregate, std::string_view but) {
    std::map<std::string, std::string> keys = {{"over", "1h"}};
    if (takes_of(aggregate)) keys["of"] = "x";
    if (takes_by(aggregate)) keys["by"] = "y";
    for (const Parameter& p : parameters_of(aggregate))
      if (p.required) keys[std::string(p.name)] = "1";
    keys.erase(std::string(but));
    return keys;
  };
  const auto both = [](feature::AggregateKind aggregate, const std::map<std::string, std::string>& keys) {
    std::string options;
    for (const auto& [key, value] : keys) options += fmt::format("{}{}: {}", options.empty() ? "" : ", ", key, value);
    const std::string text = fmt::format("views: {{v: {{entity: e, from: s, features: {{f: {{{}: {{{}}}}}}}}}}}\n", to_string(aggregate), options);
    const auto [schema, refusal] = verdicts(text);
    EXPECT_EQ(schema, refusal.empty()) << text << refusal;
    return schema;
  };
  for (size_t i = 0; i < feature::kAggregateKindCount; ++i) {
    const auto aggregate = static_cast<feature::AggregateKind>(i);
    EXPECT_TRUE(both(aggregate, kept(aggregate, ""))) << to_string(aggregate);
    for (const auto& [key, value] : kept(aggregate, "")) EXPECT_FALSE(both(aggregate, kept(aggregate, key))) << to_string(aggregate) << " without " << key;
    for (const char* key : {"of", "by", "cap", "n", "k", "distinct", "precision", "q", "error", "bounds", "where", "default", "ttl", "size"}) {
      auto keys = kept(aggregate, "");
      for (const char* value : {"x", "true", "0", "1", "2", "4", "16", "17", "1000", "1001", "100000", "100001", "1000000", "1000001", "0.5", "0.05", "0.0001", "0.00001", "0.11", "-0.1", "1.1",
                                "[0.1, 0.5]", "[]", "{}", "1h"}) {
        keys[key] = value;
        both(aggregate, keys);
      }
    }
  }
}

TEST(Schema, Windows) {
  const auto with = [](std::string_view window) { return verdicts(fmt::format("views: {{v: {{entity: e, from: s, features: {{f: {{count: {{over: \"{}\"}}}}}}}}}}\n", window)); };
  for (const char* window : {"1h", "lifetime", "sliding(1h)", "sliding(1h, hop: 1m)", "sliding(7d, exact)", "tumbling(1h)", "hopping(1h, 5m)", "session(30m, 12h)",
                             "session(30m, 12h, closed)", "last(10)", "last(10, 7d)", "decay(1h)", "series(1h, 24)"}) {
    const auto [schema, refusal] = with(window);
    EXPECT_TRUE(schema) << window;
    EXPECT_EQ(refusal, "");
  }
  for (const char* window : {"", "1w", "hop(1h, 5m)", "decay", "last 10", "session(30m, 12h"}) {
    const auto [schema, refusal] = with(window);
    EXPECT_FALSE(schema) << window;
    EXPECT_NE(refusal, "") << window;
  }
}

TEST(Schema, RetractTakesTwoExpressions) {
  const auto with = [](std::string_view rule) { return verdicts(fmt::format("sources: {{s: {{time: {{field: t}}, retract: {}}}}}\n", rule)); };
  const auto [schema, refusal] = with("{when: \"a = 'x'\", offset: b}");
  EXPECT_TRUE(schema);
  EXPECT_EQ(refusal, "");
  for (const char* rule : {"{when: a}", "{offset: b}", "{}", "a", "{when: a, offset: b, key: c}", "[a, b]"}) {
    const auto [in_schema, said] = with(rule);
    EXPECT_FALSE(in_schema) << rule;
    EXPECT_NE(said, "") << rule;
  }
}

TEST(Schema, MistakesAreRefusedByBoth) {
  const std::string example = block_of("docs/definitions.md", "yaml");
  const std::pair<const char*, const char*> changes[] = {
      {"topic: arrivals", "topik: arrivals"}, {"format: json", "format: avro"}, {"unit: ms", "unit: min"}, {"field: landed_at", "fild: landed_at"},
      {"origin: string", "origin: text"}, {"max_ahead: 5m", "max_ahead: soon"}, {"key: [origin]", "kay: [origin]"}, {"from: arrivals", "form: arrivals"},
      {"count: {over", "count: {ower"}, {"avg: {of", "average: {of"}, {"tumbling(1h)", "tumbled(1h)"}, {"cap: 500", "cap: many"}, {"services:", "service:"},
      {"airport_arrivals.*", "airport_arrivals"}, {"  airport:", "  air port:"}, {"arrivals: {count", "arri-vals: {count"},
      {"    request: {planned_min", "    requests: {planned_min"}, {"planned_min: double}", "planned_min: dubble}"}, {"planned_min: double}", "planned-min: double}"},
      {"planned_min: double}", "a.planned_min: double}"}, {"delay_ratio: \"", "delay-ratio: \""}, {"    derived:                              # expr", "    derived_features:                     # expr"}};
  for (const auto& [from, to] : changes) {
    std::string text = example;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    const auto [schema, refusal] = verdicts(text.replace(at, std::string_view(from).size(), to));
    EXPECT_FALSE(schema) << to;
    EXPECT_NE(refusal, "") << to;
  }
}

TEST(Formats, IdentityExample) {
  std::string example = block_of("docs/formats/catalog.md", "json");
  example.pop_back();
  const feature::SourceDefinition source{.name = "s", .topic = "s", .fields = {{"u", TypeKind::kString}, {"a", TypeKind::kInt64}}, .time_field = "t"};
  const feature::ViewDefinition view{.name = "v", .features = {{.name = "a_sum_1h", .aggregate = feature::AggregateKind::kSum, .of = "a * 2",
                                                                .window = {feature::WindowKind::kSliding, kMicrosPerHour, 5 * kMicrosPerMinute}}}};
  const auto program = feature::ViewProgram::compile(source, {"user", {"u"}}, view);
  ASSERT_TRUE(program) << program.error().message;
  const TopicId topic{*Uuid::parse("00112233-4455-6677-8899-aabbccddeeff")};
  EXPECT_EQ("{\"feature\":" + (*program)->canonical_feature(0) + ",\"topic\":\"" + topic.uuid.to_string() + "\"}", example);
  const std::string hash = feature_hash(**program, 0, topic);
  EXPECT_EQ(hash, sha256_hex(example));
  EXPECT_NE(file_text("docs/formats/catalog.md").find("has the hash `" + hash + "`"), std::string::npos) << hash;
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace ms::catalog
