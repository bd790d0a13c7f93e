// The audit file: one JSON object a line for every decision somebody may ask about later. docs/security.md lists the fields.
#pragma once

#include <cstdint>
#include <condition_variable>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"

namespace ms::security {

struct AuditOptions {
  std::string file;  // audit.jsonl; older ones are audit.jsonl.1, .2, ...
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  uint64_t file_bytes_max = 64u << 20;
  int files_max = 8;  // the current one included
};

// Thread-safe. A thread of its own writes; nobody waits for it. When the disk does not take an event, or events come faster
// than it takes them, they are counted (millstream_audit_events_lost_total, and an event audit_gap when it goes on): what was
// decided stays decided either way. Each event has a number; those that are missing in the file are as many as the gaps say.
class Audit {
 public:
  using Field = std::pair<std::string_view, std::string_view>;
  // Opens or creates the file. Errors: of the file system.
  static Result<std::unique_ptr<Audit>> open(AuditOptions options);
  ~Audit();  // writes what waits

  // `event` names what happened; fields with an empty value are left out.
  void write(std::string_view event, std::initializer_list<Field> fields);
  void flush();  // returns when everything before it has been written or lost

 private:
  explicit Audit(AuditOptions options) : options_(std::move(options)) {}
  Result<> open_file();
  Result<> rotate();
  Result<> put(std::string lines);
  void run();
  std::string line(uint64_t number, std::string_view event, std::initializer_list<Field> fields) const;

  const AuditOptions options_;
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;
  bool torn_ = false;   // the file's last line has no end: an older process could not write it whole
  bool dirty_ = false;  // beyond size_ there is what was not written whole
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  size_t bytes_ = 0;       // of lines_
  int64_t lost_ = 0;       // since the last line that was written
  uint64_t number_ = 0;    // of the next line
  std::optional<uint64_t> gap_number_;  // of the next audit_gap, as long as it is not written
  bool writing_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace ms::security
