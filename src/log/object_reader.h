// Reads stream objects block by block, with a bounded cache of directories and blocks. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "log/lru_cache.h"
#include "log/partition_log.h"
#include "log/stream_object.h"
#include "objstore/object_store.h"

namespace ms::log {

std::string object_name(uint64_t object);

class ObjectReader {
 public:
  ObjectReader(ObjectStore& store, size_t block_cache_bytes_max) : store_(store), directories_(block_cache_bytes_max / 4), blocks_(block_cache_bytes_max) {}

  // Whole batches from the one that holds `from`, at least one, up to about max_bytes, of this run.
  // Errors: kNotFound (the object is gone), kCorruption naming object and position.
  Result<std::vector<ReadBatch>> read(const RunRef& run, Offset from, size_t max_bytes);

  // All batches of the run in offset order, past the cache: for who reads each object once.
  Result<> read_through(const RunRef& run, const std::function<Result<>(const ReadBatch&)>& visit);

  // Calls `visit` for batches of the run in blocks whose largest timestamp is at least `timestamp_ms`, in offset order,
  // until it returns true.
  using Visit = std::function<Result<bool>(const ReadBatch&)>;
  Result<bool> scan(const RunRef& run, int64_t timestamp_ms, const Visit& visit);

  // What its footer says. Errors as above.
  using DirectoryPtr = std::shared_ptr<const ObjectDirectory>;
  Result<DirectoryPtr> directory(uint64_t object);
  // The batches of one block of a run in that directory, past the cache.
  Result<std::vector<ReadBatch>> load_block(uint64_t object, const RunDirectory& run, size_t index);

 private:
  // All batches of one block, checked: CRC, offsets without gaps.
  using Block = std::shared_ptr<const std::vector<ReadBatch>>;
  Result<Block> block(uint64_t object, const RunDirectory& run, size_t index);
  Result<const RunDirectory*> find_run(const DirectoryPtr& directory, const RunRef& run) const;

  ObjectStore& store_;
  LruCache<uint64_t, DirectoryPtr> directories_;
  LruCache<std::pair<uint64_t, uint64_t>, Block> blocks_;  // object, position
};

}  // namespace ms::log
