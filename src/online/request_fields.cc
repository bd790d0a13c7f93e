#include "online/request_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <span>

#include "base/float_text.h"
#include "base/nearest.h"
#include "codec/decimal_text.h"
#include "codec/json_nested.h"
#include "codec/json_reader.h"
#include "codec/json_walk.h"
#include "codec/utf8.h"

namespace ms::online {
namespace {

using feature::Field;
using feature::FeatureValue;

constexpr size_t kShown = 60;  // bytes of a value in a message

std::string shown(std::string_view text) { return text.size() <= kShown ? std::string(text) : std::string(text.substr(0, kShown)) + "..."; }

std::string_view what_to_send(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBool: return "true or false";
    case TypeKind::kInt64: return "a whole number";
    case TypeKind::kFloat64: return "a number";
    case TypeKind::kString: return "a string";
    case TypeKind::kTimestamp: return "an RFC 3339 time such as \"2026-01-02T03:04:05Z\"";
    case TypeKind::kDecimal: return "a number, or a string with one";
    case TypeKind::kList: return "an array";
    case TypeKind::kVector: return "an array of numbers";
    case TypeKind::kMap: return "an object";
  }
  return {};
}

std::string_view example_of(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBool: return "true";
    case TypeKind::kInt64: return "1";
    case TypeKind::kFloat64:
    case TypeKind::kDecimal: return "1.5";
    case TypeKind::kString: return "\"...\"";
    case TypeKind::kTimestamp: return "\"2026-01-02T03:04:05Z\"";
    case TypeKind::kList:
    case TypeKind::kVector: return "[...]";
    case TypeKind::kMap: return "{...}";
  }
  return {};
}

class FieldsReader {
 public:
  FieldsReader(std::span<const Field> fields, std::string_view service, RequestFields& out) : fields_(fields), service_(service), out_(out) {}

  Result<> object(JsonReader& in, size_t entity) {
    FeatureValue* values = out_.values.data() + entity * fields_.size();
    seen_.assign(fields_.size(), 0);
    std::string_view name;
    in.begin_object();
    while (in.next_key(name)) {
      const auto field = std::ranges::find(fields_, name, &Field::name);
      if (field == fields_.end()) return unknown(name);
      const auto f = static_cast<size_t>(field - fields_.begin());
      if (seen_[f]++ != 0) return invalid(fmt::format("request field '{}' is given twice", name));
      TRY(value(in, *field, values[f]));
    }
    if (in.failed()) return invalid("\"request\": " + in.error());
    for (size_t f = 0; f < fields_.size(); ++f)
      if (seen_[f] == 0) return missing(fields_[f]);
    return {};
  }

  Unexpected missing(const Field& field) const {
    std::string example;
    for (const Field& f : fields_) example += fmt::format("{}\"{}\": {}", example.empty() ? "" : ", ", f.name, example_of(f.type));
    return invalid(fmt::format("request field '{}' ({}) of service '{}' is missing; send \"request\": {{{}}}, null where there is no value", field.name,
                               type_text(field.type), service_, example));
  }

 private:
  Unexpected unknown(std::string_view name) const {
    if (fields_.empty()) return invalid(fmt::format("service '{}' takes no request fields, but '{}' was sent", service_, shown(name)));
    std::vector<std::string> names;
    std::string all;
    for (const Field& f : fields_) names.push_back(f.name), all += (all.empty() ? "" : ", ") + f.name;
    const std::string near = did_you_mean(std::string(name), names);
    return invalid(fmt::format("service '{}' has no request field '{}'{}", service_, shown(name), near.empty() ? "; its fields: " + all : near));
  }

  static Unexpected bad(const Field& field, std::string_view is) {
    return invalid(fmt::format("request field '{}' is {}; it is {}: send {}, or null", field.name, is, type_text(field.type), what_to_send(field.type)));
  }

  Result<> value(JsonReader& in, const Field& field, FeatureValue& out) {
    out = {};
    out.status = feature::Status::kNull;
    std::string_view raw;
    const JsonKind kind = in.peek();
    if (!in.raw(raw)) return invalid(fmt::format("request field '{}': {}", field.name, in.error()));
    if (kind == JsonKind::kNull) return {};
    if (const auto at = first_not_utf8(raw)) return invalid(fmt::format("request field '{}' is not UTF-8", field.name));
    out.status = feature::Status::kPresent, out.is_null = false;
    JsonReader one(raw, out_.arena);
    std::string_view text;
    bool flag = false;
    switch (kind) {
      case JsonKind::kTrue:
      case JsonKind::kFalse:
        if (field.type != TypeKind::kBool) break;
        one.boolean(flag);
        out.i = flag ? 1 : 0;
        return {};
      case JsonKind::kNumber: return number(raw, field, out);
      case JsonKind::kString: return one.string(text), string(text, raw, field, out);
      default: break;
    }
    if (is_scalar(field.type)) return bad(field, shown(raw));
    const auto packed = nested_.decode({.path = field.name, .type = field.type, .time = JsonTime::kRfc3339}, raw);
    if (!packed) return invalid(fmt::format("request {}", nested_.reason().substr(nested_.reason().find("field"))));
    out.text = out_.arena.add(*packed);
    return {};
  }

  Result<> number(std::string_view token, const Field& field, FeatureValue& out) {
    if (field.type == TypeKind::kInt64) {
      const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), out.i);
      if (end != token.data() + token.size()) return bad(field, shown(token) + ", which is not a whole number");
      if (error != std::errc{}) return bad(field, shown(token) + ", which is out of range");
      return {};
    }
    if (field.type == TypeKind::kFloat64) {
      const auto real = json_real(token);
      if (!real) return bad(field, shown(token) + ", which is out of range");
      out.f = *real;
      return {};
    }
    if (field.type == TypeKind::kDecimal) return decimal(token, token, field, out);
    return bad(field, shown(token));
  }

  Result<> string(std::string_view text, std::string_view raw, const Field& field, FeatureValue& out) {
    if (field.type == TypeKind::kString) {
      out.text = text;
      return {};
    }
    if (field.type == TypeKind::kTimestamp) {
      const auto us = parse_time(text);
      if (!us) return bad(field, shown(raw));
      out.i = *us;
      return {};
    }
    if (field.type == TypeKind::kDecimal) return decimal(text, raw, field, out);
    if (field.type != TypeKind::kFloat64) return bad(field, shown(raw));
    if (text == "NaN") out.f = std::numeric_limits<double>::quiet_NaN();
    else if (text == "Infinity" || text == "-Infinity") out.f = text[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    else return bad(field, shown(raw));
    return {};
  }

  Result<> decimal(std::string_view token, std::string_view raw, const Field& field, FeatureValue& out) {
    int128 units = 0;
    const DecimalFault fault = parse_decimal(token, field.type, units);
    if (fault == DecimalFault::kNotANumber) return bad(field, shown(raw));
    if (fault != DecimalFault::kNone) return bad(field, fmt::format("{}, {}", shown(raw), fault_text(fault, field.type)));
    out.text = out_.arena.add({reinterpret_cast<const char*>(&units), sizeof units});
    return {};
  }

  const std::span<const Field> fields_;
  const std::string_view service_;
  RequestFields& out_;
  std::vector<uint8_t> seen_;
  JsonNested nested_;
};

}  // namespace

Result<> read_request_fields(const feature::ServiceProgram* program, std::string_view service, std::string_view json, size_t entities,
                             RequestFields& out) {
  out.values.clear(), out.arena.clear();
  const std::span<const Field> fields = program == nullptr ? std::span<const Field>() : std::span(program->request());
  out.fields = fields.size(), out.one_for_all = true;
  FieldsReader reader(fields, service, out);
  if (json.empty()) {
    if (fields.empty()) return {};
    return reader.missing(fields.front());
  }
  StringArena names;
  JsonReader in(json, names);
  if (in.peek() != JsonKind::kArray) {
    out.values.resize(fields.size());
    return reader.object(in, 0);
  }
  out.one_for_all = false;
  size_t given = 0;
  in.begin_array();
  while (in.next_element()) {
    if (given == entities) return invalid(fmt::format("\"request\" has more than one for each of the {} entities", entities));
    out.values.resize((given + 1) * fields.size());
    if (const auto read = reader.object(in, given); !read) return Unexpected(read.error().within(fmt::format("request[{}]", given)));
    ++given;
  }
  if (in.failed()) return invalid("\"request\": " + in.error());
  if (given != entities) return invalid(fmt::format("\"request\" is a list of {}, but there are {} entities: one for each, or one object for all", given, entities));
  return {};
}

}  // namespace ms::online
