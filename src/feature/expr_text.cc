#include "feature/expr_text.h"

#include <utf8proc.h>

#include <cstring>
#include <limits>

namespace ms::feature {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

size_t next_point(std::string_view text, size_t at) {
  for (++at; at < text.size() && continues(text[at]); ++at) {
  }
  return at;
}

// The code point at `at` and its bytes; -1 and one byte where the text is not UTF-8.
struct Point {
  utf8proc_int32_t code = -1;
  size_t bytes = 1;
};
Point point_at(std::string_view text, size_t at) {
  Point p;
  const auto read = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at, static_cast<utf8proc_ssize_t>(text.size() - at), &p.code);
  if (read <= 0) return {};
  p.bytes = static_cast<size_t>(read);
  return p;
}

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

// Every code point through `map`. One of up to 2 bytes may become one of 3.
template <class Map>
std::string_view mapped(std::string_view text, StringArena& arena, Map map) {
  if (text.empty()) return {};
  char* const out = arena.allocate(text.size() + text.size() / 2 + 4);
  size_t to = 0;
  for (size_t at = 0; at < text.size();) {
    const Point p = point_at(text, at);
    const utf8proc_int32_t code = p.code < 0 ? p.code : map(p.code);
    if (p.code < 0 || code == p.code) {
      if (p.code < 0) (void)map(0);
      std::memcpy(out + to, text.data() + at, p.bytes);
      to += p.bytes;
    } else {
      to += static_cast<size_t>(utf8proc_encode_char(code, reinterpret_cast<utf8proc_uint8_t*>(out + to)));
    }
    at += p.bytes;
  }
  return {out, to};
}

std::string_view ascii_in_case(std::string_view text, bool upper, StringArena& arena) {
  if (text.empty()) return {};
  const char from = upper ? 'a' : 'A', to = upper ? 'z' : 'Z';
  char* out = arena.allocate(text.size());
  for (size_t i = 0; i < text.size(); ++i) out[i] = text[i] >= from && text[i] <= to ? static_cast<char>(text[i] ^ 0x20) : text[i];
  return {out, text.size()};
}

bool in_word(utf8proc_int32_t code) {
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO:
      return true;
    default: return false;
  }
}

}  // namespace

std::string unicode_version() { return utf8proc_unicode_version(); }

int64_t text_length(std::string_view text) {
  int64_t points = 0;
  for (const char c : text) points += continues(c) ? 0 : 1;
  return points;
}

std::string_view text_part(std::string_view text, int64_t from, int64_t count) {
  if (count <= 0) return {};
  // Positions below 1 use up part of the count, as in SQL.
  if (from < 1) {
    int64_t end = 0;
    if (__builtin_add_overflow(from, count, &end)) end = std::numeric_limits<int64_t>::max();
    if (end <= 1) return {};
    count = end - 1, from = 1;
  }
  size_t start = 0;
  for (int64_t i = 1; i < from && start < text.size(); ++i) start = next_point(text, start);
  size_t stop = start;
  for (int64_t i = 0; i < count && stop < text.size(); ++i) stop = next_point(text, stop);
  return text.substr(start, stop - start);
}

bool text_like(std::string_view text, std::string_view pattern) {
  size_t t = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++, resume = t;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '_') {
      ++p, t = next_point(text, t);
      continue;
    }
    const size_t literal = p < pattern.size() && pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
    if (literal < pattern.size() && pattern[literal] == text[t]) {
      p = literal + 1, ++t;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1, resume = next_point(text, resume), t = resume;
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

OrFails<std::string_view> text_joined(std::string_view a, std::string_view b, StringArena& arena) {
  if (a.size() + b.size() > kTextBytesMax) return std::unexpected(Failed{});
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  char* to = arena.allocate(a.size() + b.size());
  std::memcpy(to, a.data(), a.size());
  std::memcpy(to + a.size(), b.data(), b.size());
  return std::string_view(to, a.size() + b.size());
}

std::string_view text_lower(std::string_view text, StringArena& arena) {
  return is_ascii(text) ? ascii_in_case(text, false, arena) : mapped(text, arena, [](utf8proc_int32_t c) { return utf8proc_tolower(c); });
}
std::string_view text_upper(std::string_view text, StringArena& arena) {
  return is_ascii(text) ? ascii_in_case(text, true, arena) : mapped(text, arena, [](utf8proc_int32_t c) { return utf8proc_toupper(c); });
}
std::string_view text_initcap(std::string_view text, StringArena& arena) {
  bool inside = false;
  return mapped(text, arena, [&](utf8proc_int32_t c) {
    const bool first = !inside;
    inside = in_word(c);
    return !inside ? c : first ? utf8proc_totitle(c) : utf8proc_tolower(c);
  });
}

}  // namespace ms::feature
