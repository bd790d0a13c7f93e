// Requests and answers as a client frames them: a size, a header, and the body in the messages of the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kafka/wire.h"

namespace ms::kafka {

inline constexpr size_t kFrameSizeBytes = 4;  // in front of every frame

// The whole frame, its size included.
std::string request_frame(const ApiSpec& api, int16_t version, int32_t correlation, const std::string& client_id, const std::string& body);
// What the first four bytes say, themselves not counted. The caller has seen to it that they are there.
uint32_t frame_size(std::string_view frame);
// The body of an answer, without size and header; nullopt: it does not belong to that request.
std::optional<Slice> answer_body(const ApiSpec& api, int16_t version, int32_t correlation, const Slice& answer);

}  // namespace ms::kafka
