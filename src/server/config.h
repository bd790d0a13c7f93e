// What `millstream serve` is told: by options, environment variables, a configuration file, or nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/endpoint.h"
#include "io/tls_context.h"

namespace ms::server {

struct ServeConfig {
  std::string dir;
  io::Endpoint kafka, http;
  std::optional<io::Endpoint> advertised_kafka;
  std::optional<io::Endpoint> kafka_tls, advertised_kafka_tls;
  io::TlsFiles tls;  // of kafka_tls
  bool insecure = false;
  std::string security;  // file or empty
  bool auto_create_topics = true;
  int32_t default_partitions = 1;
  size_t io_threads = 0;
  uint32_t shards = 2;
  int64_t checkpoint_interval_ms = 0;
  uint32_t samples_per_second = 0;
  int64_t reconcile_interval_ms = 0;
  size_t wal_segment_bytes = 0;
  size_t tail_cache_bytes = 0;
  std::string log_level;
  int64_t slow_request_ms = 0;
  int64_t offsets_retention_minutes = 0;
  int64_t offsets_retention_check_interval_ms = 0;
  size_t metrics_series_max = 0;
};

enum class SettingType : uint8_t { kText, kInteger, kFlag };
struct SettingSpec {
  std::string_view key;  // in the file; the option is --key with dashes, the variable MILLSTREAM_KEY
  SettingType type;
  std::string_view otherwise;  // the default
  std::string_view help;
};
std::span<const SettingSpec> setting_specs();
std::string option_name(const SettingSpec& spec);    // "--checkpoint-interval-ms"
std::string variable_name(const SettingSpec& spec);  // "MILLSTREAM_CHECKPOINT_INTERVAL_MS"

struct Setting {
  std::string value;
  std::string origin;  // "default", "option --dir", "variable MILLSTREAM_DIR", "millstream.yaml:3"
};
using Settings = std::map<std::string, Setting, std::less<>>;

// The keys of a YAML configuration file. Errors: InvalidArgument with file:line:column; an unknown key names the nearest.
Result<Settings> parse_config_file(const std::string& name, const std::string& text);
// Later layers win. `layers` from the weakest to the strongest; defaults lie under all.
Settings merge_settings(std::span<const Settings> layers);
// Errors: InvalidArgument naming key, value and origin.
Result<ServeConfig> to_config(const Settings& settings);
// One line per key: `key: value  # origin`, itself a configuration file.
std::string print_settings(const Settings& settings);

}  // namespace ms::server
