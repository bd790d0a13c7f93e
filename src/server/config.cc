#include "server/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "base/nearest.h"

namespace ms::server {
namespace {

constexpr SettingSpec kSpecs[] = {
    {"dir", SettingType::kText, "./millstream-data", "the directory that holds everything"},
    {"kafka", SettingType::kText, "127.0.0.1:9092", "HOST:PORT for Kafka clients; port 0 takes a free one"},
    {"http", SettingType::kText, "127.0.0.1:8484", "HOST:PORT for the HTTP API; port 0 takes a free one"},
    {"advertised_kafka", SettingType::kText, "", "HOST:PORT that Kafka clients are told; default: where it listens"},
    {"kafka_tls", SettingType::kText, "", "HOST:PORT for Kafka clients with TLS, beside the one in the clear"},
    {"advertised_kafka_tls", SettingType::kText, "", "HOST:PORT that those are told; the certificate must name the host"},
    {"tls_certificate", SettingType::kText, "", "PEM file: the server's certificate, then those of its issuers"},
    {"tls_key", SettingType::kText, "", "PEM file: the certificate's private key, not encrypted"},
    {"tls_client_ca", SettingType::kText, "", "PEM file: the authorities whose client certificates are taken"},
    {"tls_client_auth", SettingType::kText, "none", "none, optional or required: whether clients show a certificate"},
    {"security", SettingType::kText, "", "FILE with users, super users and permissions (docs/security.md)"},
    {"insecure", SettingType::kFlag, "false", "allow to listen off the loopback without users, and to send passwords in the clear"},
    {"auto_create_topics", SettingType::kFlag, "true", "a Kafka client's first record creates its topic"},
    {"default_partitions", SettingType::kInteger, "1", "partitions of topics created that way"},
    {"io_threads", SettingType::kInteger, "0", "event loops; 0: one per core"},
    {"shards", SettingType::kInteger, "2", "shards of the feature state, a power of two"},
    {"checkpoint_interval_ms", SettingType::kInteger, "10000", "how often the feature state is saved"},
    {"samples_per_second", SettingType::kInteger, "50", "served answers kept for verify; 0: none"},
    {"reconcile_interval_ms", SettingType::kInteger, "30000", "how often the write-ahead log moves into stream objects"},
    {"wal_segment_bytes", SettingType::kInteger, "134217728", "size of a write-ahead log file"},
    {"tail_cache_bytes", SettingType::kInteger, "536870912", "memory for the newest records"},
    {"offsets_retention_minutes", SettingType::kInteger, "10080", "committed offsets of groups that nobody uses are forgotten after this long"},
    {"offsets_retention_check_interval_ms", SettingType::kInteger, "600000", "how often it is looked for them"},
    {"slow_request_ms", SettingType::kInteger, "500", "a Kafka request that takes so long is logged; 0: none"},
    {"metrics_series_max", SettingType::kInteger, "10000", "of partitions, and of groups, at /metrics; beyond it they are counted only"},
    {"log_level", SettingType::kText, "info", "debug, info, warn or error"},
};

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  for (const SettingSpec& spec : kSpecs) keys.emplace_back(spec.key);
  return keys;
}

Unexpected bad(std::string_view key, const Setting& setting, std::string_view why) {
  return invalid(fmt::format("{} = '{}' ({}): {}", key, setting.value, setting.origin, why));
}

struct Reader {
  const Settings& settings;

  const Setting& at(std::string_view key) const { return settings.find(key)->second; }
  Result<int64_t> integer(std::string_view key, int64_t least, int64_t most) const {
    const Setting& setting = at(key);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(setting.value.data(), setting.value.data() + setting.value.size(), value);
    if (error != std::errc{} || end != setting.value.data() + setting.value.size()) return bad(key, setting, "this is not an integer");
    if (value < least || value > most) return bad(key, setting, fmt::format("it must be {} to {}", least, most));
    return value;
  }
  Result<bool> flag(std::string_view key) const {
    const Setting& setting = at(key);
    if (setting.value == "true" || setting.value == "1") return true;
    if (setting.value == "false" || setting.value == "0") return false;
    return bad(key, setting, "it must be true or false");
  }
  bool given(std::string_view key) const { return !at(key).value.empty(); }
  Result<std::optional<io::Endpoint>> maybe_endpoint(std::string_view key) const {
    if (!given(key)) return std::nullopt;
    return endpoint(key);
  }
  Result<io::Endpoint> endpoint(std::string_view key) const {
    auto endpoint = io::parse_endpoint(at(key).value);
    if (!endpoint) return bad(key, at(key), endpoint.error().message);
    return endpoint;
  }
};

// Nothing that leaves the machine without authentication, and no password that others could read, unless the user says that
// this is meant.
Result<> check_loopback(const Reader& read, const ServeConfig& config) {
  const bool asks = !config.security.empty();
  const auto outside = [&](const io::Endpoint& at) { return !config.insecure && !io::is_loopback(at.host); };
  if (!asks && outside(config.kafka))
    return bad("kafka", read.at("kafka"), "everybody who reaches this address could read and write everything, because nobody is authenticated there. Name users with --security FILE, "
                                          "listen on 127.0.0.1, or say --insecure if the network is yours alone");
  if (outside(config.http))
    return bad("http", read.at("http"), fmt::format("{}. Listen on 127.0.0.1, or say --insecure if the network is yours alone",
                                                    asks ? "passwords would travel in the clear to this address" : "everybody who reaches this address could read and write everything"));
  const bool everybody = config.tls.client_auth != io::ClientAuth::kRequired;
  if (config.kafka_tls && everybody && !asks && outside(*config.kafka_tls))
    return bad("kafka_tls", read.at("kafka_tls"), "everybody who reaches this address could read and write everything, because clients need no certificate. Name users with --security FILE, "
                                                  "ask for a certificate (tls_client_auth: required), listen on 127.0.0.1, or say --insecure if the network is yours alone");
  return {};
}

// Kafka clients connect again to the address that they are told.
Result<> check_advertised(const Reader& read, std::string_view key, const io::Endpoint& listened, const std::optional<io::Endpoint>& advertised) {
  const bool everywhere = listened.host == "0.0.0.0" || listened.host == "::";
  if (!everywhere || advertised) return {};
  return bad(key, read.at(key), fmt::format("Kafka clients are told where to connect, and nobody can connect to this address. Name one that they reach: {} HOST:PORT",
                                            option_name({.key = fmt::format("advertised_{}", key)})));
}

Result<io::ClientAuth> client_auth(const Reader& read) {
  const Setting& setting = read.at("tls_client_auth");
  if (setting.value == "none") return io::ClientAuth::kNone;
  if (setting.value == "optional") return io::ClientAuth::kOptional;
  if (setting.value == "required") return io::ClientAuth::kRequired;
  return bad("tls_client_auth", setting, "it must be none, optional or required");
}

// Every option of TLS does something, or is refused.
Result<> check_tls(const Reader& read, const ServeConfig& config) {
  for (const std::string_view key : {"tls_certificate", "tls_key"}) {
    if (config.kafka_tls && !read.given(key)) return bad(key, read.at(key), "kafka_tls needs it: a PEM file");
    if (!config.kafka_tls && read.given(key)) return bad(key, read.at(key), "there is no listener with TLS. Name one: --kafka-tls HOST:PORT");
  }
  if (!config.kafka_tls && config.advertised_kafka_tls)
    return bad("advertised_kafka_tls", read.at("advertised_kafka_tls"), "there is no listener with TLS. Name one: --kafka-tls HOST:PORT");
  const bool asks = config.tls.client_auth != io::ClientAuth::kNone;
  if (asks && !config.kafka_tls) return bad("tls_client_auth", read.at("tls_client_auth"), "there is no listener with TLS. Name one: --kafka-tls HOST:PORT");
  if (asks && config.tls.client_ca.empty()) return bad("tls_client_ca", read.at("tls_client_ca"), "tls_client_auth needs it: a PEM file with the authorities of clients");
  if (!asks && !config.tls.client_ca.empty())
    return bad("tls_client_ca", read.at("tls_client_ca"), "no client is asked for its certificate. Say so with --tls-client-auth required (or optional)");
  return {};
}

Result<> read_listeners(const Reader& read, ServeConfig& config) {
  TRY_ASSIGN(config.kafka, read.endpoint("kafka"));
  TRY_ASSIGN(config.http, read.endpoint("http"));
  TRY_ASSIGN(config.advertised_kafka, read.maybe_endpoint("advertised_kafka"));
  TRY_ASSIGN(config.kafka_tls, read.maybe_endpoint("kafka_tls"));
  TRY_ASSIGN(config.advertised_kafka_tls, read.maybe_endpoint("advertised_kafka_tls"));
  TRY_ASSIGN(config.insecure, read.flag("insecure"));
  config.tls.certificate = read.at("tls_certificate").value;
  config.tls.key = read.at("tls_key").value;
  config.tls.client_ca = read.at("tls_client_ca").value;
  TRY_ASSIGN(config.tls.client_auth, client_auth(read));
  TRY(check_tls(read, config));
  TRY(check_loopback(read, config));
  TRY(check_advertised(read, "kafka", config.kafka, config.advertised_kafka));
  if (config.kafka_tls) TRY(check_advertised(read, "kafka_tls", *config.kafka_tls, config.advertised_kafka_tls));
  return {};
}

}  // namespace

std::span<const SettingSpec> setting_specs() { return kSpecs; }

std::string option_name(const SettingSpec& spec) {
  std::string name = "--" + std::string(spec.key);
  std::ranges::replace(name, '_', '-');
  return name;
}

std::string variable_name(const SettingSpec& spec) {
  std::string name = "MILLSTREAM_";
  for (const char c : spec.key) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return name;
}

Result<Settings> parse_config_file(const std::string& name, const std::string& text) {
  try {
    Settings settings;
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return settings;
    const auto place = [&](const YAML::Node& node) { return fmt::format("{}:{}:{}", name, node.Mark().line + 1, node.Mark().column + 1); };
    if (!root.IsMap()) return invalid(fmt::format("{}: a configuration is a list of KEY: VALUE", place(root)));
    const auto keys = known_keys();
    for (const auto& entry : root) {
      const auto key = entry.first.as<std::string>();
      if (std::ranges::find(keys, key) == keys.end()) return invalid(fmt::format("{}: unknown key '{}'{}", place(entry.first), key, did_you_mean(key, keys)));
      if (!entry.second.IsScalar()) return invalid(fmt::format("{}: the value of '{}' must be a single value", place(entry.second), key));
      if (settings.contains(key)) return invalid(fmt::format("{}: '{}' is given twice", place(entry.first), key));
      settings[key] = {entry.second.Scalar(), fmt::format("{}:{}", name, entry.first.Mark().line + 1)};
    }
    return settings;
  } catch (const YAML::Exception& e) {
    return invalid(fmt::format("{}:{}:{}: {}", name, e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

Settings merge_settings(std::span<const Settings> layers) {
  Settings merged;
  for (const SettingSpec& spec : kSpecs) merged[std::string(spec.key)] = {std::string(spec.otherwise), "default"};
  for (const Settings& layer : layers)
    for (const auto& [key, setting] : layer) merged[key] = setting;
  return merged;
}

Result<ServeConfig> to_config(const Settings& settings) {
  const Reader read{settings};
  ServeConfig config;
  config.dir = read.at("dir").value;
  if (config.dir.empty()) return bad("dir", read.at("dir"), "a directory is needed");
  config.security = read.at("security").value;
  TRY(read_listeners(read, config));
  TRY_ASSIGN(config.auto_create_topics, read.flag("auto_create_topics"));
  TRY_ASSIGN(const int64_t partitions, read.integer("default_partitions", 1, 100'000));
  TRY_ASSIGN(const int64_t threads, read.integer("io_threads", 0, 256));
  TRY_ASSIGN(const int64_t shards, read.integer("shards", 1, 256));
  if ((shards & (shards - 1)) != 0) return bad("shards", read.at("shards"), "it must be a power of two: 1, 2, 4, ... 256");
  TRY_ASSIGN(config.checkpoint_interval_ms, read.integer("checkpoint_interval_ms", 100, 86'400'000));
  TRY_ASSIGN(const int64_t samples, read.integer("samples_per_second", 0, 1'000'000));
  TRY_ASSIGN(config.reconcile_interval_ms, read.integer("reconcile_interval_ms", 0, 86'400'000));
  TRY_ASSIGN(const int64_t segment, read.integer("wal_segment_bytes", 1 << 20, int64_t{1} << 31));
  TRY_ASSIGN(const int64_t cache, read.integer("tail_cache_bytes", 1 << 20, int64_t{1} << 40));
  TRY_ASSIGN(config.offsets_retention_minutes, read.integer("offsets_retention_minutes", 1, INT32_MAX));
  TRY_ASSIGN(config.offsets_retention_check_interval_ms, read.integer("offsets_retention_check_interval_ms", 1, 86'400'000));
  TRY_ASSIGN(config.slow_request_ms, read.integer("slow_request_ms", 0, 86'400'000));
  TRY_ASSIGN(const int64_t series, read.integer("metrics_series_max", 0, 10'000'000));
  config.metrics_series_max = static_cast<size_t>(series);
  config.default_partitions = static_cast<int32_t>(partitions);
  config.io_threads = static_cast<size_t>(threads);
  config.shards = static_cast<uint32_t>(shards);
  config.samples_per_second = static_cast<uint32_t>(samples);
  config.wal_segment_bytes = static_cast<size_t>(segment);
  config.tail_cache_bytes = static_cast<size_t>(cache);
  config.log_level = read.at("log_level").value;
  const std::vector<std::string> levels{"debug", "info", "warn", "error"};
  if (std::ranges::find(levels, config.log_level) == levels.end())
    return bad("log_level", read.at("log_level"), "it must be debug, info, warn or error");
  return config;
}

std::string print_settings(const Settings& settings) {
  std::string out;
  for (const SettingSpec& spec : kSpecs) {
    const Setting& setting = settings.find(spec.key)->second;
    YAML::Emitter value;
    if (setting.value.empty()) value << YAML::DoubleQuoted;
    value << setting.value;
    out += fmt::format("{:<48}  # {}\n", fmt::format("{}: {}", spec.key, value.c_str()), setting.origin);
  }
  return out;
}

}  // namespace ms::server
