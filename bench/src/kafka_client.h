// What the clients on librdkafka share: a handle, seconds.
#pragma once

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "bench/src/arguments.h"

namespace ms::bench {

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
