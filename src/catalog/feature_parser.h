// The features of a view in a definition file: aggregates with arguments, windows and parameters.
#pragma once

#include "catalog/yaml_reader.h"

namespace ms::catalog {

class FeatureParser {
 public:
  enum class Of : uint8_t { kFeatures, kLabels };
  FeatureParser(YamlReader& yaml, Parsed<feature::ViewDefinition>& out, Of of = Of::kFeatures)
      : yaml_(yaml), out_(out), labels_(of == Of::kLabels) {}

  // Appends a feature for each aggregate and window; one with a mistake is left out. `what`: "view 'v'".
  void read(const YAML::Node& node, const std::string& what);

 private:
  struct Aggregate;

  void aggregate(const std::string& feature, const std::string& name, const YAML::Node& spec, const Place& where);
  void entry(Aggregate& a, const std::string& key, const YAML::Node& value, const Place& place);
  void missing(const Aggregate& a, const YAML::Node& spec, const Place& where);
  void parameter(Aggregate& a, const std::string& key, const YAML::Node& value, const Place& place);
  void windows(Aggregate& a, const YAML::Node& node);
  feature::ScalarValue scalar(const YAML::Node& node);
  static std::string long_number(const feature::ScalarValue& value, const YAML::Node& node);
  std::string element(const YAML::Node& node);
  std::string array(const YAML::Node& node);
  std::string object(const YAML::Node& node);

  YamlReader& yaml_;
  Parsed<feature::ViewDefinition>& out_;
  const bool labels_;  // windows lie ahead of t
};

}  // namespace ms::catalog
