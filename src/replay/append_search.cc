#include "replay/append_search.h"

namespace ms::replay {

Result<Offset> first_appended_since(log::Log& log, TopicPartition partition, Offset from, Offset until, AppendTime at) {
  Offset low = from, high = until;  // all below `low` are older, all from `high` on are not
  while (low < high) {
    const Offset middle{low.value + (high.value - low.value) / 2};
    TRY_ASSIGN(const log::ReadResult read, log.read(partition, middle, 1));
    if (read.batches.empty()) return low;
    const log::ReadBatch& batch = read.batches.front();
    if (batch.at < at) low = Offset{batch.last.value + 1};
    else high = std::min(middle, std::max(low, batch.base));
  }
  return std::min(low, until);
}

}  // namespace ms::replay
