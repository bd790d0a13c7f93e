// The body of a read request: any bytes, never a crash, never memory beyond the input's size. What we accept is JSON for
// another reader too (in ASCII: we do not validate UTF-8), and reading it again gives the same; so do the fields of the request.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "api/features_request.h"
#include "online/request_fields.h"

namespace {

// A service that takes a field of every kind of type.
const ms::feature::ServiceProgram& service() {
  using namespace ms;
  static const std::vector<feature::Field> fields = {
      {"b", TypeKind::kBool},           {"i", TypeKind::kInt64},          {"f", TypeKind::kFloat64},
      {"s", TypeKind::kString},         {"t", TypeKind::kTimestamp},      {"d", Type::decimal(12, 2)},
      {"l", Type::list(TypeKind::kString)}, {"v", Type::vector(2)}, {"m", Type::map(TypeKind::kInt64)}};
  static const auto program = feature::ServiceProgram::compile({}, fields, {{"x", "request.i + 1"}}).value();
  return *program;
}

// That it is JSON, whatever the size of its numbers, which are the service's to judge.
struct Grammar : nlohmann::detail::json_sax_acceptor<nlohmann::json> {
  static constexpr int kNumberOutOfRange = 406;
  template <class Exception>
  bool parse_error(size_t, const std::string&, const Exception& error) {
    too_large = error.id == kNumberOutOfRange;
    return false;
  }
  bool too_large = false;
};
bool is_json(std::string_view text) {
  Grammar grammar;
  return nlohmann::json::sax_parse(text, &grammar) || grammar.too_large;
}

std::string read_fields(const ms::api::FeaturesRequest& request) {
  static ms::online::RequestFields fields;
  const auto read = ms::online::read_request_fields(&service(), "s", request.request(), request.entities().size(), fields);
  if (!read) return read.error().message;
  std::string out;
  for (const auto& value : fields.values) out += std::to_string(value.is_null) + std::to_string(value.text.empty() ? value.i : 0) + std::string(value.text);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ms;
  static api::FeaturesRequest request;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = request.parse(text);
  const size_t rows = request.entities().size();
  if (first && std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x80; }) && !is_json(text)) std::abort();
  const std::string fields = first ? read_fields(request) : "";
  const auto second = request.parse(text);
  if (first.has_value() != second.has_value() || request.entities().size() != rows) std::abort();
  if (first && read_fields(request) != fields) std::abort();
  if (!first && first.error().message != second.error().message) std::abort();
  return 0;
}
