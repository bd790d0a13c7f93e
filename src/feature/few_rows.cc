// Entities with few rows: packed rows in place of tiles, until tiles are smaller or the rows too many.
#include <algorithm>
#include <cstring>

#include "feature/state_impl.h"

namespace ms::feature {
namespace {

std::vector<uint64_t>& scratch_of_thread() {
  thread_local std::vector<uint64_t> words;
  words.clear();
  return words;
}

}  // namespace

EntityRows StateImpl::rows_of(const Entity& e) const {
  const size_t stride = layout_.row.stride;
  if (!e.has_pack()) {
    if (e.rows == nullptr || e.rows->size() == 0) return {};
    return {e.rows->row(0), stride, e.rows->size(), e.rows->folded()};
  }
  std::vector<uint64_t>& words = scratch_of_thread();
  packer_.unpack(e.pack, words);
  // The clock had not passed these when it had passed the packed ones.
  if (e.rows != nullptr && e.rows->size() > 0) words.insert(words.end(), e.rows->row(0), e.rows->row(0) + e.rows->size() * stride);
  return {words.data(), stride, words.size() / stride, 0};
}

bool StateImpl::in_reach(int64_t event_time_us) const { return layout_.has_lifetime || event_time_us >= rules_.horizon; }

void StateImpl::set_pack(Entity& e, std::span<const uint8_t> bytes) {
  const size_t old = e.has_pack() ? pack_header(e.pack).bytes : 0;
  if (old == 0 || !PackPool::same_block(old, bytes.size())) {
    drop_pack(e);
    e.pack = packs_.allocate(bytes.size());
    e.tile_class = Entity::kPacked;
  }
  std::memcpy(e.pack, bytes.data(), bytes.size());
  pack_header(e.pack).owner = e.number;
}

void StateImpl::drop_pack(Entity& e) {
  if (!e.has_pack()) return;
  uint8_t* const pack = e.pack;
  e.pack = nullptr, e.tile_class = 0;
  release_block(pack, pack_header(pack).bytes);
}

void StateImpl::release_block(uint8_t* block, size_t bytes) {
  packs_.release(block, bytes, [&](uint32_t owner) { table_.at(owner).pack = block; });
}

bool StateImpl::append_packed(Entity& e, const uint64_t* row) {
  uint8_t before[32];  // as much as the smallest block
  const size_t size = pack_header(e.pack).bytes;
  std::memcpy(before, e.pack, sizeof before);
  packed_.clear();
  if (!packer_.append(e.pack, row, packed_)) return false;
  const size_t wanted = size + packed_.size();
  if (!PackPool::same_block(size, wanted)) {
    // Rows that no window reaches go first; now and then tiles may have become smaller.
    const bool look_at_all = wanted > RowPacker::kBytesMost || !in_reach(pack_header(e.pack).oldest_us()) || PackPool::is_milestone(size);
    if (look_at_all) {
      std::memcpy(e.pack, before, sizeof before);
      return false;
    }
    uint8_t* const old = e.pack;
    e.pack = packs_.allocate(wanted);
    std::memcpy(e.pack, old, size);
    release_block(old, size);
  }
  std::memcpy(e.pack + size, packed_.data(), packed_.size());
  pack_header(e.pack).bytes = static_cast<uint16_t>(wanted);
  return true;
}

bool StateImpl::is_smaller_as_tiles(std::span<const uint64_t* const> rows, size_t bytes) const {
  const size_t tile_bytes = tiles_.stride() * sizeof(uint64_t);
  size_t tiles = 0;
  int64_t last = 0;
  for (const uint64_t* row : rows) {
    const int64_t header = rules_.header_for(layout_, row_time(row));
    if (tiles == 0 || header != last) ++tiles, last = header;
    if (tiles * tile_bytes > bytes) return false;
  }
  return true;
}

bool StateImpl::repack(Entity& e, const uint64_t* row) {
  std::vector<uint64_t>& words = scratch_of_thread();
  if (e.has_pack()) packer_.unpack(e.pack, words);
  ordered_.clear();
  bool placed = false;
  for (size_t at = 0; at < words.size(); at += layout_.row.stride) {
    const uint64_t* old = &words[at];
    if (!in_reach(row_time(old))) continue;
    if (!placed && row_before(row, old)) ordered_.push_back(row), placed = true;
    ordered_.push_back(old);
  }
  if (!placed) ordered_.push_back(row);
  if (!packer_.pack(ordered_, packed_)) return false;
  constexpr size_t kWorthCounting = 128;
  if ((packed_.size() > kWorthCounting || layout_.widths_us.empty()) && is_smaller_as_tiles(ordered_, packed_.size())) return false;
  set_pack(e, packed_);
  return true;
}

void StateImpl::unpack(Entity& e) {
  std::vector<uint64_t>& words = scratch_of_thread();
  uint8_t* const pack = e.pack;
  packer_.unpack(pack, words);
  e.tiles = nullptr, e.tile_class = 0;
  for (size_t at = 0; at < words.size(); at += layout_.row.stride) {
    const int64_t et = row_time(&words[at]);
    if (in_reach(et)) add_row(layout_, tiles_.words_for(e, et, rules_), &words[at]);
  }
  release_block(pack, pack_header(pack).bytes);
}

bool StateImpl::add_packed(Entity& e, const uint64_t* row) {
  if (e.has_pack()) {
    if (packer_.follows(pack_header(e.pack), row) && append_packed(e, row)) return true;
  } else if (!packer_.possible() || e.tiles != nullptr || e.forward != nullptr) {
    return false;
  }
  if (repack(e, row)) return true;
  if (e.has_pack()) unpack(e);
  return false;
}

}  // namespace ms::feature
