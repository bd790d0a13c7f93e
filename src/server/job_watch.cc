#include "server/job_watch.h"

#include <fmt/format.h>

#include <utility>

#include "server/interrupt.h"
#include "server/output.h"

namespace ms::server {
namespace {

constexpr int kProgressWaitMs = 200;

}  // namespace

Result<Json> watch_job(ApiClient& client, const std::string& id, bool quiet) {
  ProgressLine line(quiet);
  bool cancelled = false;
  while (true) {
    if (Interrupts::count() > 1) return fail(ErrorKind::kCancelled, "the server is still cancelling job " + id);
    if (Interrupts::count() > 0 && !std::exchange(cancelled, true)) TRY(client.send("DELETE", "/v1/jobs/" + id, {}));
    TRY_ASSIGN(const Json job, client.get(fmt::format("/v1/jobs/{}?wait_ms={}", id, kProgressWaitMs)));
    const std::string state = job["state"];
    if (state == "done") return job["report"];
    if (state == "cancelled") return fail(ErrorKind::kCancelled, "cancelled");
    if (state == "failed") return fail(error_kind(job["error"]["code"].get<std::string>()), job["error"]["detail"].get<std::string>());
    if (cancelled) line.show("cancelling");
    else if (state == "queued") line.show("waiting for another job to end");
    else line.show({job["phase"].get<std::string>(), job["done"], job["total"], job["rows_per_second"], job["seconds_left"]});
  }
}

}  // namespace ms::server
