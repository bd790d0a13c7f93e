#include "engine/dead_letters.h"

#include <gtest/gtest.h>

namespace ms::engine {
namespace {

TEST(DeadLetterTopic, FitsWhateverTheTopicIsCalled) {
  EXPECT_EQ(dead_letter_topic("payments"), "payments.dead-letter");
  EXPECT_EQ(dead_letter_topic(std::string(237, 't')), std::string(237, 't') + ".dead-letter");
  const std::string a = dead_letter_topic(std::string(238, 't')), b = dead_letter_topic(std::string(249, 't'));
  for (const std::string& name : {a, b}) {
    EXPECT_EQ(name.size(), 249u);
    EXPECT_TRUE(name.starts_with(std::string(220, 't') + "-")) << name;
    EXPECT_TRUE(name.ends_with(".dead-letter")) << name;
  }
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace ms::engine
