// Any bytes as a request's head, a response's head, a target, a chunked body. Chunks decode to the same however they arrive.
#include <cstdlib>
#include <string>

#include "io/http_message.h"

namespace {

using namespace ms::io;

constexpr size_t kBodyMax = 1'000;

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_head(std::string_view text) {
  HttpHead head;
  if (const HttpFault fault = parse_request_head(text, head); fault.status != 0) {
    if (fault.status < 400 || fault.status > 599 || fault.reason.empty()) std::abort();
    return;
  }
  if (head.method.empty() || head.target.empty() || head.header_count > kHttpHeadersMax) std::abort();
  if (head.chunked && head.content_length) std::abort();  // two servers could read it differently
  for (size_t i = 0; i < head.header_count; ++i)
    if (!lies_in(head.headers[i].name, text) || !lies_in(head.headers[i].value, text)) std::abort();
  (void)query_value(head.target.substr(std::min(head.target.find('?'), head.target.size() - 1) + 1), "numbers");
  (void)percent_decode(head.target);
}

struct Decoded {
  ChunkDecoder::State state;
  std::string body;
  size_t wire = 0;
  bool operator==(const Decoded&) const = default;
};

// The chunked body of `text` when `step` bytes arrive at a time.
Decoded decoded(std::string_view text, size_t step) {
  std::string buffer(text);
  ChunkDecoder decoder;
  size_t at = 0, there = 0;
  auto state = ChunkDecoder::State::kMore;
  while (state == ChunkDecoder::State::kMore && there < text.size()) {
    there = std::min(there + step, text.size());
    state = decoder.feed({buffer.data(), there}, at, kBodyMax);
    if (at > there || decoder.decoded() > at) std::abort();
  }
  if (state == ChunkDecoder::State::kBad) return {state, {}, 0};
  if (decoder.decoded() > kBodyMax) std::abort();
  return {state, buffer.substr(0, decoder.decoded()), at};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_head(text);
  HttpHead head;
  (void)parse_response_head(text, head);
  if (const auto plain = percent_decode(text, true); plain && percent_decode(percent_encode(*plain)) != plain) std::abort();
  const Decoded whole = decoded(text, text.size() + 1);
  if (decoded(text, 1) != whole || decoded(text, 7) != whole) std::abort();
  return 0;
}
