// Names for stream objects that are about to be written: reserved durably before the object is, so that whatever a crash leaves
// behind is known.
#pragma once

#include <vector>

#include "log/commit_writer.h"

namespace ms::log {

// One thread at a time.
class ObjectIds {
 public:
  explicit ObjectIds(CommitWriter& writer) : writer_(writer) {}
  Result<uint64_t> next();  // the same one until it is used: an attempt that failed is overwritten
  void used() { spare_.pop_back(); }

 private:
  CommitWriter& writer_;
  std::vector<uint64_t> spare_;
};

}  // namespace ms::log
