// ApiVersions (18), versions 0-4.
//
// - The response header is always version 0, so that a client can read the answer before it knows anything.
// - A version we do not know is answered in version 0 with UNSUPPORTED_VERSION and our range of this one API.
// - Two features: group.version, finalized at 1 (KIP-848), and transaction.version, at 2 (KIP-890). What may be version 0 is
//   not among the supported features before version 4 of the answer.
#include <algorithm>

#include "kafka/handlers.h"
#include "kafka/messages/api_versions.h"

namespace ms::kafka {

namespace {

// Letters, digits, '-' and '.', beginning and ending with a letter or digit.
bool legal_software(std::string_view text) {
  const auto alnum = [](char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); };
  return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return alnum(c) || c == '-' || c == '.'; });
}

struct Feature {
  const char* name;
  int16_t level;  // the finalized one, and the highest
};
constexpr Feature kFeatures[] = {{"group.version", 1}, {"transaction.version", 2}};

void add(ApiVersionsResponse& response, const ApiSpec& api) { response.api_keys.push_back({api.key, api.min_version, api.max_version}); }

}  // namespace

void handle_api_versions(Broker&, Call call) {
  ApiVersionsResponse response;
  const ApiSpec& self = ApiVersionsRequest::kApi;
  if (call.version() < self.min_version || call.version() > self.max_version) {
    response.error_code = code(ErrorCode::kUnsupportedVersion);
    add(response, self);
    return call.reply_as(response, 0);
  }
  ApiVersionsRequest request;
  if (!call.decode(request)) return;
  if (call.version() >= 3 && !(legal_software(request.client_software_name) && legal_software(request.client_software_version))) {
    response.error_code = code(ErrorCode::kInvalidRequest);
    return call.reply(response);
  }
  for (const ApiEntry& api : api_table()) add(response, api.spec);
  for (const Feature& feature : kFeatures) {
    if (call.version() >= 4) response.supported_features.push_back({.name = feature.name, .min_version = 0, .max_version = feature.level});
    response.finalized_features.push_back({.name = feature.name, .max_version_level = feature.level, .min_version_level = feature.level});
  }
  response.finalized_features_epoch = 0;
  call.reply(response);
}

}  // namespace ms::kafka
