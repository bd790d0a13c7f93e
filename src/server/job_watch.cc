#include "server/job_watch.h"

#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "server/output.h"

namespace ms::server {
namespace {

constexpr int kProgressWaitMs = 200;

volatile std::sig_atomic_t interrupt_seen = 0;
void on_interrupt(int) { interrupt_seen = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return interrupt_seen != 0; }

Result<Json> watch_job(ApiClient& client, const std::string& id, bool quiet) {
  ProgressLine line(quiet);
  bool cancelled = false;
  while (true) {
    if (interrupted() && !std::exchange(cancelled, true)) TRY(client.send("DELETE", "/v1/jobs/" + id, {}));
    TRY_ASSIGN(const Json job, client.get(fmt::format("/v1/jobs/{}?wait_ms={}", id, kProgressWaitMs)));
    const std::string state = job["state"];
    if (state == "done") return job["report"];
    if (state == "cancelled") return fail(ErrorKind::kCancelled, "cancelled; nothing was left behind");
    if (state == "failed") return fail(error_kind(job["error"]["code"].get<std::string>()), job["error"]["detail"].get<std::string>());
    line.show(job["phase"].get<std::string>(), job["done"], job["total"], job["rows_per_second"], job["seconds_left"]);
  }
}

}  // namespace ms::server
