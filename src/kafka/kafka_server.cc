#include "kafka/kafka_server.h"

#include <future>

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
  Result<> listen(const Listener& listener, io::IoRuntime& runtime);
  std::vector<std::unique_ptr<io::TcpServer>> tcp;  // one for each of options.listeners
  uint64_t log_listener = 0;
  uint64_t authority_listener = 0;
  bool stopped = false;
};

KafkaServer::KafkaServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<> KafkaServer::Impl::listen(const Listener& listener, io::IoRuntime& runtime) {
  // A client may ask before the server has the port that the system gave, but only at a port that it knew.
  const auto here = std::make_shared<AdvertisedAddress>(listener.advertised_host.empty() ? listener.host : listener.advertised_host,
                                                        listener.advertised_port != 0 ? listener.advertised_port : listener.port);
  const auto& o = broker.options;
  TRY_ASSIGN(auto started, io::TcpServer::start({.host = listener.host,
                                                 .port = listener.port,
                                                 .connections_max = o.connections_max,
                                                 .frame_bytes_max = o.request_bytes_max,
                                                 .memory_bytes_max = o.request_memory_bytes_max,
                                                 .refuse_for_ms = [this](const std::string& address) { return broker.quotas.any() ? broker.quotas.connect(address) : 0; },
                                                 .tls = listener.tls},
                                                runtime, [this, here](std::shared_ptr<io::Connection> connection) {
                                                  return KafkaConnection::make(broker, std::move(connection), here);
                                                }));
  if (listener.advertised_port == 0) here->port = started->port();
  tcp.push_back(std::move(started));
  return {};
}

Result<std::unique_ptr<KafkaServer>> KafkaServer::start(KafkaServerOptions options, log::Log& log, io::IoRuntime& runtime) {
  std::unique_ptr<KafkaServer> server(new KafkaServer(std::make_unique<Impl>(std::move(options), log, runtime)));
  Impl& impl = *server->impl_;
  Broker& broker = impl.broker;
  impl.log_listener = log.add_listener([&broker](std::span<const TopicPartition> touched) { broker.waiters.notify(touched); });
  if (auto* authority = broker.options.authority) impl.authority_listener = authority->add_listener([&broker] { broker.connections.tell_all(); });
  for (const Listener& listener : broker.options.listeners) TRY(impl.listen(listener, runtime));
  broker.expirer.start();
  return server;
}

KafkaServer::~KafkaServer() { stop(); }

uint16_t KafkaServer::port(size_t listener) const { return impl_->tcp.at(listener)->port(); }

void KafkaServer::expire_offsets() {
  std::promise<void> ended;
  impl_->broker.expirer.check([&] { ended.set_value(); });
  ended.get_future().wait();
}

void KafkaServer::stop() {
  if (!impl_ || std::exchange(impl_->stopped, true)) return;
  Broker& broker = impl_->broker;
  for (const auto& tcp : impl_->tcp) tcp->stop();
  broker.log.remove_listener(impl_->log_listener);
  if (broker.options.authority) broker.options.authority->remove_listener(impl_->authority_listener);
  broker.worker.stop();
  broker.logins.stop();
  if (const auto keys = broker.options.authority ? broker.options.authority->oauth() : nullptr) keys->refuse_waiting();
  broker.expirer.stop();
  broker.coordinator.stop();
  broker.waiters.close();
  // What is left waits for the log's writer, which always answers. If it does not, leaking beats a late call into nothing.
  if (broker.alive->wait_for_none(kStopDeadline)) return;
  log_error("kafka_stop_timeout", {{"what", "requests still wait for the log"}});
  static_cast<void>(impl_.release());
}

}  // namespace ms::kafka
