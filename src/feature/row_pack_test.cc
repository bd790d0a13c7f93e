// Packed rows come out as they went in, whatever they are; blocks of a pool keep their packs when others go.
#include "feature/row_pack.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "feature/pack_pool.h"
#include "feature/row_run.h"
#include "feature/state_testing.h"
#include "feature/value_words.h"

namespace ms::feature::testing {
namespace {

// A row of each type of argument, the last one never used; `filters` bits before them.
StateLayout layout_of(size_t filters, bool with_positions) {
  std::vector<FeatureSpec> specs;
  const Type types[] = {TypeKind::kBool, TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kTimestamp, Type::decimal(38, 2), TypeKind::kString};
  for (size_t i = 0; i < std::size(types); ++i) {
    specs.push_back(spec(AggregateKind::kCountDistinct, sliding(kMicrosPerHour), static_cast<int>(i), types[i], static_cast<int>(i % filters)));
    specs.back().parameters.cap = 10;
  }
  for (size_t i = 0; i < filters; ++i) specs.push_back(spec(AggregateKind::kCount, sliding(kMicrosPerHour), -1, TypeKind::kInt64, static_cast<int>(i)));
  if (with_positions) specs.push_back(spec(AggregateKind::kLast, sliding(kMicrosPerHour), 1));
  for (FeatureSpec& s : specs) s.result_type = *result_type(s);
  return StateLayout::compile(std::move(specs));
}

int64_t some_int(Rng& rng) {
  switch (rng.below(6)) {
    case 0: return INT64_MIN;
    case 1: return INT64_MAX;
    case 2: return 0;
    case 3: return -static_cast<int64_t>(rng.below(200));
    default: return static_cast<int64_t>(rng.next() >> rng.below(64));
  }
}

class Rows {
 public:
  Rows(const StateLayout& layout, Rng& rng, bool with_positions) : layout_(layout), positions_(with_positions) {
    const int64_t unit = rng.below(3) == 0 ? 1 : rng.below(2) == 0 ? 1000 : kMicrosPerSecond;
    int64_t et = rng.below(8) == 0 ? INT64_MIN : some_int(rng) / 4 / unit * unit;
    for (size_t n = 1 + rng.below(20), i = 0; i < n; ++i) {
      add(rng, et, static_cast<int64_t>(i));
      et = saturating(et, rng.below(4) == 0 ? 0 : static_cast<int64_t>(rng.below(uint64_t{1} << rng.below(50))) / unit * unit);
    }
  }
  std::vector<const uint64_t*> pointers() const {
    std::vector<const uint64_t*> out;
    for (size_t i = 0; i < count_; ++i) out.push_back(&words_[i * layout_.row.stride]);
    return out;
  }

 private:
  static int64_t saturating(int64_t a, int64_t b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }

  void add(Rng& rng, int64_t et, int64_t number) {
    const RowLayout& row = layout_.row;
    words_.resize(words_.size() + row.stride);
    uint64_t* w = &words_[count_++ * row.stride];
    w[0] = static_cast<uint64_t>(et), w[1] = static_cast<uint64_t>(positions_ ? some_int(rng) : number), w[2] = positions_ ? rng.below(3) : 0;
    for (size_t i = 0; i < row.filters; ++i) w[3 + i / 64] |= rng.below(2) << (i % 64);
    for (size_t a = 0; a < row.arguments.size(); ++a) {
      const RowLayout::Argument& argument = row.arguments[a];
      const size_t bit = row.filters + a;
      if (!argument.used || rng.below(4) == 0) continue;
      w[3 + bit / 64] |= uint64_t{1} << (bit % 64);
      set(rng, argument.type, w + argument.at);
    }
  }
  void set(Rng& rng, const Type& type, uint64_t* w) {
    switch (type.kind) {
      case TypeKind::kBool: *w = rng.below(2); return;
      case TypeKind::kFloat64: *w = std::bit_cast<uint64_t>(rng.below(3) == 0 ? HUGE_VAL : static_cast<double>(rng.below(100)) / 4); return;
      case TypeKind::kDecimal: return set_decimal(w, static_cast<int128>(some_int(rng)) * some_int(rng));
      case TypeKind::kString:
        texts_.push_back(std::make_unique<std::string>(rng.below(30), 'x'));
        w[0] = std::bit_cast<uint64_t>(texts_.back()->data()), w[1] = texts_.back()->size();
        return;
      default: *w = static_cast<uint64_t>(some_int(rng));
    }
  }

  const StateLayout& layout_;
  bool positions_;
  std::vector<uint64_t> words_;
  std::vector<std::unique_ptr<std::string>> texts_;
  size_t count_ = 0;
};

std::string text_of(const StateLayout& layout, const uint64_t* row) {
  ByteWriter out;
  save_row(layout.row, row, out);
  return out.take();
}

void expect_back(const StateLayout& layout, const RowPacker& packer, const uint8_t* pack, std::span<const uint64_t* const> rows) {
  std::vector<uint64_t> words = {7};
  packer.unpack(pack, words);
  RC_ASSERT(words.size() == 1 + rows.size() * layout.row.stride);
  for (size_t i = 0; i < rows.size(); ++i) RC_ASSERT(text_of(layout, &words[1 + i * layout.row.stride]) == text_of(layout, rows[i]));
}

RC_GTEST_PROP(RowPack, RowsComeOutAsTheyWentIn, ()) {
  Rng rng(*rc::gen::arbitrary<uint64_t>());
  const bool positions = rng.below(2) == 0;
  const StateLayout layout = layout_of(1 + rng.below(70), positions);
  const RowPacker packer(layout);
  RC_ASSERT(packer.possible());
  const Rows rows(layout, rng, positions);
  const auto all = rows.pointers();
  std::vector<uint8_t> whole;
  if (!packer.pack(all, whole)) return;  // a step or a size too large, which the next test meets
  RC_ASSERT(whole.size() <= RowPacker::kBytesMost);
  expect_back(layout, packer, whole.data(), all);

  // one row behind the others is the same pack, when its time is told in the unit of the others
  std::vector<uint8_t> grown;
  if (all.size() < 2 || !packer.pack(std::span(all).first(all.size() - 1), grown)) return;
  RC_ASSERT(pack_header(grown.data()).bytes == grown.size());
  std::vector<uint8_t> more;
  if (pack_header(grown.data()).unit != pack_header(whole.data()).unit) {
    RC_ASSERT(!packer.append(grown.data(), all.back(), more));
    return;
  }
  RC_ASSERT(packer.append(grown.data(), all.back(), more));
  grown.insert(grown.end(), more.begin(), more.end());
  pack_header(grown.data()).bytes = static_cast<uint16_t>(grown.size());
  RC_ASSERT(grown == whole);
}

TEST(RowPack, WhatIsTooMuchIsRefused) {
  const StateLayout layout = StateLayout::compile({spec(AggregateKind::kSum, sliding(kMicrosPerHour), 0)});
  const RowPacker packer(layout);
  std::vector<uint64_t> words;
  const auto row = [&](int64_t et, int64_t value) {
    words.insert(words.end(), {static_cast<uint64_t>(et), 0, 0, 1, static_cast<uint64_t>(value)});
  };
  std::vector<uint8_t> out;
  const auto packs = [&] {
    std::vector<const uint64_t*> rows;
    for (size_t at = 0; at < words.size(); at += layout.row.stride) rows.push_back(&words[at]);
    return packer.pack(rows, out);
  };
  row(INT64_MIN, 1), row(INT64_MAX, 1);
  EXPECT_FALSE(packs());  // a step of 2^64
  words.clear();
  for (size_t i = 0; i < RowPacker::kRowsMost; ++i) row(static_cast<int64_t>(i), 1);
  EXPECT_TRUE(packs());
  row(1'000'000, 1);
  EXPECT_FALSE(packs());  // a row too many
  words.clear();
  for (size_t i = 0; i < 100; ++i) row(static_cast<int64_t>(i), INT64_MIN);
  EXPECT_FALSE(packs());  // bytes too many
  const PackedRowsAtMost none(0);
  EXPECT_FALSE(RowPacker(layout).possible());
}

TEST(RowPack, ExactWindowsKeepTheirRowsThemselves) {
  EXPECT_FALSE(RowPacker(StateLayout::compile({spec(AggregateKind::kCount, exact(kMicrosPerHour))})).possible());
}

// Random packs come, grow and go; every owner finds its own bytes, and memory does not grow with what went.
TEST(PackPool, PacksKeepTheirBytesWhenOthersGo) {
  constexpr size_t kOwners = 500;
  Rng rng(1);
  PackPool pool;
  std::vector<uint8_t*> packs(kOwners);
  std::vector<size_t> sizes(kOwners);
  const auto fill = [&](uint32_t owner, size_t bytes) {
    packs[owner] = pool.allocate(bytes), sizes[owner] = bytes;
    std::memset(packs[owner], static_cast<int>(owner % 251), bytes);
    pack_header(packs[owner]).owner = owner;
    pack_header(packs[owner]).bytes = static_cast<uint16_t>(bytes);
  };
  const auto take = [&](uint32_t owner) {
    uint8_t* const block = packs[owner];
    packs[owner] = nullptr;
    pool.release(block, sizes[owner], [&](uint32_t moved) { packs[moved] = block; });
  };
  const auto whole = [&](uint32_t owner) {
    const uint8_t* p = packs[owner];
    return pack_header(p).owner == owner && std::all_of(p + sizeof(PackHeader), p + sizes[owner], [&](uint8_t b) { return b == owner % 251; });
  };
  size_t most = 0;
  for (int round = 0; round < 50; ++round) {
    for (uint32_t owner = 0; owner < kOwners; ++owner) {
      if (packs[owner] == nullptr) {
        fill(owner, sizeof(PackHeader) + rng.below(RowPacker::kBytesMost - sizeof(PackHeader)));
      } else if (rng.below(2) == 0) {
        take(owner);
      }
    }
    for (uint32_t owner = 0; owner < kOwners; ++owner) ASSERT_TRUE(packs[owner] == nullptr || whole(owner)) << owner;
    if (round == 10) most = pool.bytes();
  }
  EXPECT_LE(pool.bytes(), 2 * most);
  for (uint32_t owner = 0; owner < kOwners; ++owner) {
    if (packs[owner] != nullptr) take(owner);
  }
}

}  // namespace
}  // namespace ms::feature::testing
