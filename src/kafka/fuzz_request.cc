#include "kafka/fuzz_request.h"

#include "base/check.h"
#include "kafka/messages/all.h"
#include "kafka/request.h"

namespace ms::kafka {

namespace {

template <class Request>
std::string encode(Request& request, int16_t version) {
  Encoder out(version, Request::kApi.is_flexible(version));
  request.code(out);
  return out.take_bytes();
}

template <class Request>
bool decode(const Slice& body, int16_t version, Request& into) {
  Decoder in(body, version, Request::kApi.is_flexible(version));
  into.code(in);
  return in.ok();
}

template <class Request>
bool decode_body(const Slice& frame, int16_t version) {
  if (version < Request::kApi.min_version || version > Request::kApi.max_version) return false;
  const auto parsed = parse_request(frame, Request::kApi.is_flexible(version));
  Request request, again;
  if (!parsed || !decode(parsed->body, version, request)) return false;
  const std::string bytes = encode(request, version);
  CHECK(decode(Slice::copy(bytes), version, again));
  CHECK(encode(again, version) == bytes);
  return true;
}

}  // namespace

bool decode_any_request(std::span<const uint8_t> bytes) {
  const Slice frame = Slice::copy(bytes);
  const auto head = peek_header(frame);
  bool ok = false;
  if (!head) return ok;
  for_each_api([&]<class Request, class Response>() {
    if (Request::kApi.key == head->api_key) ok = decode_body<Request>(frame, head->version);
  });
  return ok;
}

}  // namespace ms::kafka
