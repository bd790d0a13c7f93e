// What the handlers that change committed offsets share.
#pragma once

#include <cstddef>

#include "kafka/error_code.h"

namespace ms::kafka {

inline constexpr size_t kOffsetMetadataBytesMax = 4096;  // offset.metadata.max.bytes

// Every partition of an answer that has no error yet gets this one.
template <class Topics>
void refuse_rest(Topics& topics, ErrorCode error) {
  for (auto& topic : topics)
    for (auto& p : topic.partitions)
      if (p.error_code == 0) p.error_code = code(error);
}

// The group is refused, which goes before what is wrong with single offsets, but not before topics that are not there.
template <class Topics>
void refuse_group(Topics& topics, ErrorCode error) {
  for (auto& topic : topics)
    for (auto& p : topic.partitions)
      if (p.error_code == 0 || p.error_code == code(ErrorCode::kOffsetMetadataTooLarge)) p.error_code = code(error);
}

}  // namespace ms::kafka
