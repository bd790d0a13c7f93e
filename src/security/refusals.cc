#include "security/refusals.h"

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/metrics.h"

namespace ms::security {

namespace {

void warn(LogLimits& limits, std::string_view event, std::string_view who, std::initializer_list<LogField> fields) {
  const auto left_out = limits.admit(who, system_clock().steady_us());
  if (!left_out) return counter("millstream_security_log_lines_left_out_total").add();
  log_warn(event, fields);
  if (*left_out > 0) log_warn("log_lines_left_out", {{"of", event}, {"who", who}, {"lines", *left_out}, {"what", "the audit file has them"}});
}

}  // namespace

void warn_access_denied(std::string_view who, std::initializer_list<LogField> fields) {
  static LogLimits limits;
  warn(limits, "access_denied", who, fields);
}

void warn_login_refused(std::string_view who, std::initializer_list<LogField> fields) {
  static LogLimits limits;
  warn(limits, "login_refused", who, fields);
}

}  // namespace ms::security
