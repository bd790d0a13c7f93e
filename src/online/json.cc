#include <charconv>
#include <cmath>
#include <string>

#include "online/online.h"

namespace ms::online {
namespace {

constexpr int64_t kExactInDouble = int64_t{1} << 53;

// Appends to a string that is grown in steps; every append_* reserves what it may need first.
class JsonOut {
 public:
  explicit JsonOut(std::string& out) : out_(out) {}

  void raw(std::string_view text) { out_.append(text); }
  void put(char c) { out_.push_back(c); }

  void integer(int64_t v) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
    out_.append(digits, end);
  }

  // The shortest text that reads back to the same bits; NaN and infinities as strings.
  void number(double v) {
    if (std::isnan(v)) return raw("\"NaN\"");
    if (std::isinf(v)) return raw(v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
    out_.append(digits, end);
  }

  void string(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    put('"');
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        put('\\'), put(c);
      } else if (byte < 0x20) {
        raw("\\u00"), put(kHex[byte >> 4]), put(kHex[byte & 15]);
      } else {
        put(c);
      }
    }
    put('"');
  }

  // RFC 3339 with microseconds. The day is formatted once and kept: times of one reply mostly share it.
  void time(int64_t us) {
    int64_t day = us / kMicrosPerDay;
    if (us % kMicrosPerDay < 0) --day;
    if (day != day_) {
      day_ = day;
      const std::string text = format_time(day * kMicrosPerDay);
      plain_ = text.size() == kTimeChars - 2;
      if (plain_) day_text_ = text.substr(0, 11);
    }
    if (!plain_) return string(format_time(us));
    char buffer[kTimeChars];
    const int64_t rest = us - day * kMicrosPerDay;
    buffer[0] = '"';
    day_text_.copy(buffer + 1, 11);
    two(buffer + 12, rest / kMicrosPerHour), buffer[14] = ':';
    two(buffer + 15, rest / kMicrosPerMinute % 60), buffer[17] = ':';
    two(buffer + 18, rest / kMicrosPerSecond % 60), buffer[20] = '.';
    const int64_t micros = rest % kMicrosPerSecond;
    two(buffer + 21, micros / 10'000), two(buffer + 23, micros / 100 % 100), two(buffer + 25, micros % 100);
    buffer[27] = 'Z', buffer[28] = '"';
    out_.append(buffer, kTimeChars);
  }

 private:
  static constexpr size_t kTimeChars = 29;
  static void two(char* to, int64_t v) {
    to[0] = static_cast<char>('0' + v / 10);
    to[1] = static_cast<char>('0' + v % 10);
  }
  std::string& out_;
  int64_t day_ = INT64_MIN;
  bool plain_ = false;
  std::string day_text_;
};

void append_value(JsonOut& out, const feature::FeatureValue& value, TypeKind type, bool numbers_as_strings) {
  if (value.is_null) return out.raw("null");
  switch (type) {
    case TypeKind::kBool: return out.raw(value.i != 0 ? "true" : "false");
    case TypeKind::kFloat64: return out.number(value.f);
    case TypeKind::kString: return out.string(value.text);
    case TypeKind::kTimestamp: return out.time(value.i);
    case TypeKind::kInt64: break;
  }
  const bool quoted = numbers_as_strings && (value.i > kExactInDouble || value.i < -kExactInDouble);
  if (quoted) out.put('"');
  out.integer(value.i);
  if (quoted) out.put('"');
}

void append_row(JsonOut& out, const Reply& reply, size_t entity, bool numbers_as_strings) {
  const ReadPlan& plan = *reply.plan;
  const feature::FeatureRow* rows = &reply.rows[entity * plan.views.size()];
  const auto each = [&](std::string_view name, auto&& one) {
    out.raw(name);
    bool first = true;
    for (const OutputColumn& column : plan.columns) {
      if (!first) out.put(',');
      first = false;
      one(rows[column.view].values[column.feature], column);
    }
    out.put(']');
  };
  bool found = false;
  for (size_t v = 0; v < plan.views.size(); ++v) found |= rows[v].found;
  out.raw(found ? "{\"found\":true" : "{\"found\":false");
  each(",\"values\":[", [&](const feature::FeatureValue& v, const OutputColumn& c) { append_value(out, v, c.type, numbers_as_strings); });
  each(",\"statuses\":[", [&](const feature::FeatureValue& v, const OutputColumn&) {
    out.put('"'), out.raw(feature::to_string(v.status)), out.put('"');
  });
  each(",\"event_times\":[", [&](const feature::FeatureValue& v, const OutputColumn&) {
    v.event_time_us == feature::kNoEventTime ? out.raw("null") : out.time(v.event_time_us);
  });
  each(",\"ages_ms\":[", [&](const feature::FeatureValue& v, const OutputColumn&) {
    v.event_time_us == feature::kNoEventTime ? out.raw("null") : out.integer((reply.as_of.us - v.event_time_us) / kMicrosPerMilli);
  });
  out.put('}');
}

}  // namespace

void append_json(const Reply& reply, bool numbers_as_strings, std::string& text) {
  const ReadPlan& plan = *reply.plan;
  text.reserve(text.size() + 256 + plan.columns.size() * (24 + 80 * reply.entities));
  JsonOut out(text);
  out.raw("{\"service\":"), out.string(plan.service);
  out.raw(",\"version\":"), out.integer(plan.version);
  out.raw(",\"as_of\":"), out.time(reply.as_of.us);
  out.raw(",\"features\":[");
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    if (i > 0) out.put(',');
    out.string(plan.columns[i].name);
  }
  out.raw("],\"rows\":[");
  for (size_t i = 0; i < reply.entities; ++i) {
    if (i > 0) out.put(',');
    append_row(out, reply, i, numbers_as_strings);
  }
  out.raw("],\"service_statuses\":[],\"cut\":[");
  for (size_t i = 0; i < reply.cut.size(); ++i) {
    if (i > 0) out.put(',');
    out.raw("{\"shard\":"), out.integer(reply.cut[i].shard);
    out.raw(",\"publish\":"), out.integer(static_cast<int64_t>(reply.cut[i].publish)), out.put('}');
  }
  out.raw("]}");
}

}  // namespace ms::online
