#include "kafka/admin/frame.h"

#include <bit>
#include <cstring>

#include "kafka/messages/api_versions.h"

namespace ms::kafka {

namespace {
uint32_t big_endian(uint32_t v) { return std::endian::native == std::endian::little ? std::byteswap(v) : v; }
}  // namespace

std::string request_frame(const ApiSpec& api, int16_t version, int32_t correlation, const std::string& client_id, const std::string& body) {
  Encoder header(version, false);  // the client id keeps its old form in the flexible header
  header.value(api.key);
  header.value(version);
  header.value(correlation);
  header.value(client_id);
  if (api.is_flexible(version)) header.no_tags();
  const std::string head = header.take_bytes();
  const uint32_t size = big_endian(static_cast<uint32_t>(head.size() + body.size()));
  std::string frame(kFrameSizeBytes, '\0');
  std::memcpy(frame.data(), &size, kFrameSizeBytes);
  return frame.append(head).append(body);
}

uint32_t frame_size(std::string_view frame) {
  uint32_t size = 0;
  std::memcpy(&size, frame.data(), kFrameSizeBytes);
  return big_endian(size);
}

std::optional<Slice> answer_body(const ApiSpec& api, int16_t version, int32_t correlation, const Slice& answer) {
  const bool flexible_header = api.is_flexible(version) && api.key != ApiVersionsRequest::kApi.key;
  Decoder in(answer, version, flexible_header);
  int32_t got = 0;
  in.value(got);
  in.skip_tags();
  if (!in.ok() || got != correlation) return std::nullopt;
  return answer.part(answer.size() - in.remaining(), in.remaining());
}

}  // namespace ms::kafka
