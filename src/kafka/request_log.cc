#include "kafka/request_log.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/logging.h"

namespace ms::kafka {

namespace {

std::string labels(std::string_view api, Stage stage) { return fmt::format(R"(api="{}",stage="{}")", api, to_string(stage)); }

std::string ms_text(int64_t us) { return fmt::format("{:.1f}", static_cast<double>(us) / 1e3); }

}  // namespace

RequestMetrics::RequestMetrics(std::string_view api)
    : requests(counter("millstream_kafka_requests_total", fmt::format(R"(api="{}")", api))),
      total(histogram("millstream_kafka_request_seconds", fmt::format(R"(api="{}")", api))) {
  for (size_t i = 0; i < kStages; ++i) {
    const std::string of_stage = labels(api, static_cast<Stage>(i));
    stages[i] = &histogram("millstream_kafka_request_stage_seconds", of_stage);
    slow[i] = static_cast<Stage>(i) == Stage::kWait ? nullptr : &counter("millstream_kafka_slow_requests_total", of_stage);
  }
}

void RequestMetrics::observe(const RequestTimes& times) {
  total.observe_us(times.total_us());
  for (size_t i = 0; i < kStages; ++i)
    if (const int64_t us = times.us(static_cast<Stage>(i)); us > 0) stages[i]->observe_us(us);
}

void RequestLog::answered(const ApiSpec& api, RequestMetrics& metrics, const RequestTrace& trace, const std::string& host) {
  metrics.observe(trace.times);
  if (slow_us_ == 0 || trace.times.total_us() < slow_us_) return;
  metrics.slow[static_cast<size_t>(trace.times.slowest())]->add();
  if (limit_.admit(system_clock().steady_us())) write(api, trace, host, left_out_.exchange(0));
  else ++left_out_;
}

void RequestLog::write(const ApiSpec& api, const RequestTrace& trace, const std::string& host, int64_t left_out) const {
  const RequestTimes& t = trace.times;
  log_warn("slow_request", {{"api", api.name},
                            {"client_id", cut_text(trace.client_id, 100)},
                            {"host", host},
                            {trace.subject.is_group ? "group" : "topics", about(trace.subject)},
                            {"total_ms", ms_text(t.total_us())},
                            {"slowest", to_string(t.slowest())},
                            {"read_ms", ms_text(t.us(Stage::kRead))},
                            {"queue_ms", ms_text(t.us(Stage::kQueue))},
                            {"work_ms", ms_text(t.us(Stage::kWork))},
                            {"log_ms", ms_text(t.us(Stage::kLog))},
                            {"send_ms", ms_text(t.us(Stage::kSend))},
                            {"wait_ms", ms_text(t.us(Stage::kWait))},
                            {"left_out", left_out}});
}

std::string RequestLog::about(const Subject& subject) const {
  std::string text(subject.text());
  if (text.empty() && !subject.id.uuid.is_nil()) {
    const auto topic = log_.find_topic(subject.id);
    text = topic ? topic->name : subject.id.uuid.to_string();
  }
  return subject.more > 0 ? fmt::format("{} and {} more", text, subject.more) : text;
}

}  // namespace ms::kafka
