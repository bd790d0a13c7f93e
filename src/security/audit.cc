#include "security/audit.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/types.h"

namespace ms::security {

namespace {
constexpr size_t kWaitingBytesMax = 8u << 20;
constexpr size_t kValueBytesMax = 1024;
Metric& lost_events() { return counter("millstream_audit_events_lost_total"); }
}  // namespace

Result<std::unique_ptr<Audit>> Audit::open(AuditOptions options) {
  std::unique_ptr<Audit> audit(new Audit(std::move(options)));
  TRY(audit->open_file());
  audit->thread_ = std::thread([self = audit.get()] { self->run(); });
  audit->write("audit_begins", {});
  return audit;
}

Audit::~Audit() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<> Audit::open_file() {
  FileSystem& fs = *options_.fs;
  const size_t slash = options_.file.rfind('/');
  if (slash != std::string::npos && slash > 0) TRY(fs.create_directories(options_.file.substr(0, slash)));
  TRY_ASSIGN(const bool exists, fs.exists(options_.file));
  TRY_ASSIGN(file_, fs.open(options_.file, exists ? FileSystem::Open::kReadWrite : FileSystem::Open::kCreateNew));
  TRY_ASSIGN(size_, file_->size());
  uint8_t last = '\n';
  if (size_ > 0) TRY(file_->read_at(size_ - 1, std::span(&last, 1)));
  torn_ = last != '\n';
  return {};
}

Result<> Audit::rotate() {
  FileSystem& fs = *options_.fs;
  file_.reset();
  for (int n = options_.files_max - 1; n >= 1; --n) {
    const std::string from = n == 1 ? options_.file : fmt::format("{}.{}", options_.file, n - 1);
    TRY_ASSIGN(const bool exists, fs.exists(from));
    if (exists) TRY(fs.rename(from, fmt::format("{}.{}", options_.file, n)));
  }
  return open_file();
}

Result<> Audit::put(std::string lines) {
  if (!file_) TRY(open_file());
  if (dirty_) TRY(file_->truncate(size_));
  dirty_ = false;
  if (size_ > 0 && size_ + lines.size() > options_.file_bytes_max) TRY(rotate());
  if (torn_) lines.insert(0, 1, '\n');
  const std::span<const uint8_t> part(reinterpret_cast<const uint8_t*>(lines.data()), lines.size());
  if (auto done = file_->write_at(size_, std::span(&part, 1)); !done) {
    dirty_ = !file_->truncate(size_);
    return done;
  }
  size_ += lines.size();
  torn_ = false;
  return {};
}

std::string Audit::line(uint64_t number, std::string_view event, std::initializer_list<Field> fields) const {
  nlohmann::ordered_json json{{"time", format_time(options_.clock->wall_us())}, {"n", number}, {"event", event}};
  for (const auto& [name, value] : fields)
    if (!value.empty()) json[std::string(name)] = std::string(value.substr(0, kValueBytesMax));
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void Audit::write(std::string_view event, std::initializer_list<Field> fields) {
  {
    const std::lock_guard lock(mutex_);
    if (bytes_ > kWaitingBytesMax) {
      ++lost_, ++number_;  // a hole in the numbers
      return lost_events().add();
    }
    lines_.push_back(line(number_++, event, fields));
    bytes_ += lines_.back().size();
  }
  changed_.notify_all();
}

void Audit::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return lines_.empty() && !writing_; });
}

void Audit::run() {
  std::unique_lock lock(mutex_);
  bool failing = false;
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !lines_.empty(); });
    if (lines_.empty()) return;
    std::string text;
    if (lost_ > 0) {
      if (!gap_number_) gap_number_ = number_++;
      text = line(*gap_number_, "audit_gap", {{"lost", std::to_string(lost_)}});
    }
    const auto count = static_cast<int64_t>(lines_.size());
    for (const std::string& one : lines_) text += one;
    lines_.clear();
    bytes_ = 0;
    writing_ = true;
    const int64_t told = lost_;
    lock.unlock();
    const Result<> done = put(std::move(text));
    if (!done) {
      lost_events().add(count);
      if (!std::exchange(failing, true)) log_error("audit_write_failed", {{"file", options_.file}, {"error", done.error().message}, {"what", "events are lost until the disk takes them again; decisions stay as they are"}});
    } else if (std::exchange(failing, false)) {
      log_warn("audit_writes_again", {{"file", options_.file}, {"lost", told}});
    }
    lock.lock();
    lost_ = done ? lost_ - told : lost_ + count;
    if (done) gap_number_.reset();
    writing_ = false;
    changed_.notify_all();
  }
}

}  // namespace ms::security
