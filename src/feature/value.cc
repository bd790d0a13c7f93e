#include "feature/value.h"

namespace ms::feature {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kPresent: return "PRESENT";
    case Status::kNull: return "NULL";
    case Status::kEmptyWindow: return "EMPTY_WINDOW";
    case Status::kExpired: return "EXPIRED";
    case Status::kDeleted: return "DELETED";
    case Status::kOverflow: return "OVERFLOW";
    case Status::kError: return "ERROR";
  }
  return "?";
}

void put(const FeatureRow& row, const AnswerColumns& out, size_t at) {
  out.found[at] = row.found;
  for (size_t f = 0; f < out.features.size(); ++f) {
    const AnswerColumn& to = out.features[f];
    if (to.bits == nullptr) continue;
    const FeatureValue& value = row.values[f];
    to.bits[at] = value.is_null ? 0 : static_cast<uint64_t>(value.i);
    to.flags[at] = static_cast<uint8_t>(static_cast<uint8_t>(value.status) | (value.is_null ? AnswerColumn::kNull : 0));
    if (to.event_times != nullptr) to.event_times[at] = value.event_time_us;
    if (to.texts != nullptr) to.texts[at] = value.is_null ? std::string_view() : out.arena->add(value.text);
  }
}

}  // namespace ms::feature
