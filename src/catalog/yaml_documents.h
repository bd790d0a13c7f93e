// The documents of a YAML text from outside, as yaml-cpp's nodes. For definition files.
#pragma once

#include <yaml-cpp/yaml.h>

#include <expected>
#include <string>
#include <vector>

namespace ms::catalog {

struct YamlFault {
  YAML::Mark mark;  // a null mark: the text as a whole
  std::string message;
};

// Faults: not UTF-8, not YAML, too many documents. Aliases are not expanded: a small text can name a node very often.
std::expected<std::vector<YAML::Node>, YamlFault> read_yaml(const std::string& text);

}  // namespace ms::catalog
