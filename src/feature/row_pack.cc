#include "feature/row_pack.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "base/types.h"
#include "feature/value_words.h"

namespace ms::feature {
namespace {

constexpr int64_t kUnitsUs[] = {kMicrosPerSecond, kMicrosPerMilli, 1};
std::atomic<size_t> limit_of_rows = RowPacker::kRowsMost;
constexpr uint32_t kFlagBitsMost = 8;
constexpr uint64_t kStepMost = uint64_t{1} << 55;  // between two rows, in units

uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

template <class T>
void put_varint(std::vector<uint8_t>& out, T v) {
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<uint8_t>(v | 0x80));
  out.push_back(static_cast<uint8_t>(v));
}
// Packs are written by append() alone, so they end where they say.
template <class T = uint64_t>
T take_varint(const uint8_t*& at) {
  T v = *at & 0x7F;
  for (unsigned shift = 7; *at++ >= 0x80; shift += 7) v |= static_cast<T>(*at & 0x7F) << shift;
  return v;
}

bool box_knows_positions(BoxKind kind) {
  return kind == BoxKind::kFirstN || kind == BoxKind::kLastN || kind == BoxKind::kRows || kind == BoxKind::kSessions;
}
bool knows_positions(const Slot& slot) {
  switch (slot.kind) {
    case SlotKind::kFirst:
    case SlotKind::kLast:
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: return true;
    case SlotKind::kBox: return box_knows_positions(slot.extra->box);
    default: return false;
  }
}

void put_value(TypeKind type, const uint64_t* words, std::vector<uint8_t>& out) {
  switch (type) {
    case TypeKind::kBool: return out.push_back(static_cast<uint8_t>(*words));
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: return put_varint(out, zigzag(static_cast<int64_t>(*words)));
    case TypeKind::kFloat64: return put_varint(out, __builtin_bswap64(*words));
    case TypeKind::kDecimal: {
      const int128 v = decimal_at(words);
      return put_varint(out, static_cast<uint128>(v) << 1 ^ static_cast<uint128>(v >> 127));
    }
    default: {
      const std::string_view text = bytes_at(words);
      put_varint(out, text.size());
      out.insert(out.end(), text.begin(), text.end());
    }
  }
}

const uint8_t* take_value(TypeKind type, const uint8_t* at, uint64_t* words) {
  switch (type) {
    case TypeKind::kBool: *words = *at++; break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: *words = static_cast<uint64_t>(unzigzag(take_varint(at))); break;
    case TypeKind::kFloat64: *words = __builtin_bswap64(take_varint(at)); break;
    case TypeKind::kDecimal: {
      const auto v = take_varint<uint128>(at);
      set_decimal(words, static_cast<int128>(v >> 1 ^ -(v & 1)));
      break;
    }
    default:
      words[1] = take_varint(at);
      words[0] = std::bit_cast<uint64_t>(at);
      at += words[1];
  }
  return at;
}

}  // namespace

RowPacker::RowPacker(const StateLayout& layout) : layout_(&layout.row), rows_most_(layout.keeps_rows() ? 0 : limit_of_rows.load()) {
  for (const Slot& slot : layout.slots) positions_ |= feature::knows_positions(slot);
  const size_t bits = layout_->filters + layout_->arguments.size();
  flag_bits_ = bits <= kFlagBitsMost ? static_cast<uint32_t>(bits) : 0;
  usual_.assign(layout_->bit_words, 0);
  for (size_t i = 0; i < bits; ++i) {
    if (i < layout_->filters || layout_->arguments[i - layout_->filters].used) usual_[i / 64] |= uint64_t{1} << (i % 64);
  }
  for (size_t a = 0; a < layout_->arguments.size(); ++a) {
    const RowLayout::Argument& argument = layout_->arguments[a];
    if (argument.used) values_.push_back({argument.type.kind, argument.at, static_cast<uint32_t>(layout_->filters + a)});
  }
}

size_t RowPacker::limit_rows(size_t rows_most) { return limit_of_rows.exchange(rows_most); }

bool RowPacker::follows(const PackHeader& header, const uint64_t* row) const {
  return row_time(row) > header.newest_us || (row_time(row) == header.newest_us && !positions_);
}

void RowPacker::note(PackHeader& header, const uint64_t* row) {
  const uint64_t later_us = header.rows == 0 ? 0 : row[0] - static_cast<uint64_t>(header.newest_us);
  const uint64_t span = header.span_s + (later_us + kMicrosPerSecond - 1) / kMicrosPerSecond;
  header.span_s = static_cast<uint32_t>(std::min<uint64_t>(span, UINT32_MAX));
  header.newest_us = row_time(row);
  ++header.rows;
}

bool RowPacker::append(uint8_t* pack, const uint64_t* row, std::vector<uint8_t>& out) const {
  PackHeader& header = pack_header(pack);
  if (header.rows >= rows_most_) return false;
  for (const Value& v : values_) {
    if (is_bytes(v.type) && RowLayout::bit(row, v.bit) && row[v.at + 1] > kBytesMost) return false;
  }
  const int64_t unit = kUnitsUs[header.unit];
  if (row_time(row) % unit != 0) return false;
  const bool is_first = header.rows == 0;
  const uint64_t step = is_first ? 0 : (row[0] - static_cast<uint64_t>(header.newest_us)) / static_cast<uint64_t>(unit);
  if (step >= kStepMost) return false;
  if (flag_bits_ > 0) {
    put_varint(out, step << flag_bits_ | (row[3] ^ usual_[0]));
  } else {
    put_varint(out, step);
    for (size_t i = 0; i < usual_.size(); ++i) put_varint(out, row[3 + i] ^ usual_[i]);
  }
  if (positions_) {
    put_varint(out, is_first ? 0 : zigzag(static_cast<int64_t>(row[1] - load_le<uint64_t>(pack + sizeof header))));
    put_varint(out, row[2]);
    store_le(pack + sizeof header, row[1]);
  }
  for (const Value& v : values_) {
    if (RowLayout::bit(row, v.bit)) put_value(v.type, row + v.at, out);
  }
  note(header, row);
  return true;
}

bool RowPacker::pack(std::span<const uint64_t* const> rows, std::vector<uint8_t>& out) const {
  alignas(PackHeader) uint8_t head[sizeof(PackHeader) + sizeof(int64_t)] = {};
  PackHeader& header = pack_header(head);
  for (const uint64_t* row : rows) {
    while (row_time(row) % kUnitsUs[header.unit] != 0) ++header.unit;
  }
  out.assign(head_bytes(), 0);
  for (const uint64_t* row : rows) {
    if (!append(head, row, out) || out.size() > kBytesMost) return false;
  }
  header.bytes = static_cast<uint16_t>(out.size());
  std::memcpy(out.data(), head, head_bytes());
  return true;
}

const uint8_t* RowPacker::read_row(const uint8_t* at, uint64_t unit_us, uint64_t* row) const {
  const uint64_t first = take_varint(at);
  if (flag_bits_ > 0) {
    row[0] = (first >> flag_bits_) * unit_us;
    row[3] = (first & ((uint64_t{1} << flag_bits_) - 1)) ^ usual_[0];
  } else {
    row[0] = first * unit_us;
    for (size_t i = 0; i < usual_.size(); ++i) row[3 + i] = take_varint(at) ^ usual_[i];
  }
  row[1] = row[2] = 0;
  if (positions_) {
    row[1] = static_cast<uint64_t>(unzigzag(take_varint(at)));
    row[2] = take_varint(at);
  }
  for (const Value& v : values_) {
    if (RowLayout::bit(row, v.bit)) {
      at = take_value(v.type, at, row + v.at);
    } else {
      std::fill_n(row + v.at, argument_words(v.type), 0);
    }
  }
  return at;
}

// Rows know their distance from the one before; where the last one lies says where all do.
void RowPacker::unpack(const uint8_t* pack, std::vector<uint64_t>& rows) const {
  const PackHeader& header = pack_header(pack);
  const size_t from = rows.size(), stride = layout_->stride;
  rows.resize(from + header.rows * stride);
  uint64_t* const first = rows.data() + from;
  const auto unit = static_cast<uint64_t>(kUnitsUs[header.unit]);
  const uint8_t* at = pack + head_bytes();
  uint64_t time = 0, offset = 0;
  for (size_t i = 0; i < header.rows; ++i) {
    uint64_t* row = first + i * stride;
    at = read_row(at, unit, row);
    row[0] = time += row[0];
    row[1] = positions_ ? offset += row[1] : i;
  }
  const uint64_t later = static_cast<uint64_t>(header.newest_us) - time;
  const uint64_t further = positions_ ? load_le<uint64_t>(pack + sizeof header) - offset : 0;
  for (size_t i = 0; i < header.rows; ++i) first[i * stride] += later, first[i * stride + 1] += further;
}

}  // namespace ms::feature
