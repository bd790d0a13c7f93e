#include "codec/column_batch.h"

#include <charconv>
#include <cstring>

namespace ms {

std::string_view to_string(TypeKind type) {
  switch (type) {
    case TypeKind::kBool: return "bool";
    case TypeKind::kInt64: return "int64";
    case TypeKind::kFloat64: return "float64";
    case TypeKind::kString: return "string";
    case TypeKind::kTimestamp: return "timestamp";
    case TypeKind::kDecimal: return "decimal";
    case TypeKind::kList: return "list";
    case TypeKind::kVector: return "vector";
    case TypeKind::kMap: return "map";
  }
  return "?";
}

std::string type_text(const Type& type) {
  const auto with = [](std::string_view name, const std::string& inside) { return std::string(name) + "<" + inside + ">"; };
  switch (type.kind) {
    case TypeKind::kDecimal: return "decimal(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
    case TypeKind::kList: return with("list", type_text(type.element_type()));
    case TypeKind::kMap: return with("map", "string," + type_text(type.element_type()));
    case TypeKind::kVector: return with("vector", "float64," + std::to_string(type.size));
    default: return std::string(to_string(type.kind));
  }
}

namespace {

void drop_spaces(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

bool take(std::string_view& text, std::string_view what) {
  drop_spaces(text);
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

std::optional<uint32_t> take_number(std::string_view& text, uint32_t most) {
  drop_spaces(text);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > most) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::optional<Type> take_scalar(std::string_view& text) {
  for (const TypeKind kind : {TypeKind::kBool, TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kString, TypeKind::kTimestamp}) {
    if (take(text, to_string(kind))) return kind;
  }
  if (!take(text, "decimal") || !take(text, "(")) return std::nullopt;
  const auto precision = take_number(text, kDecimalDigitsMax);
  if (!precision || *precision == 0 || !take(text, ",")) return std::nullopt;
  const auto scale = take_number(text, *precision);
  if (!scale || !take(text, ")")) return std::nullopt;
  return Type::decimal(static_cast<uint8_t>(*precision), static_cast<uint8_t>(*scale));
}

std::optional<Type> take_type(std::string_view& text) {
  if (take(text, "list<")) {
    const auto element = take_scalar(text);
    return element && take(text, ">") ? std::optional(Type::list(*element)) : std::nullopt;
  }
  if (take(text, "map<")) {
    if (!take(text, "string") || !take(text, ",")) return std::nullopt;
    const auto element = take_scalar(text);
    return element && take(text, ">") ? std::optional(Type::map(*element)) : std::nullopt;
  }
  if (take(text, "vector<")) {
    if (!take(text, "float64") || !take(text, ",")) return std::nullopt;
    const auto size = take_number(text, kVectorSizeMax);
    return size && *size > 0 && take(text, ">") ? std::optional(Type::vector(*size)) : std::nullopt;
  }
  return take_scalar(text);
}

}  // namespace

std::optional<Type> parse_type(std::string_view text) {
  const auto type = take_type(text);
  drop_spaces(text);
  return text.empty() ? type : std::nullopt;
}

void Column::reset(const Type& t, size_t rows) {
  type = t;
  validity.assign((rows + 63) / 64, 0);
  bools.clear(), ints.clear(), floats.clear(), decimals.clear(), strings.clear();
  switch (t.kind) {
    case TypeKind::kBool: bools.resize(rows); break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: ints.resize(rows); break;
    case TypeKind::kFloat64: floats.resize(rows); break;
    case TypeKind::kDecimal: decimals.resize(rows); break;
    case TypeKind::kString:
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap: strings.resize(rows); break;
  }
}

char* StringArena::allocate(size_t size) {
  if (size > room_) {
    const size_t block = std::max<size_t>(size, 16384);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
    used_ = 0, room_ = block;
  }
  char* out = blocks_.back().get() + used_;
  used_ += size, room_ -= size;
  return out;
}

std::string_view StringArena::add(std::string_view text) {
  if (text.empty()) return {};
  char* to = allocate(text.size());
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

void ColumnBatch::clear() {
  rows = 0;
  for (Column& c : columns) c.reset(c.type, 0);
  offsets.clear(), append_times.clear(), owners.clear();
  arena.clear();
}

}  // namespace ms
