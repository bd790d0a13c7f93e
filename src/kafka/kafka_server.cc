#include "kafka/kafka_server.h"

#include "base/logging.h"
#include "kafka/broker.h"
#include "kafka/connection.h"

namespace ms::kafka {

namespace {
constexpr std::chrono::seconds kStopDeadline{5};
}

struct KafkaServer::Impl {
  Impl(KafkaServerOptions options, log::Log& log, io::IoRuntime& runtime) : broker(std::move(options), log, runtime) {}
  Broker broker;
  std::unique_ptr<io::TcpServer> tcp;
  uint64_t listener = 0;
  bool stopped = false;
};

KafkaServer::KafkaServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<KafkaServer>> KafkaServer::start(KafkaServerOptions options, log::Log& log, io::IoRuntime& runtime) {
  if (options.advertised_host.empty()) options.advertised_host = options.host;
  auto impl = std::make_unique<Impl>(std::move(options), log, runtime);
  Broker& broker = impl->broker;
  const auto& o = broker.options;
  TRY_ASSIGN(impl->tcp, io::TcpServer::start({.host = o.host,
                                              .port = o.port,
                                              .connections_max = o.connections_max,
                                              .frame_bytes_max = o.request_bytes_max,
                                              .memory_bytes_max = o.request_memory_bytes_max},
                                             runtime, [&broker](std::shared_ptr<io::Connection> connection) {
                                               return std::make_shared<KafkaConnection>(broker, std::move(connection));
                                             }));
  if (o.advertised_port == 0) broker.advertised_port = impl->tcp->port();
  impl->listener = log.add_listener([&broker](std::span<const TopicPartition> touched) { broker.waiters.notify(touched); });
  return std::unique_ptr<KafkaServer>(new KafkaServer(std::move(impl)));
}

KafkaServer::~KafkaServer() { stop(); }

uint16_t KafkaServer::port() const { return impl_->tcp->port(); }

void KafkaServer::stop() {
  if (!impl_ || std::exchange(impl_->stopped, true)) return;
  Broker& broker = impl_->broker;
  impl_->tcp->stop();
  broker.log.remove_listener(impl_->listener);
  broker.worker.stop();
  broker.coordinator.stop();
  broker.waiters.close();
  // What is left waits for the log's writer, which always answers. If it does not, leaking beats a late call into nothing.
  if (broker.alive->wait_for_none(kStopDeadline)) return;
  log_error("kafka_stop_timeout", {{"what", "requests still wait for the log"}});
  static_cast<void>(impl_.release());
}

}  // namespace ms::kafka
