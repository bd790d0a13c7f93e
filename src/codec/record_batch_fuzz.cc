// Any bytes as a record batch: nothing is read outside, no bomb grows, a batch that iterates can be built again.
#include "codec/record_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  const std::span bytes(data, size);
  (void)record_batch_size(bytes);
  (void)check_record_batch(bytes);
  std::string scratch;
  auto reader = RecordReader::open(bytes, scratch, 1u << 20);
  if (!reader) return 0;
  RecordView record;
  while (reader->next(record) == RecordReader::Step::kRecord) (void)record.headers();
  return 0;
}
