#include "api/features_request.h"

#include <fmt/format.h>

#include <charconv>

#include "base/nearest.h"

namespace ms::api {
namespace {

bool read_integer(JsonReader& in, online::KeyValue& value) {
  std::string_view text;
  if (!in.number(text)) return false;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return in.fail("an entity's key part must be a 64-bit integer, a string or a bool"), false;
  value = number;
  return true;
}

bool read_key_value(JsonReader& in, online::KeyValue& value) {
  std::string_view text;
  bool flag = false;
  switch (in.peek()) {
    case JsonKind::kString:
      if (!in.string(text)) return false;
      value = text;
      return true;
    case JsonKind::kNumber: return read_integer(in, value);
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      if (!in.boolean(flag)) return false;
      value = flag;
      return true;
    case JsonKind::kNull: value = std::monostate{}; return in.null();
    default: return in.fail("an entity's key part must be a string, an integer or a bool"), false;
  }
}

bool read_entity(JsonReader& in, online::EntityRow& row) {
  row.fields.clear();
  std::string_view name;
  if (!in.begin_object()) return false;
  while (in.next_key(name)) {
    if (row.fields.size() == kKeyFieldsMax) return in.fail("too many fields in an entity"), false;
    online::KeyValue value;
    if (!read_key_value(in, value)) return false;
    row.fields.emplace_back(name, value);
  }
  return !in.failed();
}

bool read_entities(JsonReader& in, std::vector<online::EntityRow>& rows, size_t& count) {
  if (!in.begin_array()) return false;
  while (in.next_element()) {
    if (count == kEntitiesMax) return in.fail("more than 10000 entities in one request; split it"), false;
    if (count == rows.size()) rows.emplace_back();
    if (!read_entity(in, rows[count++])) return false;
  }
  return !in.failed();
}

// As it stands: what fields there are only the service knows.
bool read_request(JsonReader& in, std::string_view& request) {
  const JsonKind kind = in.peek();
  if (kind != JsonKind::kObject && kind != JsonKind::kArray)
    return in.fail("\"request\" must be an object of request fields, or a list of them, one per entity"), false;
  return in.raw(request);
}

bool read_names(JsonReader& in, std::vector<std::string_view>& names) {
  if (!in.begin_array()) return false;
  while (in.next_element()) {
    if (names.size() == kExplainedFeaturesMax) return in.fail("more than 1000 features; without \"features\" all are explained"), false;
    std::string_view name;
    if (!in.string(name)) return false;
    names.push_back(name);
  }
  return !in.failed();
}

}  // namespace

// True: `name` is one of these members; whether it could be read says `in`.
bool FeaturesRequest::read_explain_member(JsonReader& in, std::string_view name) {
  if (name == "explain") in.boolean(explain_);
  else if (name == "at") in.string(at_);
  else if (name == "features") features_.clear(), read_names(in, features_);
  else return false;
  return true;
}

Result<> FeaturesRequest::parse(std::string_view body) { return parse(body, Body::kRead); }
Result<> FeaturesRequest::parse_explanation(std::string_view body) { return parse(body, Body::kExplanation); }

Result<> FeaturesRequest::read_members(JsonReader& in, Body kind) {
  bool has_entities = false, has_request = false;
  std::string_view name;
  in.begin_object();
  while (in.next_key(name)) {
    if (name == "entities" && !has_entities) {
      has_entities = true;
      if (!read_entities(in, rows_, count_)) break;
    } else if (name == "request" && !has_request) {
      has_request = true;
      if (!read_request(in, request_)) break;
    } else if (name == "entities" || name == "request") {
      return invalid(fmt::format("\"{}\" is given twice", name));
    } else if (kind == Body::kExplanation && name == "service") {
      if (!in.string(service_)) break;
    } else if (!(kind == Body::kExplanation && name == "explain") && read_explain_member(in, name)) {
      if (in.failed()) break;
    } else {
      std::vector<std::string> known{"entities", "request", "explain", "at", "features"};
      if (kind == Body::kExplanation) known[2] = "service";
      return invalid(fmt::format("unknown member \"{}\"{}", name, did_you_mean(name, known)));
    }
  }
  in.at_end();
  if (in.failed()) return invalid("the request body: " + in.error());
  if (!has_entities) return invalid(R"(the request body needs "entities": a list such as [{"airport": "ORD"}])");
  return {};
}

Result<> FeaturesRequest::parse(std::string_view body, Body kind) {
  count_ = 0, explain_ = false, request_ = {}, service_ = {}, at_ = {};
  features_.clear();
  arena_.clear();
  JsonReader in(body, arena_);
  TRY(read_members(in, kind));
  if (kind == Body::kExplanation) {
    explain_ = true;
    if (service_.empty()) return invalid("\"service\" must say which service's features are asked for");
  }
  if (!explain_ && (!at_.empty() || !features_.empty()))
    return invalid(R"("at" and "features" are for explanations: say "explain": true, too)");
  return {};
}

}  // namespace ms::api
