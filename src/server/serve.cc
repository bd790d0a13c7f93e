#include "server/serve.h"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "api/api.h"
#include "api/topics_handlers.h"
#include "base/clock.h"
#include "base/logging.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "io/http_server.h"
#include "kafka/kafka_server.h"
#include "log/log.h"
#include "log/topic_config.h"
#include "online/online.h"
#include "online/samples.h"
#include "security/authority.h"
#include "server/data_dir.h"
#include "server/open_files.h"
#include "server/version.h"

namespace ms::server {
namespace {

constexpr std::chrono::seconds kStopMax{5};
constexpr int64_t kReadyPollNs = 2'000'000;
constexpr int64_t kCertificatesEveryNs = 3'000'000'000;

// Ends the process when an orderly stop takes too long; everything on disk survives that as it survives kill -9.
class StopWatchdog {
 public:
  StopWatchdog() : thread_([this] { run(); }) {}
  ~StopWatchdog() {
    {
      const std::scoped_lock lock(mutex_);
      done_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kStopMax, [this] { return done_; })) return;
    log_error("stop_too_slow", {{"seconds", kStopMax.count()}});
    ::_exit(1);
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

class Server {
 public:
  explicit Server(const ServeConfig& config) : config_(config) {}
  ~Server() { (void)stop(); }

  Result<> start() {
    limit_connections();
    TRY_ASSIGN(dir_, DataDir::open(fs_, config_.dir));
    TRY_ASSIGN(runtime_, io::IoRuntime::start({.threads = config_.io_threads}));
    TRY(start_log());
    TRY(start_authority());
    TRY_ASSIGN(catalog_, catalog::Catalog::open(fs_, dir_->path() + "/catalog"));
    TRY_ASSIGN(engine_, engine::Engine::start({.dir = dir_->path(),
                                               .fs = &fs_,
                                               .clock = &system_clock(),
                                               .shards = config_.shards,
                                               .checkpoint_interval_ms = config_.checkpoint_interval_ms},
                                              *log_, *catalog_));
    online_ = std::make_unique<online::Online>(*engine_, *catalog_);
    TRY_ASSIGN(samples_, online::SampleWriter::start({.dir = dir_->path() + "/samples",
                                                      .fs = &fs_,
                                                      .clock = &system_clock(),
                                                      .per_second = config_.samples_per_second}));
    TRY(start_kafka());
    TRY(start_http());
    log_info("listening", {{"kafka", kafka_address()}, {"kafka_tls", kafka_tls_address()}, {"http", http_address()}, {"dir", dir_->path()}});
    return {};
  }

  bool has_tls() const { return tls_ != nullptr; }
  io::TlsCredentials& tls() { return *tls_; }
  // Reads certificates and the security file again. What cannot be used is logged, and what was there before stays in use.
  void reload() {
    if (has_tls()) tls_->reload();
    if (!config_.security.empty()) reload_security();
    if (!has_tls() && config_.security.empty()) log_info("nothing_to_read_again", {{"what", "there are no certificates and no security file"}});
  }
  bool ready() const { return engine_->ready(); }
  std::string kafka_address() const { return io::format_endpoint({config_.kafka.host, kafka_->port()}); }
  // Empty: there is no such listener.
  std::string kafka_tls_address() const { return tls_ ? io::format_endpoint({config_.kafka_tls->host, kafka_->port(1)}) : ""; }
  std::string http_address() const { return io::format_endpoint({config_.http.host, http_->port()}); }
  const std::string& dir() const { return dir_->path(); }

  // From the outside in: no request reaches a part that has stopped. The first part's error that could not close; the others
  // close all the same, and what was acknowledged is safe.
  Result<> stop() {
    if (http_) http_->stop();
    if (api_) api_->stop();
    if (kafka_) kafka_->stop();
    if (samples_) samples_->stop();
    Result<> done;
    if (engine_) keep_first(done, "engine", engine_->stop());
    if (log_) keep_first(done, "log", log_->close());
    if (runtime_) runtime_->stop();
    return done;
  }

 private:
  static void keep_first(Result<>& first, std::string_view what, Result<> result) {
    if (result) return;
    log_error("stop_failed", {{"part", what}, {"error", result.error().message}});
    if (first) first = Unexpected(result.error().within("stopping the " + std::string(what)));
  }

  void limit_connections() {
    const uint64_t files = raise_open_files();
    connections_ = connection_limits(files, config_.kafka_tls ? 2 : 1);
    if (connections_.kafka == kConnectionsMax) return;
    log_warn("few_open_files",
             {{"open_files", files},
              {"kafka_connections_max", connections_.kafka},
              {"http_connections_max", connections_.http},
              {"what_to_do", fmt::format("allow {} open files: ulimit -Hn, or LimitNOFILE= of systemd", kOpenFilesWanted)}});
  }

  Result<> start_log() {
    log::LogOptions options{.dir = dir_->path(), .fs = &fs_, .clock = &system_clock()};
    options.wal_segment_bytes = config_.wal_segment_bytes;
    options.tail_cache_bytes_max = config_.tail_cache_bytes;
    options.reconcile_interval_ms = config_.reconcile_interval_ms;
    TRY_ASSIGN(log_, log::Log::open(options));
    return {};
  }

  Result<security::SecurityFile> read_security() const {
    const auto text = read_file(fs_, config_.security);
    if (!text) return invalid(text.error().message);
    return security::parse_security_file(config_.security, *text);
  }

  void reload_security() {
    const auto replaced = [&]() -> Result<> {
      TRY_ASSIGN(auto file, read_security());
      return authority_->replace_file(std::move(file));
    }();
    if (replaced) return log_info("security_file_read", {{"file", config_.security}});
    log_error("security_file_refused", {{"file", config_.security}, {"error", replaced.error().message}, {"what", "the one of before stays in use"}});
    audit_->write("security_file_refused", {{"because", replaced.error().message}});
  }

  Result<> start_authority() {
    security::SecurityFile file;
    if (!config_.security.empty()) {
      TRY_ASSIGN(file, read_security());
      TRY_ASSIGN(audit_, security::Audit::open({.file = dir_->path() + "/audit/audit.jsonl", .fs = &fs_, .clock = &system_clock()}));
    }
    TRY_ASSIGN(authority_, security::Authority::open(std::move(file), *log_, audit_.get()));
    if (config_.security.empty() && authority_->guards())
      return invalid(fmt::format("{} has users; start with --security FILE, whose super_users administer them (docs/security.md)", dir_->path()));
    if (config_.security.empty() || authority_->guards()) return {};
    const bool outside = !io::is_loopback(config_.kafka.host) || (config_.kafka_tls && !io::is_loopback(config_.kafka_tls->host));
    if (outside && !config_.insecure)
      return invalid(fmt::format("{} names no users yet, so everybody who reaches the server could do everything. 'millstream credential NAME' prints a line for its 'users'", config_.security));
    log_warn("no_users_yet", {{"what", "everybody may do everything until the first user is there"}, {"security", config_.security}});
    return {};
  }

  template <class Listener>
  static Result<Listener> advised(Result<Listener> started, std::string_view option) {
    if (started || started.error().kind != ErrorKind::kConflict) return started;
    return fail(ErrorKind::kConflict, fmt::format("{}; is another server running? --{} HOST:PORT listens elsewhere, port 0 takes a free one",
                                                  started.error().message, option));
  }

  static kafka::Listener listener_at(const io::Endpoint& at, const std::optional<io::Endpoint>& advertised) {
    kafka::Listener listener{.host = at.host, .port = at.port};
    if (!advertised) return listener;
    listener.advertised_host = advertised->host;
    listener.advertised_port = advertised->port;
    return listener;
  }

  Result<> start_kafka() {
    kafka::KafkaServerOptions options{.listeners = {listener_at(config_.kafka, config_.advertised_kafka)}};
    if (config_.kafka_tls) {
      TRY_ASSIGN(tls_, io::TlsCredentials::open(config_.tls));
      options.listeners.push_back(listener_at(*config_.kafka_tls, config_.advertised_kafka_tls));
      options.listeners.back().tls = tls_;
    }
    options.connections_max = connections_.kafka;
    options.auto_create_topics = config_.auto_create_topics;
    options.default_partitions = config_.default_partitions;
    options.slow_request_ms = config_.slow_request_ms;
    options.offsets_retention_minutes = config_.offsets_retention_minutes;
    options.offsets_retention_check_interval_ms = config_.offsets_retention_check_interval_ms;
    options.authority = authority_.get();
    options.plain_in_the_clear = config_.insecure;
    options.delete_topic = [catalog = catalog_.get(), log = log_.get()](const log::TopicInfo& topic) {
      return catalog->remove_topic(topic.id, topic.name, [&] { return log->delete_topic(topic.id); });
    };
    options.alter_topic = [catalog = catalog_.get(), log = log_.get()](const log::TopicInfo& topic, const log::ConfigValues& changes) {
      const auto alter = [&] { return log->alter_config(topic.id, changes); };
      return log::begins_to_compact(topic.config, changes) ? catalog->compact_topic(topic.id, topic.name, alter) : alter();
    };
    TRY_ASSIGN(kafka_, advised(kafka::KafkaServer::start(options, *log_, *runtime_), "kafka"));
    return {};
  }

  Result<> start_http() {
    api_ = std::make_unique<api::Api>(api::ApiParts{.dir = dir_->path(),
                                                    .fs = &fs_,
                                                    .clock = &system_clock(),
                                                    .log = log_.get(),
                                                    .catalog = catalog_.get(),
                                                    .engine = engine_.get(),
                                                    .online = online_.get(),
                                                    .samples = samples_.get(),
                                                    .authority = authority_.get(),
                                                    .version = kVersion,
                                                    .kafka = kafka_address(),
                                                    .metrics_series_max = config_.metrics_series_max});
    io::HttpServerOptions options{.host = config_.http.host, .port = config_.http.port, .connections_max = connections_.http};
    TRY_ASSIGN(http_, advised(io::HttpServer::start(options, *api_, *runtime_), "http"));
    return {};
  }

  const ServeConfig& config_;
  ConnectionLimits connections_;
  FileSystem& fs_ = posix_file_system();
  std::unique_ptr<DataDir> dir_;
  std::unique_ptr<io::IoRuntime> runtime_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<security::Audit> audit_;
  std::unique_ptr<security::Authority> authority_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<online::Online> online_;
  std::unique_ptr<online::SampleWriter> samples_;
  std::shared_ptr<io::TlsCredentials> tls_;  // of the second listener for Kafka
  std::unique_ptr<kafka::KafkaServer> kafka_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<io::HttpServer> http_;
};

LogLevel to_level(const std::string& text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "warn") return LogLevel::kWarn;
  return text == "error" ? LogLevel::kError : LogLevel::kInfo;
}

sigset_t stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  return set;
}

// The signal that came within `nanoseconds`; 0: none.
int wait_for_signal(const sigset_t& set, int64_t nanoseconds) {
  const timespec timeout{.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
  const int signal = ::sigtimedwait(&set, nullptr, &timeout);
  return std::max(signal, 0);
}

int wait_for_signal(const sigset_t& set) {
  int signal = 0;
  while (::sigwait(&set, &signal) == EINTR) {}
  return signal;
}

// Waits for a signal to stop; keeps files fresh until then.
int serve_until_signal(Server& server, sigset_t signals) {
  ::sigaddset(&signals, SIGHUP);
  for (;;) {
    const int signal = server.has_tls() ? wait_for_signal(signals, kCertificatesEveryNs) : wait_for_signal(signals);
    if (signal == 0) server.tls().reload_if_changed();
    else if (signal == SIGHUP) server.reload();
    else return signal;
  }
}

}  // namespace

Result<> serve(const ServeConfig& config) {
  set_log_level(to_level(config.log_level));
  const sigset_t signals = stop_signals();
  Server server(config);
  TRY(server.start());
  int signal = 0;
  while (signal == 0 && !server.ready()) signal = wait_for_signal(signals, kReadyPollNs);
  if (signal == 0) {
    const std::string tls = server.has_tls() ? " kafka_tls=" + server.kafka_tls_address() : "";
    fmt::print("ready kafka={}{} http={} dir={}\n", server.kafka_address(), tls, server.http_address(), server.dir());
    std::fflush(stdout);
    signal = serve_until_signal(server, signals);
  }
  log_info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  // A second signal ends the process at once.
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  const StopWatchdog watchdog;
  const Result<> stopped = server.stop();
  log_info("stopped");
  return stopped;
}

}  // namespace ms::server
