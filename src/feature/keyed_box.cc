#include "feature/keyed_box.h"

#include "base/bytes.h"
#include "base/check.h"
#include "feature/moments.h"
#include "feature/value_words.h"

namespace ms::feature {
namespace {

constexpr uint64_t kSign = uint64_t{1} << 63;

void append_big_endian(std::string& out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}

uint64_t big_endian(const char* at) {
  uint64_t v = 0;
  for (int i = 0; i < 8; ++i) v = v << 8 | static_cast<uint8_t>(at[i]);
  return v;
}

std::string key_of(const Type& type, const uint64_t* value) {
  if (is_bytes(type)) return std::string(bytes_at(value));
  std::string key;
  if (type == TypeKind::kDecimal) append_big_endian(key, value[1] ^ kSign);
  append_big_endian(key, type == TypeKind::kDecimal ? value[0] : value[0] ^ kSign);
  return key;
}

bool is_sum(const Slot& slot) { return slot.extra->box == BoxKind::kSumBy; }

}  // namespace

const Type& key_type(const Slot& slot) { return is_sum(slot) ? slot.by_type : slot.type; }

void key_value(const Type& type, std::string_view key, uint64_t* words) {
  if (is_bytes(type)) {
    words[0] = std::bit_cast<uint64_t>(key.data()), words[1] = key.size();
  } else if (type == TypeKind::kDecimal) {
    words[1] = big_endian(key.data()) ^ kSign, words[0] = big_endian(key.data() + 8);
  } else {
    words[0] = big_endian(key.data()) ^ kSign;
  }
}

void KeyedBox::add(const Slot& slot, std::string_view key, uint64_t count, const ExactSum* sum) {
  if (over_) return;
  auto at = cells_.find(key);
  if (at == cells_.end()) {
    if (key.size() > kKeyBytesMax || cells_.size() >= static_cast<size_t>(slot.cap)) return set_over();
    at = cells_.emplace(key, Cell{}).first;
  }
  at->second.count += count;
  if (sum != nullptr) at->second.sum.add(*sum);
}

void KeyedBox::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  const uint64_t* value = layout.value(row, slot.argument);
  if (!is_sum(slot)) return add(slot, key_of(slot.type, value), 1, nullptr);
  ExactSum sum;
  add_product(sum, slot.type, value, 1, slot.type, value, 0);
  add(slot, key_of(slot.by_type, layout.value(row, slot.by)), 1, &sum);
}

void KeyedBox::merge(const Slot& slot, const Box& other) {
  const auto& from = static_cast<const KeyedBox&>(other);
  if (from.over_) return set_over();
  for (const auto& [key, cell] : from.cells_) add(slot, key, cell.count, is_sum(slot) ? &cell.sum : nullptr);
}

void KeyedBox::save(const Slot& slot, ByteWriter& out) const {
  out.u8(over_ ? 1 : 0);
  if (over_) return;
  out.varint(cells_.size());
  for (const auto& [key, cell] : cells_) {
    out.sized(key), out.varint(cell.count);
    if (is_sum(slot)) cell.sum.save(out);
  }
}

bool KeyedBox::load(const Slot& slot, const RowLayout&, ByteReader& in) {
  const uint8_t over = in.u8();
  if (over > 1) return false;
  over_ = over == 1;
  if (over_) return in.ok();
  const uint64_t count = in.varint();
  if (count == 0 || count > static_cast<uint64_t>(slot.cap)) return false;
  const Type& type = key_type(slot);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view key = in.sized();
    if (!in.ok() || key.size() > kKeyBytesMax || (!is_bytes(type) && key.size() != 8 * argument_words(type))) return false;
    if (!cells_.empty() && cells_.rbegin()->first >= key) return false;
    Cell& cell = cells_[std::string(key)];
    cell.count = in.varint();
    if (is_sum(slot) && !cell.sum.load(in)) return false;
  }
  return in.ok();
}

size_t KeyedBox::bytes() const {
  size_t bytes = sizeof *this;
  for (const auto& [key, cell] : cells_) bytes += sizeof cell + 64 + (key.capacity() > 15 ? key.capacity() : 0) + cell.sum.heap_bytes();
  return bytes;
}

}  // namespace ms::feature
