// Structured log lines: `time level event key=value ...` on stderr. One event name each; ERROR means somebody must act.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace ms {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  std::string_view key;
  std::string value;
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class T>
    requires requires(T v) { std::to_string(v); }
  LogField(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
};

// Thread-safe. Values with spaces or quotes are quoted. Never throws.
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
void set_log_level(LogLevel level);  // default kInfo

inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log_event(LogLevel::kInfo, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log_event(LogLevel::kWarn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log_event(LogLevel::kError, event, fields);
}

}  // namespace ms
