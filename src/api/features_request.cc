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

// No service takes request fields so far: an empty object is accepted, anything else would be ignored and is refused.
bool read_request_fields(JsonReader& in) {
  std::string_view name;
  if (!in.begin_object()) return false;
  if (in.next_key(name)) return in.fail("this service takes no request fields"), false;
  return !in.failed();
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

Result<> FeaturesRequest::parse(std::string_view body) {
  count_ = 0, explain_ = false, at_ = {};
  features_.clear();
  arena_.clear();
  JsonReader in(body, arena_);
  bool has_entities = false;
  std::string_view name;
  in.begin_object();
  while (in.next_key(name)) {
    if (name == "entities" && !has_entities) {
      has_entities = true;
      if (!read_entities(in, rows_, count_)) break;
    } else if (name == "request") {
      if (!read_request_fields(in)) break;
    } else if (name == "entities") {
      return invalid("\"entities\" is given twice");
    } else if (read_explain_member(in, name)) {
      if (in.failed()) break;
    } else {
      const std::vector<std::string> known{"entities", "request", "explain", "at", "features"};
      return invalid(fmt::format("unknown member \"{}\"{}", name, did_you_mean(name, known)));
    }
  }
  in.at_end();
  if (in.failed()) return invalid("the request body: " + in.error());
  if (!has_entities) return invalid(R"(the request body needs "entities": a list such as [{"airport": "ORD"}])");
  if (!explain_ && (!at_.empty() || !features_.empty()))
    return invalid(R"("at" and "features" are for explanations: say "explain": true, too)");
  return {};
}

}  // namespace ms::api
