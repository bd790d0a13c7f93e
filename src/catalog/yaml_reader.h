// What every reader of definition files needs: walking YAML, places, refusals and bounds. Includes yaml-cpp: for .cc files of this folder.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/definitions.h"

namespace ms::catalog {

inline constexpr size_t kNameMax = 200;
bool is_name(std::string_view text);  // letters, digits, _ and -
bool is_path(std::string_view text);  // letters, digits and _, with dots between

// Reads one file; what is wrong goes to `refusals`.
class YamlReader {
 public:
  YamlReader(const DefinitionFile& file, std::vector<Refusal>& refusals);

  Place at(const YAML::Mark& mark) const;
  // Of a scalar's text: behind an opening quote; block scalars have no exact columns.
  Place text_at(const YAML::Node& node) const;
  void refuse(const Place& place, std::string message);
  size_t refusals() const { return refused_; }  // also those that were too many to be kept

  // Calls f(key, value, place of the key) for every entry of a map; refuses what is not a map and keys that come twice.
  using EachEntry = std::function<void(const std::string&, const YAML::Node&, const Place&)>;
  void entries(const YAML::Node& map, std::string_view what, const EachEntry& f);
  // A list, or a single value where a list is expected.
  std::vector<YAML::Node> items(const YAML::Node& node);
  // False: too many entries. Aliases can make a small file name a node very often.
  bool room();

  void unknown(const Place& place, const std::string& key, std::string_view what, std::span<const std::string> known);
  std::string text(const YAML::Node& node, std::string_view what);
  std::string name(const Place& place, const std::string& key, std::string_view what);
  std::optional<int64_t> duration(const YAML::Node& node, std::string_view what);

 private:
  std::string file_;
  std::vector<std::string_view> lines_;
  std::vector<Refusal>& refusals_;
  size_t refused_ = 0, entries_ = 0;
};

}  // namespace ms::catalog
