// Texts of the language: UTF-8, positions and lengths in code points. A result that would be longer than kTextBytesMax
// fails its row, so that no definition makes a short event large.
#pragma once

#include <memory>
#include <string>

#include "feature/expr_kernel.h"

namespace ms::feature {

inline constexpr size_t kTextBytesMax = size_t{1} << 20;
inline constexpr std::string_view kTextTooLong = "a text longer than 1 MiB";
inline constexpr size_t kPatternBytesMax = 1'000;

int64_t text_length(std::string_view text);
std::string_view text_part(std::string_view text, int64_t from, int64_t count);  // from 1; outside parts are cut off
bool text_like(std::string_view text, std::string_view pattern);                  // % any run, _ one code point, \ escapes
OrFails<std::string_view> text_joined(std::string_view a, std::string_view b, StringArena& arena);

// Simple case mapping of the Unicode version below, one code point for one. Bytes that are not UTF-8 stay.
std::string_view text_lower(std::string_view text, StringArena& arena);
std::string_view text_upper(std::string_view text, StringArena& arena);
std::string_view text_initcap(std::string_view text, StringArena& arena);
std::string unicode_version();  // of the tables in use: "15.0.0"

// A regular expression (RE2's syntax, linear time). Any number of threads.
class TextPattern {
 public:
  static std::expected<std::shared_ptr<const TextPattern>, std::string> compile(const std::string& pattern);
  ~TextPattern();
  bool matches(std::string_view text) const;  // somewhere in it
  bool matches_whole(std::string_view text) const;
  // The first match, or its first group if the pattern has one; nullopt: no match, or the group took no part in it.
  OrNull<std::string_view> extract(std::string_view text) const;

 private:
  struct Impl;
  explicit TextPattern(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ms::feature
