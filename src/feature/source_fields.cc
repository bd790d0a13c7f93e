#include "feature/source_fields.h"

namespace ms::feature {
namespace {

JsonTime json_time(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds: return JsonTime::kSeconds;
    case TimeUnit::kMillis: return JsonTime::kMillis;
    case TimeUnit::kMicros: return JsonTime::kMicros;
    case TimeUnit::kRfc3339: return JsonTime::kRfc3339;
  }
  return JsonTime::kMillis;
}

}  // namespace

std::vector<JsonField> decoder_fields(const SourceDefinition& source, std::span<const Field> inputs) {
  std::vector<JsonField> out;
  for (const Field& f : inputs) out.push_back({.path = f.name, .type = f.type, .time = json_time(source.time_unit)});
  out.push_back({.path = source.time_field, .type = TypeKind::kTimestamp, .time = json_time(source.time_unit), .required = true});
  return out;
}

}  // namespace ms::feature
