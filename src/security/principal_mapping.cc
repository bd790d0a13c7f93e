#include "security/principal_mapping.h"

#include <fmt/format.h>

#include <algorithm>

namespace ms::security {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The character behind a backslash at text[at]; `at` moves behind it.
std::optional<char> unescape(std::string_view text, size_t& at) {
  if (at + 1 >= text.size()) return std::nullopt;
  const int high = hex_digit(text[at + 1]);
  const int low = at + 2 < text.size() ? hex_digit(text[at + 2]) : -1;
  if (high >= 0 && low >= 0) return at += 3, static_cast<char>(high * 16 + low);
  constexpr std::string_view kSpecial = ",+\"\\<>;= #";
  if (kSpecial.find(text[at + 1]) == std::string_view::npos) return std::nullopt;
  return at += 2, text[at - 1];
}

bool is_attribute(std::string_view text) {
  const auto legal = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  return !text.empty() && std::ranges::all_of(text, legal);
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

bool ends_in(const NameParts& name, const NameParts& end) {
  return name.size() >= end.size() && std::equal(end.begin(), end.end(), name.end() - static_cast<ptrdiff_t>(end.size()));
}

// The values that the attribute has in all of the name.
std::vector<std::string> values_of(const NameParts& name, const std::string& attribute) {
  std::vector<std::string> values;
  for (const NamePart& part : name)
    for (const auto& [has, value] : part)
      if (has == attribute) values.push_back(value);
  return values;
}

}  // namespace

Result<NameParts> parse_distinguished_name(std::string_view text) {
  NameParts parts;
  bool of_last = false;  // what comes belongs to the last part
  const auto bad = [&] { return invalid(fmt::format("'{}' is no distinguished name; write it like CN=alice,O=Acme", text)); };
  for (size_t at = 0; at < text.size() || parts.empty();) {
    const size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return bad();
    std::string_view named = text.substr(at, equals - at);
    while (named.starts_with(' ')) named.remove_prefix(1);
    std::string attribute = upper(named), value;
    if (!is_attribute(attribute)) return bad();
    at = equals + 1;
    while (at < text.size() && text[at] != ',' && text[at] != '+') {
      if (text[at] != '\\') {
        value += text[at++];
        continue;
      }
      const auto escaped = unescape(text, at);
      if (!escaped) return bad();
      value += *escaped;
    }
    if (!of_last) parts.emplace_back();
    parts.back().emplace_back(std::move(attribute), std::move(value));
    of_last = at < text.size() && text[at] == '+';
    if (at < text.size() && ++at == text.size()) return bad();
  }
  for (NamePart& part : parts) std::ranges::sort(part);
  return parts;
}

std::optional<std::string> principal_of(std::string_view subject, const std::vector<MappingRule>& rules) {
  const auto name = parse_distinguished_name(subject);
  if (!name) return std::nullopt;
  for (const MappingRule& rule : rules) {
    if (rule.subject) {
      if (*rule.subject == *name) return "User:" + rule.user;
      continue;
    }
    if (!ends_in(*name, rule.under)) continue;
    const auto values = values_of(*name, rule.attribute);
    if (values.empty()) continue;
    if (values.size() != 1 || values[0].empty() || values[0] == "*") return std::nullopt;
    return "User:" + values[0];
  }
  return "User:" + std::string(subject);
}

}  // namespace ms::security
