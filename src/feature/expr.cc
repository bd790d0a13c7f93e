#include "feature/expr.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "feature/expr_kernel.h"

namespace ms::feature {

std::string_view name_of(const ExprNode& node) {
  static constexpr std::string_view kNames[] = {
      "literal", "field", "+", "-", "*", "/", "%", "neg", "=", "<>", "<", "<=", ">", ">=", "is distinct from", "and", "or", "not", "is null",
      "case", "coalesce", "nullif", "least", "greatest", "cast", "try_cast", "try", ""};
  return node.op == Op::kCall ? node.function->name : kNames[static_cast<size_t>(node.op)];
}

std::string canonical_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else out += c;
    }
  }
  return out + "\"";
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}

uint32_t ExprGraph::add_field(const std::string& name, const Type& type) {
  return intern({.op = Op::kField, .type = type, .field = name});
}

uint32_t ExprGraph::intern(ExprNode node) {
  std::string key = fmt::format("{} {} {}", name_of(node), type_text(node.type), node.untyped_null);
  for (const uint32_t a : node.args) key += fmt::format(" {}", a);
  key += " " + node.field + " ";
  if (const auto* b = std::get_if<bool>(&node.literal)) key += *b ? "t" : "f";
  if (const auto* i = std::get_if<int64_t>(&node.literal)) key += fmt::format("i{}", *i);
  if (const auto* d = std::get_if<double>(&node.literal)) key += "d" + number_text(*d);
  if (const auto* s = std::get_if<std::string>(&node.literal)) key += "s" + *s;
  const auto [at, fresh] = index_.try_emplace(std::move(key), static_cast<uint32_t>(nodes_.size()));
  if (fresh) nodes_.push_back(std::move(node));
  return at->second;
}

std::string ExprGraph::canonical(uint32_t id) const {
  const ExprNode& n = nodes_[id];
  std::string out = fmt::format("[{},\"{}\"", canonical_string(name_of(n)), type_text(n.type));
  if (n.op == Op::kField) out += "," + canonical_string(n.field);
  if (n.op == Op::kLiteral) {
    if (std::holds_alternative<std::monostate>(n.literal)) out += ",null";
    if (const auto* b = std::get_if<bool>(&n.literal)) out += *b ? ",true" : ",false";
    if (const auto* i = std::get_if<int64_t>(&n.literal)) out += fmt::format(",\"{}\"", *i);
    if (const auto* d = std::get_if<double>(&n.literal)) out += ",\"" + number_text(*d) + "\"";
    if (const auto* s = std::get_if<std::string>(&n.literal)) out += "," + canonical_string(*s);
  }
  for (const uint32_t a : n.args) out += "," + canonical(a);
  return out + "]";
}

void ExprGraph::reach(uint32_t id, std::vector<bool>& needed) const {
  needed.resize(nodes_.size());
  if (needed[id]) return;
  needed[id] = true;
  for (const uint32_t a : nodes_[id].args) reach(a, needed);
}

}  // namespace ms::feature
