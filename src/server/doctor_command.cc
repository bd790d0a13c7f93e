// millstream doctor: what about this machine and directory would keep a server from running well
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "base/clock.h"
#include "base/file_lock.h"
#include "base/file_system.h"
#include "engine/timeline.h"
#include "io/endpoint.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/data_dir.h"
#include "server/doctor_findings.h"
#include "server/open_files.h"
#include "server/output.h"

namespace ms::server {
namespace {

struct DoctorOptions {
  std::string dir = "millstream-data";
  std::string kafka = "127.0.0.1:9092", http = "127.0.0.1:8484";
};

constexpr std::string_view to_string(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kWarning ? "warning" : "problem";
}

constexpr int64_t kGiB = int64_t{1} << 30;
constexpr size_t kSyncs = 32;
constexpr int64_t kSlowSyncUs = 20'000;
constexpr long kTmpfs = 0x01021994, kRamfs = static_cast<long>(0x858458f6), kOverlay = 0x794c7630, kNfs = 0x6969;

std::string text_of_errno() { return std::strerror(errno); }

Finding space(const std::string& dir) {
  struct statfs fs{};
  if (::statfs(dir.c_str(), &fs) != 0) return {"disk space", Verdict::kProblem, text_of_errno()};
  const int64_t free = static_cast<int64_t>(fs.f_bavail) * fs.f_bsize;
  const std::string text = fmt::format("{} free", human_bytes(free));
  if (free < kGiB) return {"disk space", Verdict::kProblem, text + "; produce is refused when the disk is full: make room"};
  if (free < 10 * kGiB) return {"disk space", Verdict::kWarning, text + "; retention (retention.ms, retention.bytes) keeps topics small"};
  return {"disk space", Verdict::kOk, text};
}

Finding kind(const std::string& dir) {
  struct statfs fs{};
  if (::statfs(dir.c_str(), &fs) != 0) return {"file system", Verdict::kProblem, text_of_errno()};
  if (fs.f_type == kTmpfs || fs.f_type == kRamfs) return {"file system", Verdict::kWarning, "in memory (tmpfs): everything is lost with the machine"};
  if (fs.f_type == kOverlay) return {"file system", Verdict::kWarning, "overlay: it goes with the container; mount a volume for data that must stay"};
  if (fs.f_type == kNfs) return {"file system", Verdict::kWarning, "NFS: its locks and syncs are only as good as the server's"};
  return {"file system", Verdict::kOk, "local"};
}

// Times of small appends that are synced one by one, as the log does them; sorted.
Result<std::vector<int64_t>> time_syncs(const std::string& dir) {
  FileSystem& fs = posix_file_system();
  const std::string path = fmt::format("{}/doctor-{}.tmp", dir, ::getpid());
  TRY_ASSIGN(auto file, fs.open(path, FileSystem::Open::kCreateNew));
  const std::array<uint8_t, 4096> block{};
  const std::span<const uint8_t> part(block);
  std::vector<int64_t> times;
  Result<> done;
  for (size_t i = 0; i < kSyncs && done; ++i) {
    const int64_t began = system_clock().steady_us();
    done = file->write_at(i * block.size(), std::span(&part, 1));
    if (done) done = file->sync_data();
    times.push_back(system_clock().steady_us() - began);
  }
  file.reset();
  TRY(fs.remove(path));
  TRY(std::move(done));
  std::ranges::sort(times);
  return times;
}

Finding sync_latency(const std::string& dir) {
  const auto times = time_syncs(dir);
  if (!times) return {"fdatasync", Verdict::kProblem, times.error().message};
  const int64_t median = (*times)[times->size() / 2];
  const std::string text = fmt::format("median {:.2f} ms, worst {:.2f} ms of {} appends of 4 KiB", static_cast<double>(median) / 1e3,
                                       static_cast<double>(times->back()) / 1e3, times->size());
  if (median <= kSlowSyncUs) return {"fdatasync", Verdict::kOk, text};
  return {"fdatasync", Verdict::kWarning, text + "; every acknowledged produce waits for one: use a faster disk"};
}

// Empty when the address can be listened on.
std::string try_listen(const io::Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found); error != 0)
    return ::gai_strerror(error);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  std::string refused;
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || ::bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(fd, 1) != 0)
    refused = text_of_errno();
  if (fd >= 0) ::close(fd);
  ::freeaddrinfo(found);
  return refused;
}

Finding port(std::string_view what, const io::Endpoint& endpoint, const std::string& holder) {
  const std::string address = io::format_endpoint(endpoint), refused = try_listen(endpoint);
  if (refused.empty()) return {what, Verdict::kOk, address + " is free"};
  if (!holder.empty()) return {what, Verdict::kOk, fmt::format("{}: {}, and a server runs on the directory", address, refused)};
  return {what, Verdict::kProblem, fmt::format("{}: {}; stop what listens there or choose another with --{}", address, refused, what.substr(0, what.find(' ')))};
}

// No instant is issued twice: a server waits until the clock has passed everything it finds.
Finding clock(const std::string& dir) {
  FileSystem& fs = posix_file_system();
  const auto there = fs.exists(dir + "/timeline");
  if (!there || !*there) return {"clock", Verdict::kOk, "no instants were issued in this directory yet"};
  const auto timeline = engine::TimelineReader::open(fs, dir + "/timeline");
  if (!timeline) return {"clock", Verdict::kProblem, timeline.error().message};
  const int64_t ahead = (*timeline)->synced_until().us - system_clock().wall_us();
  if (ahead <= kMicrosPerSecond) return {"clock", Verdict::kOk, "past the instants of the directory"};
  return {"clock", Verdict::kProblem, fmt::format("{} behind the newest instant of the directory; a server answers no reads until it has passed: set the clock",
                                                  human_age(ahead / 1000))};
}

// A server raises its soft limit to the hard one.
Finding open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {"open files", Verdict::kProblem, text_of_errno()};
  const std::string text =
      fmt::format("up to {}", limit.rlim_max == RLIM_INFINITY ? "any number" : human_count(static_cast<int64_t>(limit.rlim_max)));
  if (limit.rlim_max >= kOpenFilesWanted) return {"open files", Verdict::kOk, text};
  return {"open files", Verdict::kWarning,
          fmt::format("{}, which leaves {} Kafka connections; for {} allow {}: ulimit -Hn, or LimitNOFILE= of systemd", text,
                      human_count(static_cast<int64_t>(connection_limits(limit.rlim_max, 1).kafka)), human_count(kConnectionsMax),
                      human_count(kOpenFilesWanted))};
}

// The directory itself, or where it would be made.
std::string nearest_existing(const std::string& dir) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(dir, error);
  while (!std::filesystem::is_directory(path, error) && path.has_relative_path()) path = path.parent_path();
  return path.string();
}

Finding directory(const std::string& dir, const std::string& holder) {
  const auto there = posix_file_system().exists(dir);
  if (there && !*there) return {"directory", Verdict::kOk, dir + " is not there yet; serve makes it"};
  if (!holder.empty()) return {"directory", Verdict::kOk, fmt::format("{} is in use by the server with process id {}", dir, holder)};
  const auto format = check_format(posix_file_system(), dir);
  if (format) return {"directory", Verdict::kOk, dir + " is a Millstream directory that no server holds"};
  const auto names = posix_file_system().list(dir);
  if (names && names->empty()) return {"directory", Verdict::kOk, dir + " is empty"};
  return {"directory", Verdict::kProblem, format.error().message};
}

int doctor(const Cli& cli, const DoctorOptions& options) {
  const auto kafka = io::parse_endpoint(options.kafka), http = io::parse_endpoint(options.http);
  if (!kafka) return report(kafka.error());
  if (!http) return report(http.error());
  const std::string holder = FileLock::holder(options.dir + "/LOCK").value_or("");
  const std::string place = nearest_existing(options.dir);
  std::vector<Finding> findings = {directory(options.dir, holder), space(place), kind(place), sync_latency(place), clock(options.dir),
                                         port("kafka port", *kafka, holder), port("http port", *http, holder), open_files()};
  if (!holder.empty()) std::ranges::move(look_at_server(*kafka, *http, cli.common.server), std::back_inserter(findings));
  Json list = Json::array();
  Table table({"CHECK", "VERDICT", "FOUND"});
  for (const Finding& finding : findings) {
    list.push_back({{"check", finding.what}, {"verdict", to_string(finding.verdict)}, {"found", finding.text}});
    table.add({std::string(finding.what), std::string(to_string(finding.verdict)), finding.text});
  }
  if (cli.common.json) fmt::print("{}\n", dump(list));
  else fmt::print("{}", table.text());
  return std::ranges::any_of(findings, [](const Finding& f) { return f.verdict == Verdict::kProblem; }) ? kFailed : kDone;
}

}  // namespace

void add_doctor_command(Cli& cli) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* sub = add_command(cli, cli.app, "doctor", "what about this machine would keep a server from running well", [&cli, options] { return doctor(cli, *options); });
  sub->add_option("--dir", options->dir, "the data directory (default ./millstream-data)")->type_name("DIR");
  sub->add_option("--kafka", options->kafka, "HOST:PORT (default 127.0.0.1:9092)")->type_name("TEXT");
  sub->add_option("--http", options->http, "HOST:PORT (default 127.0.0.1:8484)")->type_name("TEXT");
  add_user_options(cli, *sub);
  add_output_options(cli, *sub);
}

}  // namespace ms::server
