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

}  // namespace ms::feature
