// Expressions as people write them: text -> a tree without types. docs/expressions.md is the language.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "feature/definition.h"

namespace ms::feature {

// What is wrong and at which column of the text (from 1, in bytes).
struct ExprError {
  std::string message;
  size_t column = 1;
};

inline constexpr size_t kExprBytesMax = 16 * 1024;
inline constexpr size_t kExprNodesMax = 1'000;
inline constexpr int kExprDepthMax = 64;

struct Ast {
  enum class Kind : uint8_t { kLiteral, kName, kCall };
  Kind kind = Kind::kLiteral;
  std::string text;                       // name, or operator / lower-case function name of a call
  ScalarValue literal;                    // monostate: null
  Type literal_type;
  std::vector<std::unique_ptr<Ast>> args;
  size_t column = 1;
};

// Calls are named by operator ("+", "<=", "and", "not", "neg", "is null", "case", "cast", "||", "like") or function.
// between, in, `is not null` and simple `case x when` are rewritten to the others; "case" has args condition, value, ...,
// else; "cast" has the value and a string literal with the type's name.
std::expected<std::unique_ptr<Ast>, ExprError> parse_expression(std::string_view text);

}  // namespace ms::feature
