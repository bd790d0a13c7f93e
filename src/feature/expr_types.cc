// Typing: which operators and functions exist for which types. Nothing converts by itself except int64 to float64.
#include <fmt/format.h>

#include "base/nearest.h"
#include "feature/expr.h"

namespace ms::feature {

using Typed = std::expected<uint32_t, ExprError>;

namespace {

#define EXPR_TRY(declaration, expression)                                                   \
  auto MS_CONCAT(expr_, __LINE__) = (expression);                                           \
  if (!MS_CONCAT(expr_, __LINE__)) return std::unexpected(MS_CONCAT(expr_, __LINE__).error()); \
  declaration = std::move(*MS_CONCAT(expr_, __LINE__))

constexpr uint32_t bit(TypeKind t) { return 1u << static_cast<uint32_t>(t); }
constexpr uint32_t kNumbers = bit(TypeKind::kInt64) | bit(TypeKind::kFloat64);
constexpr uint32_t kOrdered = kNumbers | bit(TypeKind::kString) | bit(TypeKind::kTimestamp);

// A function of fixed argument types.
struct Fixed {
  std::string_view name;
  Op op;
  std::vector<Type> in;
  Type out;
};
const std::vector<Fixed>& fixed_functions() {
  using enum TypeKind;
  static const std::vector<Fixed> kAll = {
      {"lower", Op::kLower, {kString}, kString},       {"upper", Op::kUpper, {kString}, kString},
      {"length", Op::kLength, {kString}, kInt64},      {"||", Op::kConcat, {kString, kString}, kString},
      {"substr", Op::kSubstr, {kString, kInt64}, kString}, {"substr", Op::kSubstr, {kString, kInt64, kInt64}, kString},
      {"year", Op::kYear, {kTimestamp}, kInt64},       {"month", Op::kMonth, {kTimestamp}, kInt64},
      {"day", Op::kDay, {kTimestamp}, kInt64},         {"hour", Op::kHour, {kTimestamp}, kInt64},
      {"minute", Op::kMinute, {kTimestamp}, kInt64},   {"second", Op::kSecond, {kTimestamp}, kInt64},
      {"day_of_week", Op::kDayOfWeek, {kTimestamp}, kInt64},
      {"not", Op::kNot, {kBool}, kBool},               {"and", Op::kAnd, {kBool, kBool}, kBool},
      {"or", Op::kOr, {kBool, kBool}, kBool},
  };
  return kAll;
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> kAll = {"abs", "least", "greatest", "floor", "ceil", "round", "lower", "upper", "length", "substr",
                                                "year", "month", "day", "hour", "minute", "second", "day_of_week", "date_trunc",
                                                "coalesce", "nullif", "cast"};
  return kAll;
}

std::optional<TypeKind> type_named(std::string_view name) {
  if (name == "bool" || name == "boolean") return TypeKind::kBool;
  if (name == "int64" || name == "int" || name == "bigint") return TypeKind::kInt64;
  if (name == "float64" || name == "double") return TypeKind::kFloat64;
  if (name == "string" || name == "text" || name == "varchar") return TypeKind::kString;
  if (name == "timestamp") return TypeKind::kTimestamp;
  return std::nullopt;
}

bool castable(TypeKind from, TypeKind to) {
  using enum TypeKind;
  if (from == to || from == kString || to == kString) return true;
  if (from == kBool) return to == kInt64;
  if (from == kInt64) return to == kFloat64 || to == kTimestamp;
  if (from == kFloat64) return to == kInt64;
  return from == kTimestamp && to == kInt64;
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

  // Gives an untyped null its type, widens int64 to float64; any other difference is an error.
  Typed convert(const Ast& at, uint32_t id, const Type& wanted, std::string_view what) {
    const ExprNode& n = graph_.node(id);
    if (n.untyped_null) return make(at, {.op = Op::kLiteral, .type = wanted});
    if (n.type == wanted) return id;
    if (n.type == TypeKind::kInt64 && wanted == TypeKind::kFloat64) {
      if (const auto* i = std::get_if<int64_t>(&n.literal); n.op == Op::kLiteral && i)
        return make(at, {.op = Op::kLiteral, .type = wanted, .literal = static_cast<double>(*i)});
      return make(at, {.op = Op::kCast, .type = wanted, .args = {id}});
    }
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
    if (f == "cast") return cast(ast, args[0]);
    if (f == "is null") return make(ast, {.op = Op::kIsNull, .type = TypeKind::kBool, .args = {args[0]}});
    if (f == "case") return cases(ast, std::move(args));
    if (f == "+" || f == "-" || f == "*" || f == "/" || f == "%") return arithmetic(ast, std::move(args));
    if (f == "=" || f == "<>" || f == "<" || f == "<=" || f == ">" || f == ">=") return comparison(ast, std::move(args));
    if (f == "coalesce" || f == "nullif" || f == "least" || f == "greatest") return alike(ast, std::move(args));
    if (f == "abs" || f == "neg" || f == "floor" || f == "ceil" || f == "round") return of_number(ast, args);
    if (f == "like" || f == "date_trunc") return with_constant(ast, args);
    return fixed(ast, std::move(args));
  }

  Typed cast(const Ast& ast, uint32_t arg) {
    const std::string& type_name = std::get<std::string>(ast.args[1]->literal);
    const auto to = type_named(type_name);
    static const std::vector<std::string> kTypes = {"bool", "int64", "float64", "string", "timestamp"};
    if (!to) return fail(*ast.args[1], fmt::format("there is no type '{}'{}", type_name, did_you_mean(type_name, kTypes)));
    const ExprNode& n = graph_.node(arg);
    if (n.untyped_null) return make(ast, {.op = Op::kLiteral, .type = *to});
    if (n.type == *to) return arg;
    if (!castable(n.type, *to)) return fail(ast, fmt::format("{} cannot be cast to {}", ms::to_string(n.type), ms::to_string(*to)));
    return make(ast, {.op = Op::kCast, .type = *to, .args = {arg}});
  }

  // The common type of `args`: all equal, or int64 and float64 mixed. Untyped nulls follow the others.
  std::expected<Type, ExprError> common(const Ast& ast, const std::vector<uint32_t>& args) {
    std::optional<Type> type;
    for (size_t i = 0; i < args.size(); ++i) {
      const ExprNode& n = graph_.node(args[i]);
      if (n.untyped_null) continue;
      if (!type || *type == n.type) type = n.type;
      else if ((bit(*type) | bit(n.type)) == kNumbers) type = TypeKind::kFloat64;
      else return fail(ast, fmt::format("'{}' mixes {} and {}; convert one with cast(... as {})", ast.text, ms::to_string(*type), ms::to_string(n.type), ms::to_string(*type)));
    }
    if (!type) return fail(ast, fmt::format("'{}' has only nulls; give one a type with cast(null as ...)", ast.text));
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
    EXPR_TRY(const Type type, common(ast, args));
    if ((bit(type) & kNumbers) == 0) {
      const std::string_view hint = type == kString && op == Op::kAdd ? "; texts are joined with ||" : "";
      return fail(ast, fmt::format("'{}' needs numbers, not {}{}", ast.text, ms::to_string(type), hint));
    }
    const Type in = op == Op::kDiv ? Type(kFloat64) : type;
    return same(ast, op, in, in, std::move(args));
  }

  Typed comparison(const Ast& ast, std::vector<uint32_t> args) {
    for (const uint32_t a : args)
      if (graph_.node(a).untyped_null) return fail(ast, fmt::format("'{} null' is never true; write 'is null' or 'is not null'", ast.text));
    const Op op = ast.text == "=" ? Op::kEq : ast.text == "<>" ? Op::kNe : ast.text == "<" ? Op::kLt : ast.text == "<=" ? Op::kLe : ast.text == ">" ? Op::kGt : Op::kGe;
    EXPR_TRY(const Type type, common(ast, args));
    if (op != Op::kEq && op != Op::kNe && (bit(type) & kOrdered) == 0) return fail(ast, fmt::format("{} has no order for '{}'", ms::to_string(type), ast.text));
    return same(ast, op, type, TypeKind::kBool, std::move(args));
  }

  Typed alike(const Ast& ast, std::vector<uint32_t> args) {
    const Op op = ast.text == "coalesce" ? Op::kCoalesce : ast.text == "nullif" ? Op::kNullIf : ast.text == "least" ? Op::kLeast : Op::kGreatest;
    if (op == Op::kNullIf ? args.size() != 2 : args.empty())
      return fail(ast, fmt::format("{} takes {}", ast.text, op == Op::kNullIf ? "two values" : "at least one value"));
    EXPR_TRY(const Type type, common(ast, args));
    if ((op == Op::kLeast || op == Op::kGreatest) && (bit(type) & kOrdered) == 0) return fail(ast, fmt::format("{} has no order for {}", ms::to_string(type), ast.text));
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

  Typed of_number(const Ast& ast, const std::vector<uint32_t>& args) {
    if (args.size() != 1) return fail(ast, fmt::format("{} takes one number, not {} values", ast.text, args.size()));
    const ExprNode& n = graph_.node(args[0]);
    if ((bit(n.type) & kNumbers) == 0) return fail(ast, fmt::format("{} needs a number, not {}", ast.text == "neg" ? "'-'" : ast.text, ms::to_string(n.type)));
    const Op op = ast.text == "abs" ? Op::kAbs : ast.text == "neg" ? Op::kNeg : ast.text == "floor" ? Op::kFloor : ast.text == "ceil" ? Op::kCeil : Op::kRound;
    if (n.type == TypeKind::kInt64 && op != Op::kAbs && op != Op::kNeg) return args[0];
    return make(ast, {.op = op, .type = n.type, .args = args});
  }

  // like and date_trunc: one argument is a literal, known when the definition is.
  Typed with_constant(const Ast& ast, const std::vector<uint32_t>& args) {
    if (args.size() != 2) return fail(ast, fmt::format("{} takes two values, not {}", ast.text, args.size()));
    const bool like = ast.text == "like";
    const size_t constant = like ? 1 : 0;
    const ExprNode& c = graph_.node(args[constant]);
    const auto* text = std::get_if<std::string>(&c.literal);
    if (c.op != Op::kLiteral || !text)
      return fail(*ast.args[constant], like ? "the pattern of like must be a text in quotes" : "the unit of date_trunc must be a text in quotes: 'hour'");
    if (!like) {
      static const std::vector<std::string> kUnits = {"second", "minute", "hour", "day", "week", "month", "year"};
      if (std::find(kUnits.begin(), kUnits.end(), *text) == kUnits.end())
        return fail(*ast.args[0], fmt::format("date_trunc has no unit '{}'{}", *text, did_you_mean(*text, kUnits)));
    }
    const TypeKind in = like ? TypeKind::kString : TypeKind::kTimestamp;
    EXPR_TRY(const uint32_t arg, convert(*ast.args[1 - constant], args[1 - constant], in, fmt::format("the value of {}", ast.text)));
    std::vector<uint32_t> both = like ? std::vector<uint32_t>{arg, args[1]} : std::vector<uint32_t>{args[0], arg};
    return make(ast, {.op = like ? Op::kLike : Op::kDateTrunc, .type = like ? TypeKind::kBool : TypeKind::kTimestamp, .args = std::move(both)});
  }

  Typed fixed(const Ast& ast, std::vector<uint32_t> args) {
    const Fixed* named = nullptr;
    for (const Fixed& f : fixed_functions()) {
      if (f.name != ast.text) continue;
      named = &f;
      if (f.in.size() != args.size()) continue;
      for (size_t i = 0; i < args.size(); ++i) {
        EXPR_TRY(args[i], convert(*ast.args[i], args[i], f.in[i], fmt::format("operand {} of '{}'", i + 1, ast.text)));
      }
      return make(ast, {.op = f.op, .type = f.out, .args = std::move(args)});
    }
    if (named) return fail(ast, fmt::format("{} takes {} values, not {}", ast.text, named->in.size(), args.size()));
    return fail(ast, fmt::format("there is no function '{}'{}", ast.text, did_you_mean(ast.text, function_names())));
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
