#include "log/object_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/record_batch.h"

namespace ms::log {
namespace {

Slice new_block(size_t size, uint8_t*& data) {
  auto owner = std::make_shared_for_overwrite<uint8_t[]>(size);
  data = owner.get();
  return Slice(std::move(owner), data, size);
}

// Offsets follow each other; below where the run was compacted some may be missing, but for the last of the run.
bool follows(Offset base, Offset expected, const ObjectRun& run) { return base == expected || (base > expected && base <= run.compacted_until()); }

Result<std::vector<ReadBatch>> split_block(const Slice& bytes, const RunDirectory& run, const IndexEntry& entry, Offset end) {
  std::vector<ReadBatch> out;
  Offset expected = entry.base;
  for (size_t at = 0; at < bytes.size();) {
    const auto size = record_batch_size(bytes.span().subspan(at));
    if (!size || *size > bytes.size() - at) return corruption(fmt::format("no record batch at byte {}", entry.position + at));
    const Slice batch = bytes.part(at, *size);
    const auto header = check_record_batch(batch.span());
    if (!header) return corruption(fmt::format("the record batch at byte {}: {}", entry.position + at, header.error().message));
    const Offset base{header->base_offset};
    if (!follows(base, expected, run.run) || (!header->dense() && base >= run.run.compacted_until()))
      return corruption(fmt::format("the record batch at byte {} has offset {}, not {}", entry.position + at, header->base_offset, expected.value));
    out.push_back({batch, base, Offset{header->last_offset()}, run.time_of(base)});
    expected.value = header->last_offset() + 1;
    at += *size;
  }
  if (end == run.run.next ? expected != end : !follows(end, expected, run.run)) return corruption(fmt::format("the block at byte {} ends at offset {}, not {}", entry.position, expected.value, end.value));
  return out;
}

}  // namespace

std::string object_name(uint64_t object) { return fmt::format("{:016x}.mso", object); }

Result<ObjectReader::DirectoryPtr> ObjectReader::directory(uint64_t object) {
  if (auto cached = directories_.get(object)) return *cached;
  const std::string name = object_name(object);
  const auto read = [&]() -> Result<ObjectDirectory> {
    TRY_ASSIGN(const uint64_t size, store_.size(name));
    if (size < kObjectHeaderBytes + kObjectTailBytes) return corruption("it is cut short");
    std::array<uint8_t, kObjectTailBytes> tail{};
    TRY(store_.get(name, size - tail.size(), tail));
    TRY_ASSIGN(const FooterPlace place, parse_object_tail(tail, size));
    std::vector<uint8_t> footer(place.bytes);
    TRY(store_.get(name, place.position, footer));
    return parse_object_footer(footer, place);
  };
  auto parsed = read();
  if (!parsed) return Unexpected(parsed.error().within("stream object " + name));
  if (parsed->object != object) return corruption(fmt::format("stream object {} says it is {}", name, object_name(parsed->object)));
  size_t bytes = sizeof(ObjectDirectory);
  for (const RunDirectory& run : parsed->runs)
    bytes += sizeof run + run.index.size() * sizeof(IndexEntry) + run.times.size() * sizeof(TimeEntry);
  auto shared = std::make_shared<const ObjectDirectory>(std::move(*parsed));
  directories_.put(object, shared, bytes);
  return shared;
}

Result<const RunDirectory*> ObjectReader::find_run(const DirectoryPtr& directory, const RunRef& run) const {
  const RunDirectory* found = directory->find(run.run.of, run.run.base);
  if (found == nullptr || found->run.base != run.run.base || found->run.next != run.run.next)
    return corruption(fmt::format("stream object {} does not hold offsets {} to {} of partition {}", object_name(run.object),
                                  run.run.base.value, run.run.next.value, run.run.of.partition.value));
  return found;
}

Result<std::vector<ReadBatch>> ObjectReader::load_block(uint64_t object, const RunDirectory& run, size_t index) {
  const IndexEntry& entry = run.index[index];
  uint8_t* data = nullptr;
  const Slice bytes = new_block(entry.bytes, data);
  TRY(store_.get(object_name(object), entry.position, {data, entry.bytes}));
  const Offset end = index + 1 < run.index.size() ? run.index[index + 1].base : run.run.next;
  auto batches = split_block(bytes, run, entry, end);
  if (!batches) return Unexpected(batches.error().within("stream object " + object_name(object)));
  return batches;
}

Result<ObjectReader::Block> ObjectReader::block(uint64_t object, const RunDirectory& run, size_t index) {
  const IndexEntry& entry = run.index[index];
  const std::pair key{object, entry.position};
  if (auto cached = blocks_.get(key)) return *cached;
  TRY_ASSIGN(auto batches, load_block(object, run, index));
  auto shared = std::make_shared<const std::vector<ReadBatch>>(std::move(batches));
  blocks_.put(key, shared, entry.bytes + shared->size() * sizeof(ReadBatch));
  return shared;
}

Result<std::vector<ReadBatch>> ObjectReader::read(const RunRef& run, Offset from, size_t max_bytes) {
  TRY_ASSIGN(const DirectoryPtr objects, directory(run.object));
  TRY_ASSIGN(const RunDirectory* found, find_run(objects, run));
  const auto after = std::ranges::upper_bound(found->index, from, {}, &IndexEntry::base);
  std::vector<ReadBatch> out;
  size_t bytes = 0;
  const auto first = after == found->index.begin() ? after : std::prev(after);
  for (auto index = static_cast<size_t>(first - found->index.begin()); index < found->index.size(); ++index) {
    if (!out.empty() && bytes >= max_bytes) break;
    TRY_ASSIGN(const Block batches, block(run.object, *found, index));
    for (const ReadBatch& batch : *batches) {
      if (batch.last < from) continue;
      if (!out.empty() && bytes + batch.bytes.size() > max_bytes) return out;
      bytes += batch.bytes.size();
      out.push_back(batch);
    }
  }
  return out;
}

Result<> ObjectReader::read_through(const RunRef& run, const std::function<Result<>(const ReadBatch&)>& visit) {
  TRY_ASSIGN(const DirectoryPtr objects, directory(run.object));
  TRY_ASSIGN(const RunDirectory* found, find_run(objects, run));
  for (size_t index = 0; index < found->index.size(); ++index) {
    TRY_ASSIGN(const auto batches, load_block(run.object, *found, index));
    for (const ReadBatch& batch : batches) TRY(visit(batch));
  }
  return {};
}

Result<bool> ObjectReader::scan(const RunRef& run, int64_t timestamp_ms, const Visit& visit) {
  TRY_ASSIGN(const DirectoryPtr objects, directory(run.object));
  TRY_ASSIGN(const RunDirectory* found, find_run(objects, run));
  for (size_t index = 0; index < found->index.size(); ++index) {
    if (found->index[index].max_timestamp_ms < timestamp_ms) continue;
    TRY_ASSIGN(const Block batches, block(run.object, *found, index));
    for (const ReadBatch& batch : *batches) {
      TRY_ASSIGN(const bool done, visit(batch));
      if (done) return true;
    }
  }
  return false;
}

}  // namespace ms::log
