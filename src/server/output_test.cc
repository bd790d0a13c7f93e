#include "server/output.h"

#include <gtest/gtest.h>

namespace ms::server {
namespace {

TEST(ProgressText, FitsItsWidth) {
  const Progress p{.phase = "replaying", .done = 1'200'000, .total = 3'000'000, .rows_per_second = 512'000.7, .seconds_left = 3.2};
  EXPECT_EQ(progress_text(p, 100), "replaying  40 % [#########               ] 1,200,000 of 3,000,000 rows, 512,000/s, 4 s left");
  EXPECT_EQ(progress_text(p, 79), "replaying  40 % [####        ] 1,200,000 of 3,000,000 rows, 512,000/s, 4 s left");
  EXPECT_EQ(progress_text(p, 65), "replaying  40 % 1,200,000 of 3,000,000 rows, 512,000/s, 4 s left");
  EXPECT_EQ(progress_text(p, 60), "replaying  40 % [########              ] 512,000/s, 4 s left");
  for (size_t width = 1; width < 120; ++width) {
    const std::string text = progress_text(p, width);
    EXPECT_LE(text.size(), width) << text;
    if (width >= 24) EXPECT_TRUE(text.ends_with(" 4 s left")) << text;
  }
}

TEST(ProgressText, SaysWhatIsKnown) {
  EXPECT_EQ(progress_text({.phase = "cancelling"}, 80), "cancelling ...");
  EXPECT_EQ(progress_text({.phase = "reading", .done = 1000, .rows_per_second = 10}, 80), "reading 1,000 rows, 10/s");
  EXPECT_EQ(progress_text({.phase = "reading", .done = 0, .total = 10}, 45), "reading   0 % [                ] 0 of 10 rows");
  EXPECT_EQ(progress_text({.phase = "reading", .done = 10, .total = 10, .rows_per_second = 5}, 43), "reading 100 % [########] 10 of 10 rows, 5/s");
  const Progress long_one{.phase = "r", .done = 1, .total = 100'000, .rows_per_second = 9.5, .seconds_left = 10'526};
  EXPECT_EQ(progress_text(long_one, 60), "r   0 % [          ] 1 of 100,000 rows, 9/s, 2 h 55 min left");
}

TEST(HumanText, Numbers) {
  EXPECT_EQ(human_count(-1'234'567), "-1,234,567");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_bytes(1'048'576), "1.0 MiB");
  EXPECT_EQ(human_age(3'249), "3.2 s");
  EXPECT_EQ(human_age(2 * 3'600'000 + 10 * 60'000), "2 h 10 min");
}

}  // namespace
}  // namespace ms::server
