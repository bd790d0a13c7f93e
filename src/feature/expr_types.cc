// Typing: which operators and functions exist for which types. Nothing converts by itself but numbers, which widen.
#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "feature/expr_convert.h"
#include "feature/expr_decimal.h"
#include "feature/expr_functions.h"
#include "feature/expr_text.h"

namespace ms::feature {

using Typed = std::expected<uint32_t, ExprError>;

namespace {

#define EXPR_TRY(declaration, expression)                                                   \
  auto MS_CONCAT(expr_, __LINE__) = (expression);                                           \
  if (!MS_CONCAT(expr_, __LINE__)) return std::unexpected(MS_CONCAT(expr_, __LINE__).error()); \
  declaration = std::move(*MS_CONCAT(expr_, __LINE__))

constexpr uint32_t bit(TypeKind t) { return 1u << static_cast<uint32_t>(t); }
constexpr uint32_t kNumbers = bit(TypeKind::kInt64) | bit(TypeKind::kFloat64) | bit(TypeKind::kDecimal);
constexpr uint32_t kOrdered = kNumbers | bit(TypeKind::kString) | bit(TypeKind::kTimestamp);

std::optional<Type> type_named(std::string_view name) {
  static constexpr std::pair<std::string_view, TypeKind> kOthers[] = {{"boolean", TypeKind::kBool},   {"int", TypeKind::kInt64},
                                                                      {"bigint", TypeKind::kInt64},   {"double", TypeKind::kFloat64},
                                                                      {"text", TypeKind::kString},    {"varchar", TypeKind::kString}};
  for (const auto& [other, kind] : kOthers)
    if (name == other) return kind;
  return parse_type(name);
}

// A number as one of another type without loss but for float64's rounding: int64 to decimal to float64.
bool widens(const Type& from, const Type& to) {
  if (to == TypeKind::kFloat64) return from == TypeKind::kInt64 || from == TypeKind::kDecimal;
  if (to != TypeKind::kDecimal) return false;
  const Type exact = from == TypeKind::kInt64 ? Type::decimal(19, 0) : from;
  return exact == TypeKind::kDecimal && to.scale >= exact.scale && to.precision - to.scale >= exact.precision - exact.scale;
}

uint8_t digits_of(int64_t value) {
  uint8_t digits = 1;
  while (value /= 10) ++digits;
  return digits;
}

// The value of an int64 literal, else null.
const int64_t* whole_literal(const ExprNode& n) {
  return n.op == Op::kLiteral && n.type == TypeKind::kInt64 ? std::get_if<int64_t>(&n.literal) : nullptr;
}
bool fits_literal(const ExprNode& n, const Type& wanted) {
  const int64_t* whole = whole_literal(n);
  return whole && wanted == TypeKind::kDecimal && digits_of(*whole) <= wanted.precision - wanted.scale;
}

}  // namespace

class ExprTyper {
 public:
  ExprTyper(ExprGraph& graph, const ExprGraph::Names& names, const std::string& place) : graph_(graph), names_(names), place_(place) {}

  Typed type(const Ast& ast) {
    if (ast.kind == Ast::Kind::kName) return name(ast);
    if (ast.kind == Ast::Kind::kLiteral) {
      return make(ast, {.op = Op::kLiteral, .type = ast.literal_type, .literal = ast.literal,
                        .untyped_null = std::holds_alternative<std::monostate>(ast.literal)});
    }
    std::vector<uint32_t> args;
    for (const auto& a : ast.args) {
      EXPR_TRY(const uint32_t id, type(*a));
      args.push_back(id);
    }
    return call(ast, std::move(args));
  }

  // Gives an untyped null its type, widens numbers; any other difference is an error.
  Typed convert(const Ast& at, uint32_t id, const Type& wanted, std::string_view what) {
    const ExprNode& n = graph_.node(id);
    if (n.untyped_null) return make(at, {.op = Op::kLiteral, .type = wanted});
    if (n.type == wanted) return id;
    const int64_t* whole = whole_literal(n);
    if (whole && wanted == TypeKind::kFloat64) return make(at, {.op = Op::kLiteral, .type = wanted, .literal = static_cast<double>(*whole)});
    if (fits_literal(n, wanted)) return make(at, {.op = Op::kLiteral, .type = wanted, .literal = std::to_string(*whole)});
    if (widens(n.type, wanted)) return make(at, {.op = Op::kCast, .type = wanted, .args = {id}});
    return fail(at, fmt::format("{} is {}, not {}{}", what, type_text(n.type), type_text(wanted),
                                castable(n.type, wanted) ? fmt::format("; convert it with cast(... as {})", type_text(wanted)) : ""));
  }

 private:
  static std::unexpected<ExprError> fail(const Ast& at, std::string message) { return std::unexpected(ExprError{std::move(message), at.column}); }
  Typed make(const Ast& at, ExprNode node) {
    node.place = fmt::format("{}, column {}", place_, at.column);
    return graph_.intern(std::move(node));
  }

  Typed name(const Ast& ast) {
    if (const auto found = names_.find(ast.text); found != names_.end()) return found->second;
    std::vector<std::string> known;
    for (const auto& [name, id] : names_) known.push_back(name);
    return fail(ast, fmt::format("there is no field '{}'{}", ast.text, did_you_mean(ast.text, known)));
  }

  Typed call(const Ast& ast, std::vector<uint32_t> args) {
    const std::string& f = ast.text;
    if (f == "cast" || f == "try_cast") return cast(ast, args[0]);
    if (f == "is null") return make(ast, {.op = Op::kIsNull, .type = TypeKind::kBool, .args = {args[0]}});
    if (f == "case") return cases(ast, std::move(args));
    if (f == "if") return args.size() == 3 ? cases(ast, std::move(args)) : fail(ast, fmt::format("if takes a condition and two values, not {}", args.size()));
    if (f == "mod" && args.size() != 2) return fail(ast, fmt::format("mod takes 2 values, not {}", args.size()));
    if (f == "+" || f == "-" || f == "*" || f == "/" || f == "%" || f == "mod") return arithmetic(ast, std::move(args));
    if (f == "=" || f == "<>" || f == "<" || f == "<=" || f == ">" || f == ">=") return comparison(ast, std::move(args));
    if (f == "is distinct from") return distinct(ast, std::move(args));
    if (f == "coalesce" || f == "nullif" || f == "least" || f == "greatest") return alike(ast, std::move(args));
    if (f == "and" || f == "or" || f == "not") return logic(ast, std::move(args));
    if (f == "neg") return negation(ast, args[0]);
    if (f == "try") return attempt(ast, args);
    if (f == "[...]") return list(ast, std::move(args));
    // Nothing to cut off a whole number.
    if ((f == "floor" || f == "ceil" || f == "round" || f == "trunc") && args.size() == 1 && graph_.node(args[0]).type == TypeKind::kInt64) return args[0];
    return function(ast, std::move(args));
  }

  Typed cast(const Ast& ast, uint32_t arg) {
    const std::string& type_name = std::get<std::string>(ast.args[1]->literal);
    const auto to = type_named(type_name);
    static const std::vector<std::string> kTypes = {"bool", "int64", "float64", "string", "timestamp", "decimal(18,2)", "list<int64>", "vector<float64,8>", "map<string,int64>"};
    if (!to) return fail(*ast.args[1], fmt::format("there is no type '{}'{}", type_name, did_you_mean(type_name, kTypes)));
    const ExprNode& n = graph_.node(arg);
    if (n.untyped_null) return make(ast, {.op = Op::kLiteral, .type = *to});
    if (n.type == *to) return arg;
    if (!castable(n.type, *to)) return fail(ast, fmt::format("{} cannot be cast to {}", type_text(n.type), type_text(*to)));
    return make(ast, {.op = ast.text == "cast" ? Op::kCast : Op::kTryCast, .type = *to, .args = {arg}});
  }

  // An int64 that meets a decimal: a literal has as many digits as it shows, any other 19.
  Type as_decimal(const ExprNode& n) const {
    if (n.type == TypeKind::kDecimal) return n.type;
    const int64_t* whole = whole_literal(n);
    return Type::decimal(whole ? digits_of(*whole) : uint8_t{19}, 0);
  }

  // The common type of `args`: all equal, or numbers, which widen. Untyped nulls follow the others.
  std::expected<Type, ExprError> common(const Ast& ast, const std::vector<uint32_t>& args) {
    std::optional<Type> type;
    uint32_t kinds = 0;
    for (const uint32_t a : args) {
      const ExprNode& n = graph_.node(a);
      if (n.untyped_null) continue;
      kinds |= bit(n.type);
      if (!type) {
        type = n.type;
      } else if (*type != n.type && ((bit(*type) | bit(n.type)) & ~kNumbers) != 0) {
        return fail(ast, fmt::format("'{}' mixes {} and {}{}", ast.text, type_text(*type), type_text(n.type),
                                     castable(n.type, *type) ? fmt::format("; convert one with cast(... as {})", type_text(*type)) : ""));
      }
    }
    if (!type) return fail(ast, fmt::format("'{}' has only nulls; give one a type with cast(null as ...)", ast.text));
    if ((kinds & kNumbers) == 0 || kinds == bit(TypeKind::kInt64)) return *type;
    if ((kinds & bit(TypeKind::kFloat64)) != 0) return TypeKind::kFloat64;
    return common_decimal(ast, args);
  }

  std::expected<Type, ExprError> common_decimal(const Ast& ast, const std::vector<uint32_t>& args) {
    std::optional<Type> type;
    for (const uint32_t a : args) {
      const ExprNode& n = graph_.node(a);
      if (n.untyped_null) continue;
      const Type next = as_decimal(n), before = type.value_or(next);
      type = decimal_common_type(before, next);
      if (!type)
        return fail(ast, fmt::format("'{}' would need more than {} digits for {} and {}; cast one to fewer", ast.text, kDecimalDigitsMax, type_text(before), type_text(next)));
    }
    return *type;
  }

  Typed same(const Ast& ast, Op op, const Type& in, const Type& out, std::vector<uint32_t> args) {
    for (uint32_t& a : args) {
      EXPR_TRY(a, convert(ast, a, in, "an operand"));
    }
    return make(ast, {.op = op, .type = out, .args = std::move(args)});
  }

  Typed arithmetic(const Ast& ast, std::vector<uint32_t> args) {
    const Op op = ast.text == "+" ? Op::kAdd : ast.text == "-" ? Op::kSub : ast.text == "*" ? Op::kMul : ast.text == "/" ? Op::kDiv : Op::kMod;
    const auto is = [&](size_t i, TypeKind t) { return graph_.node(args[i]).type == t && !graph_.node(args[i]).untyped_null; };
    using enum TypeKind;
    if (op == Op::kSub && is(0, kTimestamp) && is(1, kTimestamp)) return make(ast, {.op = op, .type = kInt64, .args = std::move(args)});
    if ((op == Op::kAdd || op == Op::kSub) && is(0, kTimestamp) && is(1, kInt64)) return make(ast, {.op = op, .type = kTimestamp, .args = std::move(args)});
    EXPR_TRY(const Type type, mixed(ast, args));
    if ((bit(type) & kNumbers) == 0) {
      const std::string_view hint = type == kString && op == Op::kAdd ? "; texts are joined with ||" : "";
      return fail(ast, fmt::format("'{}' needs numbers, not {}{}", ast.text, type_text(type), hint));
    }
    if (type == kDecimal) return decimal_arithmetic(ast, op, std::move(args));
    const Type in = op == Op::kDiv ? Type(kFloat64) : type;
    return same(ast, op, in, in, std::move(args));
  }

  // As common(), but decimals of any scales stay as they are: arithmetic has types of its own for them.
  std::expected<Type, ExprError> mixed(const Ast& ast, const std::vector<uint32_t>& args) {
    uint32_t kinds = 0;
    for (const uint32_t a : args) kinds |= graph_.node(a).untyped_null ? 0 : bit(graph_.node(a).type);
    const uint32_t decimals = bit(TypeKind::kDecimal);
    if ((kinds & decimals) == 0 || (kinds & ~(decimals | bit(TypeKind::kInt64))) != 0) return common(ast, args);
    return Type(TypeKind::kDecimal);
  }

  // Decimals are aligned where they are computed.
  Typed decimal_arithmetic(const Ast& ast, Op op, std::vector<uint32_t> args) {
    std::vector<Type> types;
    for (const uint32_t a : args) types.push_back(graph_.node(a).untyped_null ? Type::decimal(1, 0) : as_decimal(graph_.node(a)));
    for (size_t i = 0; i < args.size(); ++i) {
      EXPR_TRY(args[i], convert(ast, args[i], types[i], "an operand"));
    }
    if (op == Op::kDiv) return make(ast, {.op = op, .type = TypeKind::kFloat64, .args = std::move(args)});
    const std::optional<Type> out = op == Op::kMul ? decimal_product_type(types[0], types[1])
                                    : op == Op::kMod ? decimal_remainder_type(types[0], types[1])
                                                     : decimal_sum_type(types[0], types[1]);
    if (!out) return fail(ast, fmt::format("{} * {} has more than {} decimals; cast one to fewer", type_text(types[0]), type_text(types[1]), kDecimalDigitsMax));
    return make(ast, {.op = op, .type = *out, .args = std::move(args)});
  }

  Typed comparison(const Ast& ast, std::vector<uint32_t> args) {
    for (const uint32_t a : args)
      if (graph_.node(a).untyped_null) return fail(ast, fmt::format("'{} null' is never true; write 'is null' or 'is not null'", ast.text));
    const Op op = ast.text == "=" ? Op::kEq : ast.text == "<>" ? Op::kNe : ast.text == "<" ? Op::kLt : ast.text == "<=" ? Op::kLe : ast.text == ">" ? Op::kGt : Op::kGe;
    EXPR_TRY(const Type type, common(ast, args));
    if (op != Op::kEq && op != Op::kNe && (bit(type) & kOrdered) == 0) return fail(ast, fmt::format("{} has no order for '{}'", type_text(type), ast.text));
    return same(ast, op, type, TypeKind::kBool, std::move(args));
  }

  Typed alike(const Ast& ast, std::vector<uint32_t> args) {
    const Op op = ast.text == "coalesce" ? Op::kCoalesce : ast.text == "nullif" ? Op::kNullIf : ast.text == "least" ? Op::kLeast : Op::kGreatest;
    if (op == Op::kNullIf ? args.size() != 2 : args.empty())
      return fail(ast, fmt::format("{} takes {}", ast.text, op == Op::kNullIf ? "two values" : "at least one value"));
    EXPR_TRY(const Type type, common(ast, args));
    if ((op == Op::kLeast || op == Op::kGreatest) && (bit(type) & kOrdered) == 0) return fail(ast, fmt::format("{} has no order for {}", type_text(type), ast.text));
    return same(ast, op, type, type, std::move(args));
  }

  Typed cases(const Ast& ast, std::vector<uint32_t> args) {
    std::vector<uint32_t> values;
    for (size_t i = 0; i + 1 < args.size(); i += 2) {
      EXPR_TRY(args[i], convert(*ast.args[i], args[i], TypeKind::kBool, "the condition after 'when'"));
      values.push_back(args[i + 1]);
    }
    values.push_back(args.back());
    EXPR_TRY(const Type type, common(ast, values));
    for (size_t i = 1; i < args.size(); i += 2) {
      EXPR_TRY(args[i], convert(*ast.args[i], args[i], type, "a value of 'case'"));
    }
    EXPR_TRY(args.back(), convert(*ast.args.back(), args.back(), type, "the value after 'else'"));
    return make(ast, {.op = Op::kCase, .type = type, .args = std::move(args)});
  }

  Typed list(const Ast& ast, std::vector<uint32_t> args) {
    if (args.empty()) return fail(ast, "an empty list has no type; write cast(null as list<...>), or slice a list that has one");
    EXPR_TRY(const Type type, common(ast, args));
    if (!is_scalar(type)) return fail(ast, fmt::format("a list holds scalars, not {}", type_text(type)));
    for (size_t i = 0; i < args.size(); ++i) {
      EXPR_TRY(args[i], convert(*ast.args[i], args[i], type, "an element"));
    }
    return function(ast, std::move(args));
  }

  Typed distinct(const Ast& ast, std::vector<uint32_t> args) {
    EXPR_TRY(const Type type, common(ast, args));
    return same(ast, Op::kDistinct, type, TypeKind::kBool, std::move(args));
  }

  Typed logic(const Ast& ast, std::vector<uint32_t> args) {
    for (size_t i = 0; i < args.size(); ++i) {
      EXPR_TRY(args[i], convert(*ast.args[i], args[i], TypeKind::kBool, operand(ast, i)));
    }
    return make(ast, {.op = ast.text == "and" ? Op::kAnd : ast.text == "or" ? Op::kOr : Op::kNot, .type = TypeKind::kBool, .args = std::move(args)});
  }

  Typed negation(const Ast& ast, uint32_t arg) {
    const ExprNode& n = graph_.node(arg);
    if ((bit(n.type) & kNumbers) == 0) return fail(ast, fmt::format("'-' needs a number, not {}", type_text(n.type)));
    return make(ast, {.op = Op::kNeg, .type = n.type, .args = {arg}});
  }

  Typed attempt(const Ast& ast, const std::vector<uint32_t>& args) {
    if (args.size() != 1) return fail(ast, fmt::format("try takes one value, not {}", args.size()));
    const ExprNode& n = graph_.node(args[0]);
    return n.untyped_null ? args[0] : make(ast, {.op = Op::kTry, .type = n.type, .args = args});
  }

  static std::string operand(const Ast& ast, size_t i) { return fmt::format("operand {} of '{}'", i + 1, ast.text); }

  std::vector<Type> types_of(const std::vector<uint32_t>& args) const {
    std::vector<Type> out;
    for (const uint32_t a : args) out.push_back(graph_.node(a).type);
    return out;
  }

  // What `f` takes where its arguments have these types; nullopt: not so many, or not such.
  static std::optional<Signature> signature(const ScalarFunction& f, const std::vector<Type>& given) {
    if (f.fit) return f.fit(given);
    if (f.repeats ? given.size() < f.in.size() : given.size() != f.in.size()) return std::nullopt;
    Signature s{{f.in.begin(), f.in.end()}, f.out};
    while (s.in.size() < given.size()) s.in.push_back(s.in.back());
    return s;
  }

  // Whether the arguments are what the signature says, or can be made so by widening numbers.
  bool accepts(const Signature& s, const std::vector<uint32_t>& args, bool widening) const {
    for (size_t i = 0; i < args.size(); ++i) {
      const ExprNode& n = graph_.node(args[i]);
      if (!n.untyped_null && n.type != s.in[i] && !(widening && (widens(n.type, s.in[i]) || fits_literal(n, s.in[i])))) return false;
    }
    return true;
  }

  Typed function(const Ast& ast, std::vector<uint32_t> args) {
    const std::vector<Type> given = types_of(args);
    std::vector<std::pair<const ScalarFunction*, Signature>> fitting;
    std::vector<const ScalarFunction*> named;
    for (const ScalarFunction& f : scalar_functions()) {
      if (f.name != ast.text) continue;
      named.push_back(&f);
      if (auto s = signature(f, given)) fitting.emplace_back(&f, std::move(*s));
    }
    if (named.empty()) return no_function(ast);
    for (const bool widening : {false, true})
      for (const auto& [f, s] : fitting)
        if (accepts(s, args, widening && !f->exact_types)) return call_of(ast, *f, s, std::move(args));
    if (fitting.size() == 1 && named.size() == 1) return call_of(ast, *fitting[0].first, fitting[0].second, std::move(args));  // says which operand
    return no_form(ast, named, args.size(), given);
  }

  // "(string, int64)", "(list or vector)"
  static std::string form_of(const ScalarFunction& f) {
    std::string out;
    for (const TypeKind in : f.in) out += (out.empty() ? "" : ", ") + std::string(ms::to_string(in));
    return fmt::format("({}{}{})", out, f.shape, f.repeats ? ", ..." : "");
  }

  static Typed no_form(const Ast& ast, const std::vector<const ScalarFunction*>& named, size_t count, const std::vector<Type>& given) {
    std::string types, counted, all;
    for (const Type& t : given) types += (types.empty() ? "" : ", ") + type_text(t);
    for (const ScalarFunction* f : named) {
      const std::string form = form_of(*f);
      size_t commas = 0;
      for (size_t at = form.find(", "); at != std::string::npos; at = form.find(", ", at + 1)) ++commas;
      all += (all.empty() ? "" : " or ") + form;
      if (commas + 1 == count && count > 0) counted += (counted.empty() ? "" : " or ") + form;
    }
    return fail(ast, fmt::format("{} takes {}, not ({})", ast.text, counted.empty() ? all : counted, types));
  }

  static Typed no_function(const Ast& ast) {
    if (const auto cure = cure_for_function(ast.text); !cure.empty()) return fail(ast, fmt::format("there is no function '{}'; here it is {}", ast.text, cure));
    return fail(ast, fmt::format("there is no function '{}'{}", ast.text, did_you_mean(ast.text, function_names())));
  }

  Typed call_of(const Ast& ast, const ScalarFunction& f, const Signature& signature, std::vector<uint32_t> args) {
    for (size_t i = 0; i < args.size(); ++i) {
      EXPR_TRY(args[i], convert(*ast.args[i], args[i], signature.in[i], operand(ast, i)));
    }
    ExprNode node{.op = Op::kCall, .type = signature.out, .function = &f};
    if (f.literal >= 0) {
      const auto at = static_cast<size_t>(f.literal);
      const ExprNode& constant = graph_.node(args[at]);
      const auto* text = std::get_if<std::string>(&constant.literal);
      if (constant.op != Op::kLiteral || !text) return fail(*ast.args[at], fmt::format("{} must be a text in quotes", operand(ast, at)));
      const std::string fault = f.check ? f.check(*text) : std::string();
      if (!fault.empty()) return fail(*ast.args[at], fmt::format("{} {}", ast.text, fault));
      if (f.takes_pattern) node.pattern = *TextPattern::compile(*text);
    }
    node.args = std::move(args);
    return make(ast, std::move(node));
  }

  ExprGraph& graph_;
  const ExprGraph::Names& names_;
  const std::string& place_;
};

Typed ExprGraph::add(std::string_view text, const Names& names, const std::string& where_written, std::optional<Type> wanted) {
  EXPR_TRY(const std::unique_ptr<Ast> ast, parse_expression(text));
  ExprTyper typer(*this, names, where_written);
  EXPR_TRY(const uint32_t id, typer.type(*ast));
  if (wanted) return typer.convert(*ast, id, *wanted, "the expression");
  if (node(id).untyped_null) return std::unexpected(ExprError{"null alone has no type; write cast(null as ...)", ast->column});
  return id;
}

}  // namespace ms::feature
