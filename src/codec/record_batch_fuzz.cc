// Any bytes as a record batch: nothing is read outside, no bomb grows. With length, magic and CRC mended the bytes get
// inside: what iterates can be built again and reads the same, and so do the same records when they are compressed.
#include <cstdlib>

#include "base/crc32c.h"
#include "codec/record_batch.h"

namespace {

using namespace ms;

constexpr size_t kDecompressedMax = 1u << 20;
constexpr size_t kAtMagic = 16, kAtCrc = 17, kAtAttributes = 21, kCrcStart = 21, kLengthAndOffset = 12;

void store_be32(uint8_t* to, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(to, &v, sizeof v);
}

std::string mended(std::string batch) {
  auto* at = reinterpret_cast<uint8_t*>(batch.data());
  store_be32(at + 8, static_cast<uint32_t>(batch.size() - kLengthAndOffset));
  at[kAtMagic] = 2;
  store_be32(at + kAtCrc, crc32c({at + kCrcStart, batch.size() - kCrcStart}));
  return batch;
}

std::span<const uint8_t> bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// Everything that is in a batch, as text of no ambiguity; nullopt when it does not iterate to its end.
std::optional<std::string> contents(std::span<const uint8_t> batch, std::vector<RecordToWrite>* records, std::string& scratch) {
  auto reader = RecordReader::open(batch, scratch, kDecompressedMax);
  if (!reader) return std::nullopt;
  std::string out;
  const auto add = [&](const std::optional<std::string_view>& text) {
    out += text ? std::to_string(text->size()) + ":" : "null";
    out += text.value_or("");
  };
  RecordView record;
  RecordReader::Step step;
  while ((step = reader->next(record)) == RecordReader::Step::kRecord) {
    out += std::to_string(record.timestamp_ms) + " ";
    add(record.key), add(record.value);
    const auto headers = record.headers();
    for (const HeaderView& header : headers) add(header.key), add(header.value);
    if (records) records->push_back({record.timestamp_ms, record.key, record.value, headers});
  }
  return step == RecordReader::Step::kEnd ? std::optional(out) : std::nullopt;
}

void check_building(std::string batch) {
  const auto codec = static_cast<Compression>(static_cast<uint8_t>(batch[kAtAttributes + 1]) % 5);
  batch[kAtAttributes + 1] = static_cast<char>(batch[kAtAttributes + 1] & ~0x0F);  // not compressed, times as they were created
  batch = mended(std::move(batch));
  std::string scratch, again_scratch;
  std::vector<RecordToWrite> records;
  const auto there = contents(bytes_of(batch), &records, scratch);
  if (!there) return;
  if (!check_record_batch(bytes_of(batch))) std::abort();
  if (records.empty()) return;  // compaction leaves batches like that; nobody builds one
  const auto again = build_record_batch({.compression = codec}, records);
  if (!again || !check_record_batch(bytes_of(*again)) || contents(bytes_of(*again), nullptr, again_scratch) != there) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(data, size);
  std::string scratch;
  (void)record_batch_size(bytes);
  (void)check_record_batch(bytes);
  (void)contents(bytes, nullptr, scratch);
  if (size < kBatchHeaderBytes) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)contents(bytes_of(mended(text)), nullptr, scratch);
  check_building(text);
  return 0;
}
