// Definition files, read: what they say and where they say it. docs/definitions.md is the language.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/plan_report.h"

namespace ms::catalog {

inline constexpr size_t kDefinitionBytesMax = 4u << 20;  // of one file

// Where something stands. Lines and columns count from 1.
struct Place {
  std::string file;
  size_t line = 0, column = 0;
  bool exact = false;  // a column inside the text can be added to `column`
};

template <class T>
struct Parsed {
  T definition;
  // "" is the name; "from", "where", "features[3].of", "derived[0]", "derived[0].name", "key[1]", "features[0]", ...
  std::map<std::string, Place> places;
  bool refused = false;  // something in it is, and may be missing from `definition`

  const Place& place(const std::string& part) const {
    const auto at = places.find(part);
    return at != places.end() ? at->second : places.at("");
  }
};

struct ParsedDefinitions {
  std::vector<Parsed<feature::SourceDefinition>> sources;
  std::vector<Parsed<feature::EntityDefinition>> entities;
  std::vector<Parsed<feature::ViewDefinition>> views;
  std::vector<Parsed<feature::ServiceDefinition>> services;
  std::vector<Refusal> refusals;  // definitions with a refusal may be incomplete
};

// Reads all documents of all files. A name that comes twice is refused at its second place.
ParsedDefinitions parse_definitions(std::span<const DefinitionFile> files);

// A line of a service: "view.feature", "view.*", "view.feature as name", "view.* as prefix_*".
struct ServiceLine {
  std::string view, feature;  // feature "*": all
  std::string as;             // empty: the feature's own name; a '*' in it stands for that
};
Result<ServiceLine> parse_service_line(std::string_view text);

}  // namespace ms::catalog
