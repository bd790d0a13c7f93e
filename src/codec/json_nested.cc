#include "codec/json_nested.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "codec/decimal_text.h"
#include "codec/json_walk.h"

namespace ms {
namespace {

constexpr size_t kShown = 40;  // characters of a value or a name in a reason

std::string_view kind_text(JsonKind kind) {
  switch (kind) {
    case JsonKind::kObject:
      return "an object";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kTrue:
      return "true";
    case JsonKind::kFalse:
      return "false";
    case JsonKind::kNull:
      return "null";
    default:
      return "something that is not JSON";
  }
}

// The front of a text, cut between characters.
std::string_view shown(std::string_view text) {
  if (text.size() <= kShown) return text;
  size_t end = kShown;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// By name; the last of equal names wins.
template <class Members>
void sort_members(Members& members) {
  const auto name = [](const auto& m) { return m.name; };
  if (std::ranges::adjacent_find(members, std::ranges::greater_equal(), name) == members.end()) return;
  std::ranges::sort(members, {}, [](const auto& m) { return std::pair(m.name, m.at); });
  size_t kept = 0;
  for (size_t i = 0; i < members.size(); ++i)
    if (i + 1 == members.size() || members[i].name != members[i + 1].name) members[kept++] = members[i];
  members.resize(kept);
}

}  // namespace

std::optional<std::string_view> JsonNested::decode(const JsonField& field, std::string_view text) {
  out_.clear(), fault_.clear(), where_.clear(), arena_.clear();
  time_ = field.time;
  JsonReader in(text, arena_);
  const Type& type = field.type;
  const JsonKind kind = in.peek(), wanted = type == TypeKind::kMap ? JsonKind::kObject : JsonKind::kArray;
  bool done = false;
  if (kind != wanted) fault_ = fmt::format("is {}, not {}", kind_text(kind), type_text(type));
  else if (type == TypeKind::kVector) done = vector(in, type);
  else if (type == TypeKind::kList) done = list(in, type);
  else done = map(in, type);
  if (done && in.at_end()) return out_;
  reason_ = fault_.empty() ? fmt::format("json: field '{}': {} of its value", field.path, in.error())
                           : fmt::format("json: field '{}{}' {}", field.path, where_, fault_);
  return std::nullopt;
}

bool JsonNested::vector(JsonReader& in, const Type& type) {
  in.begin_array();
  size_t count = 0;
  while (in.next_element()) {
    if (count == type.size) return refuse(fmt::format("has more than {} numbers, not {}", type.size, type_text(type)));
    PackedElement e;
    if (!element(in, TypeKind::kFloat64, e) || e.is_null) {
      if (e.is_null && fault_.empty() && !in.failed()) fault_ = "is null, not a number";
      return where_ = fmt::format("[{}]", count), false;
    }
    out_.append(reinterpret_cast<const char*>(&e.f), sizeof e.f);
    ++count;
  }
  if (in.failed()) return false;
  return count == type.size || refuse(fmt::format("has {} numbers, not {}", count, type_text(type)));
}

bool JsonNested::list(JsonReader& in, const Type& type) {
  PackedListWriter elements(type.element);
  in.begin_array();
  while (in.next_element()) {
    PackedElement e;
    if (!element(in, type.element_type(), e)) return where_ = fmt::format("[{}]", elements.size()), false;
    elements.add(e);
  }
  if (in.failed()) return false;
  elements.write(out_);
  return true;
}

bool JsonNested::map(JsonReader& in, const Type& type) {
  members_.clear();
  in.begin_object();
  std::string_view name;
  while (in.next_key(name)) {
    PackedElement e;
    if (!element(in, type.element_type(), e)) return where_ = fmt::format(".{}", shown(name)), false;
    members_.push_back({name, members_.size(), e});
  }
  if (in.failed()) return false;
  sort_members(members_);
  PackedListWriter names(TypeKind::kString), values(type.element);
  for (const Member& m : members_) names.add({.is_null = false, .text = m.name}), values.add(m.value);
  names.write(out_), values.write(out_);
  return true;
}

// False: a fault, or the reader has failed.
bool JsonNested::element(JsonReader& in, const Type& type, PackedElement& out) {
  const JsonKind kind = in.peek();
  std::string_view token;
  bool flag = false;
  switch (kind) {
    case JsonKind::kNull:
      return in.null();
    case JsonKind::kNumber:
      return in.number(token) && number(token, type, out);
    case JsonKind::kString:
      return in.string(token) && text(token, type, out);
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      if (!in.boolean(flag)) return false;
      if (type != TypeKind::kBool) break;
      out.is_null = false, out.i = flag;
      return true;
    case JsonKind::kError:
      return false;
    default:
      break;
  }
  return refuse(fmt::format("is {}, not {}", kind_text(kind), type_text(type)));
}

bool JsonNested::number(std::string_view token, const Type& type, PackedElement& out) {
  out.is_null = false;
  const auto bad = [&](std::string_view why) { return refuse(fmt::format("is {}, {}", shown(token), why)); };
  switch (type.kind) {
    case TypeKind::kInt64: {
      if (token.find_first_of(".eE") != std::string_view::npos) return bad("which is not a whole number (int64)");
      return std::from_chars(token.data(), token.data() + token.size(), out.i).ec == std::errc() || bad("out of range of int64");
    }
    case TypeKind::kFloat64: {
      const auto real = json_real(token);
      if (real) out.f = *real;
      return real || bad("out of range of float64");
    }
    case TypeKind::kDecimal: {
      const DecimalFault fault = parse_decimal(token, type, out.d);
      return fault == DecimalFault::kNone || bad(fault_text(fault, type));
    }
    case TypeKind::kTimestamp: {
      if (time_ == JsonTime::kRfc3339) break;
      const auto us = scaled_decimal(token, time_digits(time_));
      if (us) out.i = *us;
      return us || bad("which is not a time in its unit within int64 microseconds");
    }
    default:
      break;
  }
  return refuse(fmt::format("is a number, not {}", type == TypeKind::kTimestamp ? "a time in RFC 3339" : type_text(type)));
}

bool JsonNested::text(std::string_view text, const Type& type, PackedElement& out) {
  out.is_null = false;
  if (type == TypeKind::kString) return out.text = text, true;
  if (type == TypeKind::kDecimal) {
    const DecimalFault fault = parse_decimal(text, type, out.d);
    if (fault == DecimalFault::kNone) return true;
    if (fault != DecimalFault::kNotANumber) return refuse(fmt::format("is {}, {}", shown(text), fault_text(fault, type)));
  }
  if (type == TypeKind::kTimestamp && time_ == JsonTime::kRfc3339) {
    const auto us = parse_time(text);
    if (us) out.i = *us;
    return us || refuse(us.error().message);
  }
  return refuse(fmt::format("is a string, not {}", type_text(type)));
}

}  // namespace ms
