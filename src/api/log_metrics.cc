#include "api/log_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "codec/utf8.h"

namespace ms::api {
namespace {

// One family of gauges.
struct Family {
  std::string_view name;
  std::string lines;
  void add(std::string_view labels, int64_t value) { fmt::format_to(std::back_inserter(lines), "{}{{{}}} {}\n", name, labels, value); }
  std::string text() const { return lines.empty() ? "" : fmt::format("# TYPE {} gauge\n{}", name, lines); }
};

// Counts down; what comes after its end is counted, too.
struct Budget {
  size_t left;
  int64_t left_out = 0;
  bool take(size_t series) {
    if (series > left) return left_out += static_cast<int64_t>(series), left = 0, false;
    left -= series;
    return true;
  }
};

std::string partitions_text(const log::Log& log, Budget& budget) {
  std::array<Family, 4> families{{{"millstream_partition_high_watermark", {}}, {"millstream_partition_last_stable_offset", {}},
                                  {"millstream_partition_log_start", {}}, {"millstream_partition_size_bytes", {}}}};
  for (const log::TopicInfo& topic : log.topics()) {
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const auto state = log.partition_state({topic.id, {p}});
      if (!state || !budget.take(families.size())) continue;  // deleted meanwhile, or no room
      const std::string labels = fmt::format(R"(partition="{}",topic="{}")", p, topic.name);
      const std::array values{state->high_watermark.value, state->last_stable.value, state->log_start.value, state->bytes};
      for (size_t i = 0; i < families.size(); ++i) families[i].add(labels, values[i]);
    }
  }
  std::string out;
  for (const Family& family : families) out += family.text();
  return out;
}

std::string groups_text(const log::Log& log, Budget& budget) {
  Family lag{"millstream_group_lag_records", {}};
  for (const std::string& group : log.groups_with_offsets()) {
    const std::string name = label_value(group);
    std::optional<log::TopicInfo> topic;
    for (const auto& [key, committed] : log.committed_offsets(group)) {
      if (!topic || topic->id != key.first) topic = log.find_topic(key.first);
      const auto state = log.partition_state({key.first, {key.second}});
      if (!topic || !state || !budget.take(1)) continue;
      lag.add(fmt::format(R"(group="{}",partition="{}",topic="{}")", name, key.second, topic->name),
              std::max<int64_t>(state->high_watermark.value - committed.offset.value, 0));
    }
  }
  return lag.text();
}

}  // namespace

std::string label_value(std::string_view text) {
  std::string out;
  const bool utf8 = !first_not_utf8(text);
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\', out += c;
    else if (c == '\n') out += "\\n";
    else out += (static_cast<unsigned char>(c) < 0x20 || (!utf8 && static_cast<unsigned char>(c) >= 0x80)) ? '?' : c;
  }
  return out;
}

std::string log_metrics_text(const log::Log& log, size_t series_max) {
  Budget partitions{series_max}, groups{series_max};
  std::string out = partitions_text(log, partitions) + groups_text(log, groups);
  Family left_out{"millstream_metrics_series_left_out", {}};
  left_out.add(R"(of="groups")", groups.left_out);
  left_out.add(R"(of="partitions")", partitions.left_out);
  return out + left_out.text();
}

}  // namespace ms::api
