#include "log/tail_reader.h"

#include <fmt/format.h>

#include "codec/record_batch.h"

namespace ms::log {

Result<ReadBatch> read_tail(const TailBatch& batch) {
  const BatchEntry& e = batch.entry;
  ReadBatch out{.base = {e.base}, .last = {e.next() - 1}, .at = {e.append_us}};
  if (e.data != nullptr) {
    out.bytes = e.cached();
    return out;
  }
  if (!batch.segment) return corruption(fmt::format("offset {}: its WAL segment {} is gone", e.base, e.at.segment));
  auto block = std::make_shared_for_overwrite<uint8_t[]>(e.size);
  uint8_t* data = block.get();
  TRY_ASSIGN(const size_t got, batch.segment->file->read_at(e.at.at, {data, e.size}));
  const auto header = check_record_batch({data, got});
  if (!header || header->base_offset != e.base)
    return corruption(fmt::format("{} at byte {}: {}", batch.segment->path, e.at.at, header ? "another batch" : header.error().message));
  out.bytes = Slice(std::move(block), data, e.size);
  return out;
}

}  // namespace ms::log
