#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/rng.h"
#include "base/testing/crash_file_system.h"
#include "objstore/object_store.h"

namespace ms {
namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(DirectoryStore, KeepsWhatWasPutAndNothingHalf) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    testing::CrashFileSystem fs(seed);
    auto store = open_directory_store(fs, "/objects").value();
    const std::string big(10'000, 'x');
    const std::array<std::span<const uint8_t>, 2> parts = {bytes_of("head"), bytes_of(big)};
    ASSERT_TRUE(store->put("a", parts));
    fs.lose_power_after(seed % 7);
    const bool second = store->put("b", parts).has_value();
    fs.power_cycle();
    store = open_directory_store(fs, "/objects").value();
    std::string out(big.size() + 4, '\0');
    const std::span<uint8_t> room(reinterpret_cast<uint8_t*>(out.data()), out.size());
    ASSERT_TRUE(store->get("a", 0, room));
    EXPECT_EQ(out, "head" + big);
    const auto size = store->size("b");
    if (second) ASSERT_TRUE(size);
    if (size) {
      ASSERT_EQ(*size, out.size()) << seed;
      ASSERT_TRUE(store->get("b", 0, room));
      EXPECT_EQ(out, "head" + big) << seed;
    }
  }
}

// Past the page cache, in blocks: no size and no cut into parts loses or adds a byte.
TEST(DirectoryStore, ReadsBackEverySizeFromTheDisk) {
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("millstream-objects-{}", random_seed());
  auto store = open_directory_store(posix_file_system(), directory.string()).value();
  Rng rng(1);
  std::string all(3 * (1u << 20) + 5000, 0);
  for (char& c : all) c = static_cast<char>(rng.next());
  for (const size_t size : {0uz, 1uz, 4095uz, 4096uz, 4097uz, (1uz << 20) - 1, 1uz << 20, (1uz << 20) + 1, all.size()}) {
    std::vector<std::span<const uint8_t>> parts;
    for (size_t at = 0; at < size; at += parts.back().size()) parts.push_back(bytes_of(all).subspan(at, std::min<size_t>(size - at, 1 + rng.next() % 100'000)));
    ASSERT_TRUE(store->put("a", parts));
    ASSERT_EQ(store->size("a"), size);
    std::string out(size, 0);
    ASSERT_TRUE(store->get("a", 0, {reinterpret_cast<uint8_t*>(out.data()), size}));
    ASSERT_EQ(out, all.substr(0, size)) << size;
  }
  std::filesystem::remove_all(directory);
}

TEST(DirectoryStore, AFullDiskLeavesNothingBehind) {
  testing::CrashFileSystem fs(1);
  auto store = open_directory_store(fs, "/objects").value();
  fs.set_capacity(1000);
  const std::string big(2000, 'x');
  const std::array<std::span<const uint8_t>, 1> parts = {bytes_of(big)};
  EXPECT_EQ(store->put("a", parts).error().kind, ErrorKind::kExhausted);
  EXPECT_TRUE(fs.list("/objects").value().empty());
  EXPECT_EQ(fs.used_bytes(), 0u);
  EXPECT_EQ(store->get("a", 0, {}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(store->put("../a", {}).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_TRUE(store->remove("a"));
}

}  // namespace
}  // namespace ms
