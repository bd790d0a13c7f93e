// The regression corpus of request_header_fuzz, replayed in every test run.
#include "kafka/fuzz_request.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ms::kafka {
namespace {

TEST(RequestHeaderFuzz, CorpusReplays) {
  size_t files = 0, requests = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MS_SOURCE_DIR "/tests/fuzz/request_header_fuzz")) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    requests += decode_any_request(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    ++files;
  }
  EXPECT_GE(files, 50u);
  EXPECT_GE(requests, 50u);  // of which APIs and versions: fuzz_seeds_test.cc
}

}  // namespace
}  // namespace ms::kafka
