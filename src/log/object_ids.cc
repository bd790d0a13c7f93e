#include "log/object_ids.h"

namespace ms::log {
namespace {
constexpr uint32_t kIdsPerReservation = 16;
}

Result<uint64_t> ObjectIds::next() {
  if (spare_.empty()) {
    TRY_ASSIGN(const uint64_t first, writer_.run(ReserveObjects{kIdsPerReservation}));
    for (uint64_t i = kIdsPerReservation; i > 0; --i) spare_.push_back(first + i - 1);
  }
  return spare_.back();
}

}  // namespace ms::log
