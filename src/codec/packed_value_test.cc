#include "codec/packed_value.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms {
namespace {

TEST(Types, TextsReadBack) {
  for (const Type& type : {Type(TypeKind::kBool), Type(TypeKind::kTimestamp), Type::decimal(12, 2), Type::decimal(38, 38), Type::list(TypeKind::kString),
                           Type::list(Type::decimal(9, 0)), Type::vector(8), Type::map(TypeKind::kFloat64), Type::map(Type::decimal(4, 4))}) {
    EXPECT_EQ(parse_type(type_text(type)), type) << type_text(type);
  }
  EXPECT_EQ(type_text(Type::map(Type::decimal(12, 2))), "map<string,decimal(12,2)>");
  EXPECT_EQ(parse_type(" decimal( 12, 2 ) "), Type::decimal(12, 2));
  for (const char* text : {"", "int", "decimal", "decimal(0,0)", "decimal(39,0)", "decimal(4,5)", "list<list<int64>>", "list<int64", "vector<int64,3>", "vector<float64,0>",
                           "vector<float64,4097>", "map<int64,int64>", "int64 int64"}) {
    EXPECT_FALSE(parse_type(text)) << text;
  }
}

PackedElement element(TypeKind kind, Rng& rng) {
  PackedElement e;
  if (rng.below(4) == 0) return e;
  e.is_null = false;
  if (kind == TypeKind::kBool) e.i = static_cast<int64_t>(rng.below(2));
  else if (kind == TypeKind::kFloat64) e.f = static_cast<double>(rng.below(1000)) / 7;
  else if (kind == TypeKind::kDecimal) e.d = static_cast<int128>(rng.next()) * static_cast<int64_t>(rng.next());
  else if (kind == TypeKind::kString) e.text = std::string_view("abcdefgh").substr(rng.below(8));
  else e.i = static_cast<int64_t>(rng.next());
  return e;
}

TEST(PackedValue, ListsReadBack) {
  Rng rng(7);
  for (const TypeKind kind : {TypeKind::kBool, TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kString, TypeKind::kTimestamp, TypeKind::kDecimal}) {
    for (int round = 0; round < 50; ++round) {
      PackedListWriter writer(kind);
      std::vector<PackedElement> all(rng.below(20));
      for (auto& e : all) writer.add(e = element(kind, rng));
      std::string bytes;
      writer.write(bytes);
      const Type type = Type::list(kind == TypeKind::kDecimal ? Type::decimal(38, 2) : Type(kind));
      ASSERT_TRUE(valid_packed(type, bytes));
      const PackedList list(kind, bytes);
      ASSERT_EQ(list.size(), all.size());
      ASSERT_EQ(list.bytes(), bytes.size());
      for (size_t i = 0; i < all.size(); ++i) {
        const PackedElement e = list.at(i);
        EXPECT_TRUE(e.is_null == all[i].is_null && e.i == all[i].i && e.f == all[i].f && e.d == all[i].d && e.text == all[i].text);
      }
      for (size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(valid_packed(type, std::string_view(bytes).substr(0, cut)));
    }
  }
}

TEST(PackedValue, NonsenseIsSeen) {
  Rng rng(8);
  const Type types[] = {Type::list(TypeKind::kString), Type::map(TypeKind::kInt64), Type::list(TypeKind::kBool), Type::map(TypeKind::kString)};
  size_t valid = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string bytes(rng.below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(rng.below(3) == 0 ? rng.below(256) : rng.below(2));
    for (const Type& type : types) {
      if (!valid_packed(type, bytes)) continue;
      ++valid;
      const PackedList list(type == TypeKind::kMap ? TypeKind::kString : type.element, bytes);  // reads stay inside
      for (size_t i = 0; i < list.size(); ++i) (void)list.at(i);
    }
  }
  EXPECT_GT(valid, 10u);
}

TEST(PackedValue, MapsAreSortedAndOfOneSize) {
  const auto list = [](TypeKind kind, std::vector<PackedElement> all) {
    PackedListWriter writer(kind);
    for (const auto& e : all) writer.add(e);
    std::string out;
    writer.write(out);
    return out;
  };
  const auto name = [](std::string_view text) { return PackedElement{.is_null = false, .text = text}; };
  const auto number = [](int64_t i) { return PackedElement{.is_null = false, .i = i}; };
  const Type type = Type::map(TypeKind::kInt64);
  EXPECT_TRUE(valid_packed(type, list(TypeKind::kString, {name("a"), name("b")}) + list(TypeKind::kInt64, {number(1), {}})));
  EXPECT_FALSE(valid_packed(type, list(TypeKind::kString, {name("b"), name("a")}) + list(TypeKind::kInt64, {number(1), {}})));
  EXPECT_FALSE(valid_packed(type, list(TypeKind::kString, {name("a"), name("a")}) + list(TypeKind::kInt64, {number(1), {}})));
  EXPECT_FALSE(valid_packed(type, list(TypeKind::kString, {name("a"), {}}) + list(TypeKind::kInt64, {number(1), {}})));
  EXPECT_FALSE(valid_packed(type, list(TypeKind::kString, {name("a")}) + list(TypeKind::kInt64, {number(1), {}})));
}

}  // namespace
}  // namespace ms
