// What the clients on librdkafka share: their arguments, a handle, seconds.
#pragma once

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace ms::bench {

[[noreturn]] inline void die(const std::string& why) {
  fmt::print(stderr, "bench: {}\n", why);
  std::exit(1);
}

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

using OnDelivery = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void*);

// `on_delivery` gets `opaque`; nullptr for consumers.
inline rd_kafka_t* kafka_client(rd_kafka_type_t type, const Arguments& a, OnDelivery on_delivery = nullptr, void* opaque = nullptr) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  const auto set = [&](const std::string& name, const std::string& value) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) die(error);
  };
  set("bootstrap.servers", a.server);
  for (const auto& [name, value] : a.properties) set(name, value);
  rd_kafka_conf_set_opaque(conf, opaque);
  if (on_delivery != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t* out = rd_kafka_new(type, conf, error, sizeof error);
  if (out == nullptr) die(error);
  return out;
}

// How many partitions the topic has; connects.
inline int partition_count(rd_kafka_t* rk, rd_kafka_topic_t* topic, const std::string& server) {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(rk, 0, topic, &metadata, 20'000) != RD_KAFKA_RESP_ERR_NO_ERROR || metadata->topic_cnt != 1) die("no metadata from " + server);
  const int count = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  return count;
}

inline double seconds_since(int64_t from_us) { return static_cast<double>(system_clock().steady_us() - from_us) / 1e6; }

}  // namespace ms::bench
