#include "io/tls_credentials.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/types.h"

namespace ms::io {

namespace {

void note(const TlsContext& context) {
  gauge("millstream_tls_certificate_expires_seconds").set(context.not_after_us() / kMicrosPerSecond);
}

}  // namespace

Result<std::shared_ptr<TlsCredentials>> TlsCredentials::open(TlsFiles files) {
  std::shared_ptr<TlsCredentials> credentials(new TlsCredentials(std::move(files)));
  TRY_ASSIGN(credentials->current_, TlsContext::load(credentials->files_));
  note(*credentials->current_);
  return credentials;
}

std::shared_ptr<const TlsContext> TlsCredentials::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::string TlsCredentials::look() const {
  std::string seen;
  for (const std::string& path : {files_.certificate, files_.key, files_.client_ca}) {
    struct stat file{};
    if (!path.empty() && ::stat(path.c_str(), &file) == 0)
      seen += fmt::format("{}/{}/{}/{}.{}", file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
    seen += ';';
  }
  return seen;
}

void TlsCredentials::reload() {
  auto seen = look();
  auto context = TlsContext::load(files_);
  const std::lock_guard lock(mutex_);
  seen_ = std::move(seen);
  if (!context) {
    counter("millstream_tls_reloads_failed_total").add();
    return log_error("tls_reload_failed", {{"error", context.error().message}, {"now", "the certificate of before stays in use"}});
  }
  current_ = std::move(*context);
  note(*current_);
  log_info("tls_reloaded", {{"certificate", files_.certificate}});
}

void TlsCredentials::reload_if_changed() {
  auto seen = look();
  {
    const std::lock_guard lock(mutex_);
    if (seen == seen_) return;
  }
  reload();
}

}  // namespace ms::io
