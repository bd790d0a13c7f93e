// The body of a read request: any bytes, never a crash, never memory beyond the input's size. What we accept is JSON for
// another reader too (in ASCII: we do not validate UTF-8), and reading it again gives the same.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "api/features_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  static api::FeaturesRequest request;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = request.parse(text);
  const size_t rows = request.entities().size();
  if (first && std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x80; }) && !nlohmann::json::accept(text)) std::abort();
  const auto second = request.parse(text);
  if (first.has_value() != second.has_value() || request.entities().size() != rows) std::abort();
  if (!first && first.error().message != second.error().message) std::abort();
  return 0;
}
