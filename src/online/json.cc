#include <fmt/format.h>

#include <array>
#include <span>
#include <string>

#include "codec/json_out.h"
#include "codec/value_text.h"
#include "online/online.h"

namespace ms::online {
namespace {

void append_value(JsonOut& out, const feature::FeatureValue& value, const Type& type, bool numbers_as_strings) {
  if (value.is_null) return out.raw("null");
  switch (type.kind) {
    case TypeKind::kBool: return out.raw(value.i != 0 ? "true" : "false");
    case TypeKind::kInt64:
      return append_int64(out, value.i, numbers_as_strings);
    case TypeKind::kFloat64: return out.number(value.f);
    case TypeKind::kString: return out.string(value.text);
    case TypeKind::kTimestamp: return out.time(value.i);
    case TypeKind::kDecimal:
      return append_decimal(out, feature::answer_decimal(value.text), type.scale, numbers_as_strings);
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap:
      return append_nested(out, type, value.text, numbers_as_strings);
  }
}

// Each status as JSON, by its number.
const std::array<std::string, 7> kQuotedStatuses = [] {
  std::array<std::string, 7> out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = fmt::format("\"{}\"", to_string(static_cast<feature::Status>(i)));
  return out;
}();
static_assert(std::tuple_size_v<decltype(kQuotedStatuses)> == static_cast<size_t>(feature::Status::kError) + 1);
constexpr size_t kColumnMax = 4 * JsonOut::kScalarMax + 8;  // a value that is not bytes, its status, time and age

size_t row_max(const ReadPlan& plan, const feature::FeatureRow* rows) {
  size_t bytes = 128 + plan.columns.size() * kColumnMax;
  if (plan.has_bytes)
    for (const OutputColumn& column : plan.columns) bytes += nested_text_max(rows[column.view].values[column.feature].text.size());
  return bytes;
}
size_t derived_max(std::span<const feature::FeatureValue> derived) {
  size_t bytes = derived.size() * kColumnMax;
  for (const feature::FeatureValue& value : derived) bytes += nested_text_max(value.text.size());
  return bytes;
}

// The derived features of one entity.
std::span<const feature::FeatureValue> derived_of(const Reply& reply, size_t entity) {
  if (!reply.plan->program) return {};
  const size_t results = reply.plan->program->results().size();
  return std::span(reply.derived).subspan(entity * results, results);
}

int64_t age_ms(Instant as_of, int64_t event_time_us) {
  return static_cast<int64_t>((static_cast<__int128>(as_of.us) - event_time_us) / kMicrosPerMilli);
}

void append_row(JsonOut& out, const Reply& reply, size_t entity, bool numbers_as_strings) {
  const ReadPlan& plan = *reply.plan;
  const feature::FeatureRow* rows = &reply.rows[entity * plan.views.size()];
  const auto derived = derived_of(reply, entity);
  out.room(row_max(plan, rows) + derived_max(derived));
  const auto each = [&](std::string_view name, auto&& one) {
    out.raw(name);
    bool first = true;
    for (const OutputColumn& column : plan.columns) {
      if (!first) out.put(',');
      first = false;
      one(rows[column.view].values[column.feature], column.type);
    }
    for (size_t d = 0; d < derived.size(); ++d) {
      if (!first) out.put(',');
      first = false;
      one(derived[d], plan.program->results()[d].type);
    }
    out.put(']');
  };
  bool found = false;
  for (size_t v = 0; v < plan.views.size(); ++v) found |= rows[v].found;
  out.raw(found ? "{\"found\":true" : "{\"found\":false");
  each(",\"values\":[", [&](const feature::FeatureValue& v, const Type& type) { append_value(out, v, type, numbers_as_strings); });
  each(",\"statuses\":[", [&](const feature::FeatureValue& v, const Type&) { out.raw(kQuotedStatuses[static_cast<size_t>(v.status)]); });
  each(",\"event_times\":[", [&](const feature::FeatureValue& v, const Type&) {
    v.event_time_us == feature::kNoEventTime ? out.raw("null") : out.time(v.event_time_us);
  });
  each(",\"ages_ms\":[", [&](const feature::FeatureValue& v, const Type&) {
    v.event_time_us == feature::kNoEventTime ? out.raw("null") : out.integer(age_ms(reply.as_of, v.event_time_us));
  });
  out.put('}');
}

}  // namespace

void render(ReadPlan& plan) {
  const auto text_of = [](auto&& write, size_t most) {
    std::string text;
    JsonOut out(text);
    out.room(most);
    write(out);
    out.finish();
    return text;
  };
  plan.json_head = text_of(
      [&](JsonOut& out) {
        out.raw("{\"service\":"), out.string(plan.service);
        out.raw(",\"version\":"), out.integer(plan.version), out.raw(",\"as_of\":");
      },
      128 + JsonOut::string_max(plan.service.size()));
  std::vector<std::string_view> features;
  for (const OutputColumn& column : plan.columns) features.push_back(column.name), plan.has_bytes |= is_bytes(column.type);
  if (plan.program)
    for (const feature::FeatureColumn& derived : plan.program->results()) features.push_back(derived.name);
  size_t names = 64;
  for (const std::string_view name : features) names += JsonOut::string_max(name.size()) + 1;
  plan.json_features = text_of(
      [&](JsonOut& out) {
        out.raw(",\"features\":[");
        for (size_t i = 0; i < features.size(); ++i) {
          if (i > 0) out.put(',');
          out.string(features[i]);
        }
        out.raw("],\"rows\":[");
      },
      names);
}

std::string value_json(const feature::FeatureValue& value, const Type& type, bool numbers_as_strings) {
  std::string text;
  JsonOut out(text);
  out.room(JsonOut::kScalarMax + nested_text_max(value.text.size()));
  append_value(out, value, type, numbers_as_strings);
  out.finish();
  return text;
}

void append_json(const Reply& reply, bool numbers_as_strings, std::string& text) {
  const ReadPlan& plan = *reply.plan;
  JsonOut out(text);
  out.room(plan.json_head.size() + plan.json_features.size() + 128 + 80 * (plan.columns.size() * reply.entities + reply.cut.size()));
  out.raw(plan.json_head), out.time(reply.as_of.us), out.raw(plan.json_features);
  for (size_t i = 0; i < reply.entities; ++i) {
    out.room(1);
    if (i > 0) out.put(',');
    append_row(out, reply, i, numbers_as_strings);
  }
  out.room(64 + 2 * JsonOut::kScalarMax * reply.cut.size() + 32 * reply.cut.size());
  out.raw("],\"service_statuses\":[],\"cut\":[");
  for (size_t i = 0; i < reply.cut.size(); ++i) {
    if (i > 0) out.put(',');
    out.raw("{\"shard\":"), out.integer(reply.cut[i].shard);
    out.raw(",\"publish\":"), out.integer(static_cast<int64_t>(reply.cut[i].publish)), out.put('}');
  }
  out.raw("]}");
  out.finish();
}

}  // namespace ms::online
