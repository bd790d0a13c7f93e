// The events of events.h in a topic of a log, in stream objects, as a server behind its topic finds them; and as they were.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "bench/src/events.h"
#include "codec/record_batch.h"
#include "log/log.h"

namespace ms::bench {

class EventLog {
 public:
  static constexpr int64_t kEventsPerSecond = 12;  // of event time: 10 M events are 9.6 days
  static constexpr size_t kPadding = 64;           // blanks behind the lines, for simdjson

  EventLog(const std::string& dir, uint64_t count, uint64_t users, uint64_t late_percent) {
    const EventOptions options{.users = users, .span_ms = static_cast<int64_t>(count) * 1000 / kEventsPerSecond, .events = count, .late_percent = late_percent};
    const EventSource source(options);
    events_.reserve(count);
    lines_.reserve(count * kEventBytes + kPadding);
    for (uint64_t i = 0; i < count; ++i) events_.push_back(source.event(i)), EventSource::write(events_.back(), lines_);
    log_ = *log::Log::open({.dir = dir, .fs = &posix_file_system(), .clock = &clock_, .reconcile_interval_ms = 0});
    partition_ = {log_->create_topic("events", 1, {{"retention.ms", "-1"}})->id, PartitionId{0}};
    for (uint64_t i = 0; i < count; i += kRecordsPerBatch) append(i, std::min(count, i + kRecordsPerBatch), options.start_ms);
    CHECK(log_->reconcile());
    lines_.append(kPadding, ' ');
  }

  const std::vector<Event>& events() const { return events_; }
  const std::string& lines() const { return lines_; }  // the values one behind the other, each kEventBytes
  // After the batch's last event, which is when it was appended.
  int64_t clock_us(const log::ReadBatch& batch) const { return clock_us_[static_cast<size_t>(batch.base.value) / kRecordsPerBatch]; }

  template <class Take>
  void for_each_batch(Take&& take) const {
    for (Offset at{0}; at.value < static_cast<int64_t>(events_.size());) {
      const auto found = log_->read(partition_, at, kReadBytes);
      CHECK(found && !found->batches.empty());
      for (const log::ReadBatch& batch : found->batches) take(batch);
      at.value = found->batches.back().last.value + 1;
    }
  }

 private:
  static constexpr size_t kRecordsPerBatch = 1'690;  // 256 KiB
  static constexpr size_t kReadBytes = 1u << 20;

  // One batch, durable on return.
  void append(uint64_t from, uint64_t to, int64_t start_ms) {
    std::vector<RecordToWrite> records;
    for (uint64_t i = from; i < to; ++i) records.push_back({.timestamp_ms = events_[i].ts_ms, .value = std::string_view(lines_).substr(i * kEventBytes, kEventBytes)});
    clock_us_.push_back(start_ms * 1000 + static_cast<int64_t>(to) * kMicrosPerSecond / kEventsPerSecond);
    clock_.set(clock_us_.back());
    std::promise<log::AppendError> done;
    log_->append({{partition_, Slice::copy(*build_record_batch({}, records))}}, [&](std::vector<log::AppendOutcome> outcomes) { done.set_value(outcomes[0].error); });
    CHECK(done.get_future().get() == log::AppendError::kNone);
  }

  ManualClock clock_{0};
  std::unique_ptr<log::Log> log_;
  TopicPartition partition_;
  std::vector<int64_t> clock_us_;  // per batch
  std::string lines_;
  std::vector<Event> events_;
};

}  // namespace ms::bench
