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

JsonField decoder_field(const SourceDefinition& source, const Field& field) {
  return {.path = field.name, .type = field.type, .time = json_time(source.time_unit)};
}

JsonField decoder_time(const SourceDefinition& source) {
  return {.path = source.time_field, .type = TypeKind::kTimestamp, .time = json_time(source.time_unit), .required = true};
}

}  // namespace ms::feature
