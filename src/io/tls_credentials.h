// The TLS files of a listener while it runs: read at the start, and again when they change.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "io/tls_context.h"

namespace ms::io {

// Thread-safe. Connections keep the certificate that they began with; new ones get the newest.
class TlsCredentials {
 public:
  // Errors: those of TlsContext::load.
  static Result<std::shared_ptr<TlsCredentials>> open(TlsFiles files);

  std::shared_ptr<const TlsContext> current() const;
  // Reads the files again. If they are no good, current() stays what it was and an error is logged. Waits for the disk.
  void reload();
  // reload(), when a file is another one, longer, shorter or newer than at the last look.
  void reload_if_changed();

 private:
  explicit TlsCredentials(TlsFiles files) : files_(std::move(files)), seen_(look()) {}
  std::string look() const;

  const TlsFiles files_;
  mutable std::mutex mutex_;
  std::string seen_;  // what look() said
  std::shared_ptr<const TlsContext> current_;
};

}  // namespace ms::io
