// What the Kafka clients are told on their command line.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "bench/src/connect.h"

namespace ms::bench {

// MODE SERVER TOPIC [NAME=NUMBER ...] [X.<librdkafka property>=VALUE ...]
struct Arguments {
  std::string mode, server, topic;
  std::map<std::string, std::string> options, properties;

  uint64_t number(const std::string& name, uint64_t otherwise) const {
    const auto at = options.find(name);
    return at == options.end() ? otherwise : std::strtoull(at->second.c_str(), nullptr, 10);
  }
};

inline Arguments parse_arguments(int argc, char** argv) {
  if (argc < 4) die("MODE SERVER TOPIC [NAME=VALUE ...]; the modes are at the head of the source");
  Arguments a{.mode = argv[1], .server = argv[2], .topic = argv[3]};
  for (int i = 4; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string_view::npos) die(fmt::format("not NAME=VALUE: {}", argument));
    const std::string name(argument.substr(0, equals)), value(argument.substr(equals + 1));
    if (name.starts_with("X.")) a.properties[name.substr(2)] = value;
    else a.options[name] = value;
  }
  return a;
}

}  // namespace ms::bench
