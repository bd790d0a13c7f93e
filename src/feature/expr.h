// Typed expressions of one view as one graph: equal parts are one node, evaluated once per batch.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "feature/expr_ast.h"

namespace ms::feature {

// Changes whenever the same text would give another value; part of every feature's identity. Version 2: Unicode 15.0.
inline constexpr int kLanguageVersion = 2;

struct ScalarFunction;
class TextPattern;

enum class Op : uint8_t {
  kLiteral, kField,
  kAdd, kSub, kMul, kDiv, kMod, kNeg,            // one type in, the same out (kDiv: float64)
  kEq, kNe, kLt, kLe, kGt, kGe, kDistinct,
  kAnd, kOr, kNot, kIsNull,
  kCase, kCoalesce, kNullIf, kLeast, kGreatest,
  kCast, kTryCast,                               // by the types of the argument and of the node
  kTry,                                          // the argument, null where it fails
  kCall,                                         // a function
};

struct ExprNode {
  Op op = Op::kLiteral;
  Type type;
  std::vector<uint32_t> args;   // nodes before this one
  ScalarValue literal;          // kLiteral
  std::string field;            // kField: its name
  const ScalarFunction* function = nullptr;    // kCall
  std::shared_ptr<const TextPattern> pattern;  // kCall of a function with a regular expression
  std::string place;            // where it was first written, for reasons: "where, column 5"
  bool untyped_null = false;    // the word null before anything gave it a type
};
// The operator or function as it is written: "+", "cast", "upper".
std::string_view name_of(const ExprNode& node);

class ExprGraph {
 public:
  using Names = std::map<std::string, uint32_t, std::less<>>;  // what an expression may refer to

  // A field of the event.
  uint32_t add_field(const std::string& name, const Type& type);
  // Parses and types `text`. `where_written` names the part of the definition in error reasons at run time.
  // `wanted`: the result must have that type (int64 becomes float64 where float64 is wanted).
  std::expected<uint32_t, ExprError> add(std::string_view text, const Names& names, const std::string& where_written,
                                         std::optional<Type> wanted = std::nullopt);

  const std::vector<ExprNode>& nodes() const { return nodes_; }
  const ExprNode& node(uint32_t id) const { return nodes_[id]; }
  // Canonical JSON (RFC 8785) of the computation: ["add","int64",["field","int64","a"],["literal","int64","1"]].
  std::string canonical(uint32_t id) const;
  // Marks everything that `id` needs.
  void reach(uint32_t id, std::vector<bool>& needed) const;

 private:
  friend class ExprTyper;
  uint32_t intern(ExprNode node);

  std::vector<ExprNode> nodes_;
  std::map<std::string, uint32_t> index_;
};

// The text of a JSON string with its quotes, as RFC 8785 writes it.
std::string canonical_string(std::string_view text);
// Shortest text that reads back to the same bits; "NaN", "Infinity", "-Infinity".
std::string number_text(double value);

}  // namespace ms::feature
