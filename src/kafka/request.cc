#include "kafka/request.h"

namespace ms::kafka {

namespace {
constexpr size_t kFixedBytes = 8;  // key, version, correlation id
}

std::optional<RequestHeader> peek_header(const Slice& frame) {
  Decoder in(frame, 0, false);
  RequestHeader header;
  in.value(header.api_key);
  in.value(header.version);
  in.value(header.correlation);
  if (!in.ok()) return std::nullopt;
  return header;
}

std::optional<ParsedRequest> parse_request(const Slice& frame, bool flexible) {
  auto header = peek_header(frame);
  if (!header) return std::nullopt;
  // The client id keeps its old form in the flexible header, whose only novelty is the tagged fields at the end.
  Decoder in(frame.part(kFixedBytes, frame.size() - kFixedBytes), 0, false);
  std::optional<std::string> client_id;
  in.nullable(client_id, true);
  size_t left = in.remaining();
  if (in.ok() && flexible) {
    Decoder tags(frame.part(frame.size() - left, left), 0, true);
    tags.skip_tags();
    if (!tags.ok()) return std::nullopt;
    left = tags.remaining();
  }
  if (!in.ok()) return std::nullopt;
  header->client_id = std::move(client_id).value_or("");
  return ParsedRequest{std::move(*header), frame.part(frame.size() - left, left)};
}

}  // namespace ms::kafka
