#include "codec/utf8.h"

#include <gtest/gtest.h>

namespace ms {
namespace {

TEST(Utf8, TheFirstWrongByteIsFound) {
  for (const char* good : {"", "a", "Zürich", "東京", "\U0001F600", "\x7f", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"})
    EXPECT_FALSE(first_not_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe6\x9d", "\xc3(", "\xc3"}) {
    EXPECT_EQ(first_not_utf8(bad), 0u) << bad;
    EXPECT_EQ(first_not_utf8(std::string("ü ") + bad + "x"), 3u) << bad;
  }
}

}  // namespace
}  // namespace ms
