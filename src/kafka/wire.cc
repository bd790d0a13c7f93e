#include "kafka/wire.h"

namespace ms::kafka {

namespace {
constexpr size_t kReferFrom = 1024;  // smaller slices are cheaper to copy than to gather
}

std::string_view cut_text(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  constexpr size_t kContinuationMax = 3;
  size_t end = bytes_max;
  while (end > 0 && bytes_max - end < kContinuationMax && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

uint32_t Decoder::varint() {
  uint32_t v = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto b = number<uint8_t>();
    if (!ok_ || (shift == 28 && b > 0x0F)) break;
    v |= static_cast<uint32_t>(b & 0x7F) << shift;
    if (b < 0x80) return v;
  }
  fail();
  return 0;
}

// Compact strings keep the old limit: what one client stores, another must be able to read in an old version.
int64_t Decoder::string_length() {
  if (!flexible_) return static_cast<int16_t>(number<uint16_t>());
  const int64_t length = static_cast<int64_t>(varint()) - 1;
  if (length <= INT16_MAX) return length;
  fail();
  return 0;
}

int64_t Decoder::bytes_length() {
  if (flexible_) return static_cast<int64_t>(varint()) - 1;
  return static_cast<int32_t>(number<uint32_t>());
}

std::optional<Slice> Decoder::take(int64_t length) {
  if (!ok_ || length < 0 || static_cast<uint64_t>(length) > remaining()) {
    fail();
    return std::nullopt;
  }
  Slice out = bytes_.part(position_, static_cast<size_t>(length));
  position_ += static_cast<size_t>(length);
  return out;
}

void Decoder::value(TopicId& v) {
  if (remaining() < v.uuid.bytes.size()) return fail();
  std::memcpy(v.uuid.bytes.data(), bytes_.data() + position_, v.uuid.bytes.size());
  position_ += v.uuid.bytes.size();
}

void Decoder::value(std::string& v) {
  const int64_t length = string_length();
  if (!ok_ || length < 0 || static_cast<uint64_t>(length) > remaining()) return fail();
  v.assign(reinterpret_cast<const char*>(bytes_.data()) + position_, static_cast<size_t>(length));
  text_bytes_ += v.size();
  position_ += static_cast<size_t>(length);
}

void Decoder::nullable(std::optional<std::string>& v, bool may_be_null) {
  const int64_t length = string_length();
  if (length < -1 || (length == -1 && !may_be_null)) return fail();
  v.reset();
  if (length == -1) return;
  if (!ok_ || static_cast<uint64_t>(length) > remaining()) return fail();
  v.emplace(reinterpret_cast<const char*>(bytes_.data()) + position_, static_cast<size_t>(length));
  text_bytes_ += v->size();
  position_ += static_cast<size_t>(length);
}

void Decoder::value(Slice& v) {
  auto taken = take(bytes_length());
  if (!taken) return;
  refers_ = refers_ || !taken->empty();
  v = taken->empty() ? Slice() : std::move(*taken);
}

void Decoder::value(Records& v) {
  const int64_t length = bytes_length();
  v.null = length == -1;
  v.parts.clear();
  if (v.null) return;
  auto taken = take(length);
  if (!taken || taken->empty()) return;
  refers_ = true;
  v.parts.push_back(std::move(*taken));
}

uint32_t Decoder::tag_count() { return varint(); }

std::pair<uint32_t, size_t> Decoder::begin_tag() {
  const uint32_t tag = varint(), size = varint();
  if (size > remaining()) fail();
  return {tag, position_ + (ok_ ? size : 0)};
}

void Encoder::varint(uint32_t v) {
  for (; v >= 0x80; v >>= 7) out_.push_back(static_cast<char>(v | 0x80));
  out_.push_back(static_cast<char>(v));
}

void Encoder::string_length(int64_t length) {
  if (flexible_) return varint(static_cast<uint32_t>(length + 1));
  value(static_cast<int16_t>(length));
}

void Encoder::bytes_length(int64_t length) {
  if (length > INT32_MAX) ok_ = false;
  if (flexible_) return varint(static_cast<uint32_t>(length + 1));
  value(static_cast<int32_t>(length));
}

void Encoder::value(const Records& v) {
  if (v.null) return bytes_length(-1);
  bytes_length(static_cast<int64_t>(v.bytes()));
  for (const Slice& part : v.parts) append(part);
}

void Encoder::append(const Slice& bytes) {
  if (bytes.size() < kReferFrom) {
    out_.append(bytes.view());
    return;
  }
  seal();
  parts_.push_back(bytes);
}

void Encoder::seal() {
  if (out_.empty()) return;
  auto block = std::make_shared<const std::string>(std::exchange(out_, {}));
  const auto* data = reinterpret_cast<const uint8_t*>(block->data());
  const size_t size = block->size();
  parts_.emplace_back(std::move(block), data, size);
}

std::vector<Slice> Encoder::take_frame() {
  seal();
  size_t total = 0;
  for (const Slice& p : parts_) total += p.size();
  if (total > INT32_MAX) ok_ = false;
  if (!ok_) return {};
  const uint32_t size = __builtin_bswap32(static_cast<uint32_t>(total));
  parts_.insert(parts_.begin(), Slice::copy(std::span(reinterpret_cast<const uint8_t*>(&size), sizeof size)));
  return std::exchange(parts_, {});
}

std::string Encoder::take_bytes() {
  seal();
  std::string all;
  for (const Slice& p : parts_) all.append(p.view());
  parts_.clear();
  return all;
}

}  // namespace ms::kafka
