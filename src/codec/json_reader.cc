#include "codec/json_reader.h"

#include <fmt/format.h>

namespace ms {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xC0 | c >> 6), put(0x80 | (c & 63));
  if (c < 0x10000) return put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
}

}  // namespace

void JsonReader::fail(const char* message) {
  if (error_) return;
  error_ = message;
  error_at_ = at_;
  at_ = end_;
}

std::string JsonReader::error() const {
  if (!error_) return {};
  size_t line = 1, column = 1;
  for (const char* p = begin_; p != error_at_; ++p) {
    ++column;
    if (*p == '\n') ++line, column = 1;
  }
  return fmt::format("{} at line {}, column {}", error_, line, column);
}

void JsonReader::space() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
}

JsonKind JsonReader::peek() {
  if (error_) return JsonKind::kError;
  space();
  if (at_ == end_) return JsonKind::kEnd;
  switch (*at_) {
    case '{': return JsonKind::kObject;
    case '[': return JsonKind::kArray;
    case '"': return JsonKind::kString;
    case 't': return JsonKind::kTrue;
    case 'f': return JsonKind::kFalse;
    case 'n': return JsonKind::kNull;
    default: break;
  }
  if (*at_ == '-' || is_digit(*at_)) return JsonKind::kNumber;
  fail("expected a value");
  return JsonKind::kError;
}

bool JsonReader::begin_object() {
  if (peek() != JsonKind::kObject) return fail("expected '{'"), false;
  if (++depth_ > kDepthMax) return fail("nested too deeply"), false;
  ++at_;
  return first_ = true;
}

bool JsonReader::next_key(std::string_view& key) {
  if (error_) return false;
  space();
  if (at_ != end_ && *at_ == '}') return ++at_, --depth_, first_ = false;
  if (!first_) {
    if (at_ == end_ || *at_ != ',') return fail("expected ',' or '}'"), false;
    ++at_, space();
  }
  first_ = false;
  if (at_ == end_ || *at_ != '"') return fail("expected a name in double quotes"), false;
  if (!string(key)) return false;
  space();
  if (at_ == end_ || *at_ != ':') return fail("expected ':'"), false;
  ++at_;
  return true;
}

bool JsonReader::begin_array() {
  if (peek() != JsonKind::kArray) return fail("expected '['"), false;
  if (++depth_ > kDepthMax) return fail("nested too deeply"), false;
  ++at_;
  return first_ = true;
}

bool JsonReader::next_element() {
  if (error_) return false;
  space();
  if (at_ != end_ && *at_ == ']') return ++at_, --depth_, first_ = false;
  if (!first_) {
    if (at_ == end_ || *at_ != ',') return fail("expected ',' or ']'"), false;
    ++at_;
  }
  first_ = false;
  return true;
}

bool JsonReader::string(std::string_view& out) {
  if (peek() != JsonKind::kString) return fail("expected a string"), false;
  const char* start = ++at_;
  while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) ++at_;
  if (at_ != end_ && *at_ == '"') {
    out = {start, at_};
    ++at_;
    return true;
  }
  return escaped_string(start, out);
}

bool JsonReader::hex4(uint32_t& out) {
  if (end_ - at_ < 4) return fail("broken \\u escape"), false;
  const auto [end, error] = std::from_chars(at_, at_ + 4, out, 16);
  if (error != std::errc{} || end != at_ + 4) return fail("broken \\u escape"), false;
  at_ += 4;
  return true;
}

bool JsonReader::escaped_string(const char* start, std::string_view& out) {
  std::string text(start, at_);
  while (at_ != end_ && *at_ != '"') {
    if (static_cast<unsigned char>(*at_) < 0x20) return fail("a control character in a string"), false;
    if (*at_ != '\\') {
      text.push_back(*at_++);
      continue;
    }
    if (++at_ == end_) break;
    const char c = *at_++;
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      text.push_back(kTo[i]);
      continue;
    }
    uint32_t unit = 0, low = 0;
    if (c != 'u') return fail("unknown escape in a string"), false;
    if (!hex4(unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00) {
      if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return fail("a lone surrogate"), false;
      at_ += 2;
      if (!hex4(low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return fail("a lone surrogate"), false;
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else if (unit >= 0xDC00 && unit < 0xE000) {
      return fail("a lone surrogate"), false;
    }
    append_utf8(text, unit);
  }
  if (at_ == end_) return fail("a string does not end"), false;
  ++at_;
  out = arena_.add(text);
  return true;
}

bool JsonReader::number(std::string_view& out) {
  if (peek() != JsonKind::kNumber) return fail("expected a number"), false;
  const char* start = at_;
  const auto digits = [&] {
    const char* from = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    return at_ != from;
  };
  if (*at_ == '-') ++at_;
  if (at_ != end_ && *at_ == '0') ++at_;
  else if (!digits()) return fail("a malformed number"), false;
  if (at_ != end_ && *at_ == '.' && (++at_, !digits())) return fail("a malformed number"), false;
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (!digits()) return fail("a malformed number"), false;
  }
  out = {start, at_};
  return true;
}

bool JsonReader::literal(std::string_view word) {
  if (static_cast<size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word) return fail("expected a value"), false;
  at_ += word.size();
  return true;
}

bool JsonReader::boolean(bool& out) {
  const JsonKind kind = peek();
  if (kind != JsonKind::kTrue && kind != JsonKind::kFalse) return fail("expected true or false"), false;
  out = kind == JsonKind::kTrue;
  return literal(out ? "true" : "false");
}

bool JsonReader::null() {
  if (peek() != JsonKind::kNull) return fail("expected null"), false;
  return literal("null");
}

bool JsonReader::skip() {
  std::string_view text;
  bool flag;
  switch (peek()) {
    case JsonKind::kObject:
      begin_object();
      while (next_key(text))
        if (!skip()) return false;
      return !failed();
    case JsonKind::kArray:
      begin_array();
      while (next_element())
        if (!skip()) return false;
      return !failed();
    case JsonKind::kString: return string(text);
    case JsonKind::kNumber: return number(text);
    case JsonKind::kTrue:
    case JsonKind::kFalse: return boolean(flag);
    case JsonKind::kNull: return null();
    case JsonKind::kEnd: return fail("the text ends too early"), false;
    case JsonKind::kError: return false;
  }
  return false;
}

bool JsonReader::raw(std::string_view& out) {
  peek();  // goes past white space
  const char* const from = at_;
  if (!skip()) return false;
  out = {from, at_};
  return true;
}

bool JsonReader::at_end() {
  if (error_) return false;
  space();
  if (at_ != end_) return fail("text after the end of the JSON value"), false;
  return true;
}

}  // namespace ms
