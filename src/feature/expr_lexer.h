// Expressions as words, names, numbers, texts and symbols.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "feature/expr_ast.h"

namespace ms::feature {

struct Token {
  enum class Kind : uint8_t { kEnd, kWord, kQuotedName, kNumber, kString, kSymbol };
  Kind kind = Kind::kEnd;
  std::string text;   // words in lower case as `lower`, as written here
  std::string lower;
  size_t column = 1;
};

// The tokens of a text, the last of them kEnd. Symbols that mean the same are one: "!=" is "<>", "==" is "=".
std::expected<std::vector<Token>, ExprError> tokens_of(std::string_view text);

}  // namespace ms::feature
