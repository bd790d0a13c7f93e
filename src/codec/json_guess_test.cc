// Records that look like the one before, and those that only nearly do.
#include "codec/json_guess.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>

#include "base/rng.h"

namespace ms {
namespace {

std::unique_ptr<JsonDecoder> make() {
  return JsonDecoder::make({{.path = "i", .type = TypeKind::kInt64},
                            {.path = "f", .type = TypeKind::kFloat64},
                            {.path = "s", .type = TypeKind::kString},
                            {.path = "b", .type = TypeKind::kBool},
                            {.path = "n.x", .type = TypeKind::kInt64},
                            {.path = "n.y", .type = TypeKind::kString},
                            {.path = "d", .type = Type::decimal(12, 2)},
                            {.path = "s", .type = TypeKind::kString},
                            {.path = "t", .type = TypeKind::kTimestamp, .required = true}});
}

std::string show(const ColumnBatch& batch) {
  std::string out;
  for (const Column& c : batch.columns) {
    out += c.valid(0) ? "" : "-";
    for (const int64_t v : c.ints) out += fmt::format("{} ", v);
    for (const double v : c.floats) out += fmt::format("{:x} ", std::bit_cast<uint64_t>(v));
    for (const auto v : c.bools) out += fmt::format("{} ", v);
    for (const int128 v : c.decimals) out += fmt::format("{} ", static_cast<int64_t>(v));
    for (const auto v : c.strings) out += fmt::format("'{}' ", v);
  }
  return out;
}

std::string decoded(JsonDecoder& decoder, const std::string& record, bool in_place) {
  const auto exact = std::make_unique<char[]>(record.size() + 64);  // so that a sanitizer sees a read behind it
  std::memcpy(exact.get(), record.data(), record.size());
  std::memset(exact.get() + record.size(), '"', 64);
  ColumnBatch batch;
  decoder.start(batch, 1);
  const auto reason = decoder.decode({exact.get(), record.size()}, in_place ? 64 : 0, batch, 0);
  return reason ? *reason : show(batch);
}

std::string word(Rng& rng) { return std::string(rng.below(40), static_cast<char>('a' + rng.below(26))); }

// The same names in the same order, `skipped` ones among them.
std::string record(Rng& rng, std::string_view space) {
  const auto number = [&] { return static_cast<int64_t>(rng.next() >> rng.below(64)) * (rng.below(2) == 0 ? 1 : -1); };
  return fmt::format(
      R"({{"id":"{}",{}"i":{},"f":{}.5,"skipped":{},"n":{{"z":[true,"q"],{}"y":"{}","x":{}}},"b":{},"d":{}.{},"s":"{}","a name that is longer than thirty-two bytes":"","t":{}}})",
      word(rng), space, number() / 1000, number(), rng.below(3) == 0 ? "null" : "1e9", space, rng.below(8) == 0 ? "\xC3\xA9" : word(rng),
      rng.below(1000), rng.below(2) == 0, rng.below(99), rng.below(99), word(rng), rng.below(1'000'000'000));
}

TEST(JsonGuess, RecordsLikeTheOneBeforeAreTaken) {
  Rng rng(1);
  for (const std::string_view space : {"", " "}) {
    const auto guess = make(), careful = make();
    for (int i = 0; i < 2'000; ++i) {
      const std::string text = record(rng, space);
      ASSERT_EQ(decoded(*guess, text, true), decoded(*careful, text, false)) << text;
    }
    EXPECT_EQ(careful->guessed(), 0u);
    EXPECT_EQ(guess->guessed(), 1'999u);
  }
}

// One to three bytes of a record that would fit are others, or gone, or doubled.
TEST(JsonGuess, NearlyLikeIsNotEnough) {
  constexpr std::string_view kBytes = "\"\\,:{}[]0129 etn-.\n\x80\xC3";
  Rng rng(2);
  uint64_t taken = 0, refused = 0;
  for (int i = 0; i < 60'000; ++i) {
    const auto guess = make(), careful = make();
    (void)decoded(*guess, record(rng, ""), true);
    std::string text = record(rng, "");
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) {
      const size_t at = rng.below(text.size());
      const char byte = kBytes[rng.below(kBytes.size())];
      const uint64_t how = rng.below(4);
      if (how == 0) text.erase(at, 1 + rng.below(3));
      else if (how == 1) text.insert(at, 1, byte);
      else text[at] = byte;
    }
    const std::string got = decoded(*guess, text, true);
    ASSERT_EQ(got, decoded(*careful, text, false)) << text;
    taken += guess->guessed(), refused += got.starts_with("json") ? 1 : 0;
  }
  EXPECT_GT(taken, 1'000u);
  EXPECT_GT(refused, 1'000u);
}

// Two shapes in turn: the guess gives up, and comes back when there is one again.
TEST(JsonGuess, ChangingShapes) {
  const auto decoder = make();
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(decoded(*decoder, fmt::format(R"({{"i":{},"t":1}})", i), true),
              decoded(*make(), fmt::format(R"({{"i":{},"t":1}})", i), false));
    EXPECT_EQ(decoded(*decoder, fmt::format(R"({{"t":1,"i":{}}})", i), true),
              decoded(*make(), fmt::format(R"({{"t":1,"i":{}}})", i), false));
  }
  const uint64_t before = decoder->guessed();
  EXPECT_LT(before, 200u);
  for (int i = 0; i < 1'000; ++i) (void)decoded(*decoder, fmt::format(R"({{"i":{},"t":1}})", i), true);
  EXPECT_GT(decoder->guessed() - before, 900u);
}

// Where an object should be, a scalar is an error and null forgets: neither is learned as a value that nobody wants.
TEST(JsonGuess, ScalarsInTheWayOfMembers) {
  for (const char* first : {R"({"n":null,"t":1})", R"({"x":[{"n":1}],"t":1})", R"({"n":{"x":1},"n":null,"t":1})"}) {
    for (const char* second : {R"({"n":5,"t":1})", R"({"n":null,"t":2})", R"({"n":"5","t":1})", R"({"x":[{"n":2}],"t":1})",
                               R"({"n":{"x":2},"n":null,"t":1})", R"({"n":{"x":2},"n":true,"t":1})"}) {
      const auto guess = make();
      (void)decoded(*guess, first, true);
      EXPECT_EQ(decoded(*guess, second, true), decoded(*make(), second, false)) << first << second;
    }
  }
}

}  // namespace
}  // namespace ms
