// The canonical export (law L3) and the checkpoint form (docs/formats/state.md).
#include <algorithm>
#include <map>

#include "base/crc32c.h"
#include "feature/state_impl.h"

namespace ms::feature {
namespace {

constexpr uint32_t kMagic = 0x5356534Du;  // "MSVS"
constexpr uint8_t kVersion = 2;
constexpr size_t kHeadBytes = 4 + 1 + 8;  // magic, version, size of the body

void save_header(const StateLayout& layout, int64_t header, ByteWriter& out) {
  // 0: the base tile; else level + 1 and the start in tiles of that level
  if (header == TileHeader::kBase) return out.u8(0);
  const size_t level = TileHeader::level(header);
  out.u8(static_cast<uint8_t>(level + 1));
  out.zigzag((header >> 5) / (layout.widths_us[level] / layout.unit()));
}

// nullopt: no such tile
std::optional<int64_t> load_header(const StateLayout& layout, ByteReader& in) {
  const uint8_t tag = in.u8();
  if (tag == 0) return layout.has_lifetime ? std::optional(TileHeader::kBase) : std::nullopt;
  const size_t level = tag - 1u;
  if (level >= layout.widths_us.size()) return std::nullopt;
  const int64_t index = in.zigzag();
  const int64_t width = layout.widths_us[level];
  if (index < floor_div(INT64_MIN, width) || index > floor_div(INT64_MAX, width)) return std::nullopt;
  return index * (width / layout.unit()) * 32 + static_cast<int64_t>(level);
}

}  // namespace

void StateImpl::export_entity(const Entity& e, const TileRules& rules, ByteWriter& out) const {
  std::map<int64_t, Totals> tiles;
  const auto tile_of = [&](int64_t et) -> uint64_t* {
    if (!layout_.has_lifetime && et < rules.horizon) return nullptr;
    const int64_t header = rules.header_for(layout_, et);
    if (!layout_.has_lifetime && TileHeader::end(layout_, header, rules.horizon) <= rules.longest_tail) return nullptr;
    return tiles.try_emplace(header, layout_).first->second.words();
  };
  for (size_t i = 0; i < e.tile_count; ++i) {
    uint64_t* to = tile_of(tiles_.start(e, i));
    if (to != nullptr) merge_words(layout_, to, tiles_.tile(e, i) + 1, 0, 1);
  }
  const EntityRows all = rows_of(e);
  std::vector<const uint64_t*> rows;
  const int64_t raw = std::min(rules.now, layout_.keeps_rows() ? layout_.raw_horizon(rules.now) : INT64_MAX);
  for (size_t i = 0; i < all.size; ++i) {
    const uint64_t* row = all.row(i);
    if (i >= all.folded && row_time(row) < rules.now) {
      if (uint64_t* to = tile_of(row_time(row))) add_row(layout_, to, row);
    }
    if (row_time(row) >= raw) rows.push_back(row);
  }
  if (tiles.empty() && rows.empty()) return;
  out.varint(tiles.size());
  for (const auto& [header, totals] : tiles) {
    save_header(layout_, header, out);
    save_words(layout_, totals.words(), out);
  }
  out.varint(rows.size());
  for (const uint64_t* row : rows) save_row(layout_.row, row, out);
}

void StateImpl::export_canonical(Instant t, const std::function<void(std::string_view, std::string_view)>& sink) const {
  std::vector<const Entity*> order;
  for (size_t i = 0; i < table_.size(); ++i) order.push_back(&table_.at(i));
  std::sort(order.begin(), order.end(), [](const Entity* a, const Entity* b) { return a->key() < b->key(); });
  const TileRules rules = TileRules::at(layout_, t.us);
  for (const Entity* e : order) {
    ByteWriter out;
    export_entity(*e, rules, out);
    if (out.size() > 0) sink(e->key(), out.str());
  }
}

void StateImpl::save_entity(const Entity& e, ByteWriter& out) const {
  out.sized(e.key());
  out.u64(e.hash);
  out.varint(e.tile_count);
  for (size_t i = 0; i < e.tile_count; ++i) {
    save_header(layout_, tiles_.header(e, i), out);
    save_words(layout_, tiles_.tile(e, i) + 1, out);
  }
  const EntityRows rows = rows_of(e);
  out.varint(rows.size);
  if (rows.size == 0) return;
  out.varint(rows.folded);
  for (size_t i = 0; i < rows.size; ++i) save_row(layout_.row, rows.row(i), out);
}

bool StateImpl::save(ByteWriter& out, const std::function<bool()>& give_up) const {
  constexpr size_t kAskEvery = 1024;  // entities
  const size_t from = out.size();
  out.u32(kMagic);
  out.u8(kVersion);
  const size_t size_at = out.size();
  out.u64(0);
  out.sized(layout_.description());
  out.i64(rules_.now);
  size_t live = 0;
  const auto is_live = [](const Entity& e) { return e.tile_count > 0 || e.rows != nullptr || e.has_pack(); };
  for (size_t i = 0; i < table_.size(); ++i) live += is_live(table_.at(i)) ? 1 : 0;
  out.varint(live);
  for (size_t i = 0; i < table_.size(); ++i) {
    if (i % kAskEvery == 0 && give_up && give_up()) return false;
    if (is_live(table_.at(i))) save_entity(table_.at(i), out);
  }
  store_le(out.at(size_at), static_cast<uint64_t>(out.size() - size_at - sizeof(uint64_t)));
  out.u32(crc32c({reinterpret_cast<const uint8_t*>(out.str().data()) + from, out.size() - from}));
  return true;
}

Result<> StateImpl::load_entity(ByteReader& in) {
  const std::string_view key = in.sized();
  const uint64_t hash = in.u64();
  const uint64_t tile_count = in.varint();
  if (!in.ok() || tile_count > in.remaining()) return corruption("view state: an entity runs past the end");
  const size_t known = table_.size();
  Entity& e = table_.find_or_add(hash, key);
  if (table_.size() == known) return corruption("view state: an entity is there twice");
  int64_t end = INT64_MIN;
  for (uint64_t i = 0; i < tile_count; ++i) {
    const auto header = load_header(layout_, in);
    if (!header || !in.ok()) return corruption("view state: a tile of no level of this view");
    if (i > 0 && TileHeader::start(layout_, *header) < end) return corruption("view state: tiles out of order");
    end = TileHeader::end(layout_, *header, INT64_MIN);
    uint64_t* words = tiles_.append(e, *header);
    if (!load_words(layout_.row, layout_, words, in)) return corruption("view state: a tile cannot be read");
  }
  const uint64_t row_count = in.varint();
  if (!in.ok() || row_count > in.remaining()) return corruption("view state: rows run past the end");
  if (row_count == 0) return {};
  const uint64_t folded = in.varint();
  if (folded > row_count) return corruption("view state: more folded rows than rows");
  RowRun& run = run_of(e);
  for (uint64_t i = 0; i < row_count; ++i) {
    if (!load_row(layout_.row, scratch_.data(), in)) return corruption("view state: a row cannot be read");
    if (i > 0 && !row_before(run.row(i - 1), scratch_.data())) return corruption("view state: rows out of order");
    run.insert(scratch_.data());
  }
  run.set_folded(folded);
  fold(e);
  return {};
}

Result<> StateImpl::load_body(ByteReader& in) {
  if (in.sized() != layout_.description()) return corruption("view state: it belongs to another view");
  const int64_t now = in.i64();
  const uint64_t count = in.varint();
  if (!in.ok() || count > in.remaining()) return corruption("view state: entities run past the end");
  rules_ = TileRules::at(layout_, now);
  raw_horizon_ = layout_.raw_horizon(now);
  for (uint64_t i = 0; i < count; ++i) TRY(load_entity(in));
  return {};
}

Result<> StateImpl::load(ByteReader& in) {
  for (size_t i = 0; i < table_.size(); ++i) drop(table_.at(i));
  table_ = EntityTable();
  maintained_ = 0;
  const auto head = in.bytes(kHeadBytes);
  ByteReader header(head);
  if (header.u32() != kMagic || !in.ok()) return corruption("view state: it does not begin with MSVS");
  const uint8_t version = header.u8();
  if (version != kVersion) {
    return fail(ErrorKind::kUnsupported, "view state: version " + std::to_string(version) + ", this program reads " + std::to_string(kVersion));
  }
  const auto body = in.bytes(header.u64());
  const uint32_t crc = in.u32();
  if (!in.ok()) return corruption("view state: it is cut short");
  if (crc != crc32c(body, crc32c(head))) return corruption("view state: the CRC32C does not match");
  ByteReader reader(body);
  TRY(load_body(reader));
  if (!reader.at_end()) return corruption("view state: bytes behind the last entity");
  return {};
}

}  // namespace ms::feature
