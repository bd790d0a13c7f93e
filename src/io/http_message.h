// HTTP/1.1 messages as pure functions over bytes: heads, chunked bodies, targets. RFC 9112, strict: what two servers could
// read differently (obsolete folding, two lengths, bare line feeds) is refused. No I/O; everything is a view into the input.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ms::io {

struct HttpHeader {
  std::string_view name, value;
};

// Compares header names and tokens without regard to ASCII case.
bool http_equal(std::string_view a, std::string_view b);

inline constexpr size_t kHttpHeadersMax = 64;

// A request's or a response's first part, without its body.
struct HttpHead {
  std::string_view method, target;  // requests
  int status = 0;                   // responses
  std::array<HttpHeader, kHttpHeadersMax> headers;
  size_t header_count = 0;
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;           // never for HTTP/1.0
  bool expect_continue = false;

  // The first header of that name; empty if there is none.
  std::string_view header(std::string_view name) const;
};

// What is wrong with a message, as the status that answers it (400, 414, 431, 501, 505) and a sentence.
struct HttpFault {
  int status = 0;  // 0: nothing is wrong
  std::string_view reason;
};

// `text` is one whole head, through the empty line that ends it.
HttpFault parse_request_head(std::string_view text, HttpHead& head);
HttpFault parse_response_head(std::string_view text, HttpHead& head);

// Decodes a chunked body in place, as bytes arrive. Trailers are read and dropped.
class ChunkDecoder {
 public:
  enum class State : uint8_t { kMore, kDone, kBad };
  // Consumes from in[at...]; moves data down to in[0, decoded()) of the same buffer. `at` advances over what was used.
  // On kDone `at` is the first byte after the body. decoded() beyond `body_max` is kBad with too_large().
  State feed(std::span<char> in, size_t& at, size_t body_max);
  size_t decoded() const { return decoded_; }
  bool too_large() const { return too_large_; }

 private:
  enum class Step : uint8_t { kSize, kData, kDataEnd, kTrailer };
  Step step_ = Step::kSize;
  uint64_t left_ = 0;
  size_t decoded_ = 0;
  size_t trailer_bytes_ = 0;
  bool too_large_ = false;
};

// "%41b" -> "Ab". nullopt for a broken escape. '+' stays unless `plus_is_space`.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);  // everything but unreserved characters

// The decoded value of ?name=value in a query (the text after '?'); nullopt when absent or broken.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

std::string_view http_reason(int status);  // 404 -> "Not Found"

}  // namespace ms::io
