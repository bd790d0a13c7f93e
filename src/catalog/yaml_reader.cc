#include "catalog/yaml_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"

namespace ms::catalog {
namespace {

constexpr size_t kEntriesMax = 100'000;  // of one file, with aliases expanded
constexpr size_t kRefusalsMax = 200;

bool has_only(std::string_view text, char other) {
  if (text.empty() || text.size() > kNameMax || (text[0] >= '0' && text[0] <= '9') || text[0] == '-') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == other;
  });
}

std::string_view kind(const YAML::Node& node) {
  return node.IsNull() ? "nothing" : node.IsScalar() ? "a text" : node.IsSequence() ? "a list" : "a map";
}

}  // namespace

bool is_name(std::string_view text) { return has_only(text, '-'); }
bool is_path(std::string_view text) { return has_only(text, '.'); }

YamlReader::YamlReader(const DefinitionFile& file, std::vector<Refusal>& refusals) : file_(file.name), refusals_(refusals) {
  std::string_view rest = file.text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    lines_.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
}

Place YamlReader::at(const YAML::Mark& mark) const {
  if (mark.line < 0) return Place{file_};
  return Place{file_, static_cast<size_t>(mark.line) + 1, static_cast<size_t>(mark.column) + 1, true};
}

Place YamlReader::text_at(const YAML::Node& node) const {
  Place out = at(node.Mark());
  const std::string_view line = out.line >= 1 && out.line <= lines_.size() ? lines_[out.line - 1] : std::string_view();
  const char first = out.column >= 1 && out.column <= line.size() ? line[out.column - 1] : ' ';
  if (first == '"' || first == '\'') ++out.column;
  else if (first == '|' || first == '>') out.exact = false;
  return out;
}

void YamlReader::refuse(const Place& place, std::string message) {
  ++refused_;
  if (refusals_.size() < kRefusalsMax) refusals_.push_back({place.file, place.line, place.column, std::move(message)});
}

void YamlReader::entries(const YAML::Node& map, std::string_view what, const EachEntry& f) {
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

std::vector<YAML::Node> YamlReader::items(const YAML::Node& node) {
  if (!node.IsSequence()) return {node};
  std::vector<YAML::Node> out;
  for (const YAML::Node& n : node) {
    if (!room()) break;
    out.push_back(n);
  }
  return out;
}

bool YamlReader::room() {
  if (++entries_ == kEntriesMax) refusals_.push_back({file_, 0, 0, fmt::format("more than {} entries", kEntriesMax)});
  return entries_ < kEntriesMax;
}

void YamlReader::unknown(const Place& place, const std::string& key, std::string_view what, std::span<const std::string> known) {
  std::string all;
  for (const std::string& k : known) all += (all.empty() ? "" : ", ") + k;
  const std::string hint = did_you_mean(key, known);
  refuse(place, fmt::format("{} has no '{}'{}", what, key, hint.empty() ? "; it takes " + all : hint));
}

std::string YamlReader::text(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar()) return node.Scalar();
  refuse(at(node.Mark()), fmt::format("{} must be a text, not {}", what, kind(node)));
  return {};
}

std::string YamlReader::name(const Place& place, const std::string& key, std::string_view what) {
  if (!is_name(key)) refuse(place, fmt::format("'{}' cannot name a {}: letters, digits, _ and -, not starting with a digit, at most {} bytes", key, what, kNameMax));
  return key;
}

std::optional<int64_t> YamlReader::duration(const YAML::Node& node, std::string_view what) {
  const std::string written = text(node, what);
  const auto us = parse_duration(written);
  if (us) return *us;
  if (node.IsScalar()) refuse(text_at(node), fmt::format("{}: '{}' is not a duration like 30s, 5m or 7d", what, written));
  return std::nullopt;
}

}  // namespace ms::catalog
