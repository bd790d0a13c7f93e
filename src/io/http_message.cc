#include "io/http_message.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ms::io {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c != 0 && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_char); }

// Visible characters, space, tab and bytes above 127; no controls.
bool is_field_char(char c) { return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7F : c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the text up to the next CRLF; false when there is none.
bool take_line(std::string_view& text, std::string_view& line) {
  const size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return true;
}

bool list_contains(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (http_equal(trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

HttpFault take_content_length(std::string_view value, HttpHead& head) {
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (error != std::errc{} || end != value.data() + value.size()) return {400, "Content-Length is not a number"};
  if (head.content_length && *head.content_length != length) return {400, "two different Content-Length headers"};
  head.content_length = length;
  return {};
}

HttpFault interpret(const HttpHeader& header, HttpHead& head) {
  if (http_equal(header.name, "content-length")) return take_content_length(header.value, head);
  if (http_equal(header.name, "transfer-encoding")) {
    if (head.chunked || !http_equal(header.value, "chunked")) return {501, "the only Transfer-Encoding understood is chunked"};
    head.chunked = true;
  } else if (http_equal(header.name, "connection")) {
    if (list_contains(header.value, "close")) head.keep_alive = false;
  } else if (http_equal(header.name, "expect")) {
    if (!http_equal(header.value, "100-continue")) return {417, "the only Expect understood is 100-continue"};
    head.expect_continue = true;
  }
  return {};
}

HttpFault parse_headers(std::string_view text, HttpHead& head) {
  std::string_view line;
  while (take_line(text, line)) {
    if (line.empty()) {
      if (head.chunked && head.content_length) return {400, "both Content-Length and Transfer-Encoding"};
      return {};
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return {400, "a header line is malformed"};
    const HttpHeader header{line.substr(0, colon), trim(line.substr(colon + 1))};
    if (!std::ranges::all_of(header.value, is_field_char)) return {400, "a header value holds a control character"};
    if (head.header_count == kHttpHeadersMax) return {431, "more than 64 headers"};
    head.headers[head.header_count++] = header;
    if (const HttpFault fault = interpret(header, head); fault.status) return fault;
  }
  return {400, "the head does not end with an empty line"};
}

// "HTTP/1.1" or "HTTP/1.0"
HttpFault take_version(std::string_view text, HttpHead& head) {
  if (text.size() != 8 || !text.starts_with("HTTP/")) return {400, "this is not HTTP/1.1"};
  if (text != "HTTP/1.1" && text != "HTTP/1.0") return {505, "only HTTP/1.1 and HTTP/1.0 are understood"};
  head.keep_alive = text.back() == '1';
  return {};
}

void clear(HttpHead& head) {
  head.method = head.target = {};
  head.status = 0;
  head.header_count = 0;
  head.content_length.reset();
  head.chunked = head.expect_continue = false;
  head.keep_alive = true;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

bool http_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view HttpHead::header(std::string_view name) const {
  for (size_t i = 0; i < header_count; ++i)
    if (http_equal(headers[i].name, name)) return headers[i].value;
  return {};
}

HttpFault parse_request_head(std::string_view text, HttpHead& head) {
  clear(head);
  std::string_view line;
  if (!take_line(text, line)) return {400, "there is no request line"};
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return {400, "the request line is not METHOD TARGET VERSION"};
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (!is_token(head.method)) return {400, "the method is not a token"};
  const bool visible = std::ranges::all_of(head.target, [](char c) { return c > 0x20 && c < 0x7F; });
  if (!head.target.starts_with('/') || !visible) return {400, "the request target is not a path"};
  if (const HttpFault fault = take_version(line.substr(last + 1), head); fault.status) return fault;
  const bool must_have_host = head.keep_alive;  // so far true for 1.1 alone
  if (const HttpFault fault = parse_headers(text, head); fault.status) return fault;
  if (must_have_host && head.header("host").empty()) return {400, "the Host header is missing"};
  return {};
}

HttpFault parse_response_head(std::string_view text, HttpHead& head) {
  clear(head);
  std::string_view line;
  if (!take_line(text, line) || line.size() < 12) return {400, "there is no status line"};
  if (const HttpFault fault = take_version(line.substr(0, 8), head); fault.status) return fault;
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, head.status);
  if (line[8] != ' ' || error != std::errc{} || end != line.data() + 12) return {400, "the status line has no status"};
  return parse_headers(text, head);
}

ChunkDecoder::State ChunkDecoder::feed(std::span<char> in, size_t& at, size_t body_max) {
  constexpr size_t kLineMax = 256, kTrailersMax = 8192;
  while (true) {
    if (step_ == Step::kData) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(left_, in.size() - at));
      std::memmove(in.data() + decoded_, in.data() + at, n);
      decoded_ += n, at += n, left_ -= n;
      if (left_) return State::kMore;
      step_ = Step::kDataEnd;
    }
    std::string_view rest(in.data() + at, in.size() - at), line;
    const size_t available = rest.size();
    if (!take_line(rest, line)) return available > kLineMax + 1 ? State::kBad : State::kMore;  // its end may be cut
    if (line.size() > kLineMax) return State::kBad;
    at += line.size() + 2;
    if (step_ == Step::kDataEnd) {
      if (!line.empty()) return State::kBad;
      step_ = Step::kSize;
    } else if (step_ == Step::kTrailer) {
      if (line.empty()) return State::kDone;
      if ((trailer_bytes_ += line.size()) > kTrailersMax) return State::kBad;
    } else {
      const std::string_view digits = trim(line.substr(0, line.find(';')));
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
      if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return State::kBad;
      if (left_ > body_max - std::min(decoded_, body_max)) {
        too_large_ = true;
        return State::kBad;
      }
      step_ = left_ ? Step::kData : Step::kTrailer;
    }
  }
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~';
    if (plain) out += c;
    else (out += '%') += {kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) return percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

std::string_view http_reason(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

}  // namespace ms::io
