#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/decimal.h"
#include "base/nearest.h"
#include "feature/expr_ast.h"
#include "feature/expr_lexer.h"

namespace ms::feature {
namespace {

using Node = std::unique_ptr<Ast>;
using Parsed = std::expected<Node, ExprError>;

#define EXPR_TRY(declaration, expression)                                                   \
  auto MS_CONCAT(expr_, __LINE__) = (expression);                                           \
  if (!MS_CONCAT(expr_, __LINE__)) return std::unexpected(MS_CONCAT(expr_, __LINE__).error()); \
  declaration = std::move(*MS_CONCAT(expr_, __LINE__))

bool reserved(std::string_view word) {
  for (const std::string_view w : {"and", "or", "not", "is", "in", "between", "like", "case", "when", "then", "else", "end", "as"})
    if (word == w) return true;
  return false;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Parsed run() {
    EXPR_TRY(Node out, either());
    if (peek().kind != Token::Kind::kEnd) return fail(fmt::format("expected an operator or the end before {}", shown(peek())));
    return out;
  }

 private:
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  static std::string shown(const Token& t) { return t.kind == Token::Kind::kEnd ? "the end" : "'" + t.text + "'"; }
  std::unexpected<ExprError> fail(std::string message) const { return std::unexpected(ExprError{std::move(message), peek().column}); }
  bool is_word(std::string_view w, size_t ahead = 0) const { return peek(ahead).kind == Token::Kind::kWord && peek(ahead).lower == w; }
  bool is_symbol(std::string_view s) const { return peek().kind == Token::Kind::kSymbol && peek().text == s; }
  bool take_word(std::string_view w) { return is_word(w) && ++at_; }
  bool take_symbol(std::string_view s) { return is_symbol(s) && ++at_; }

  std::expected<void, ExprError> expect_symbol(std::string_view s) {
    if (take_symbol(s)) return {};
    return fail(fmt::format("expected '{}' before {}", s, shown(peek())));
  }
  std::expected<void, ExprError> expect_word(std::string_view w) {
    if (take_word(w)) return {};
    return fail(fmt::format("expected '{}' before {}", w, shown(peek())));
  }

  Parsed make(std::string text, size_t column, std::vector<Node> args) {
    if (++nodes_ > kExprNodesMax) return std::unexpected(ExprError{fmt::format("more than {} operators", kExprNodesMax), column});
    auto node = std::make_unique<Ast>();
    node->kind = Ast::Kind::kCall, node->text = std::move(text), node->column = column, node->args = std::move(args);
    return node;
  }
  template <class... N>
  Parsed call(std::string text, size_t column, N... nodes) {
    std::vector<Node> args;
    (args.push_back(std::move(nodes)), ...);
    return make(std::move(text), column, std::move(args));
  }
  Parsed literal(ScalarValue value, const Type& type, size_t column) {
    EXPR_TRY(Node node, make("", column, {}));
    node->kind = Ast::Kind::kLiteral, node->literal = std::move(value), node->literal_type = type;
    return node;
  }
  // A copy, for rewrites that use an operand twice; identical parts are evaluated once.
  Parsed copy(const Ast& from) {
    std::vector<Node> args;
    for (const Node& a : from.args) {
      EXPR_TRY(Node arg, copy(*a));
      args.push_back(std::move(arg));
    }
    EXPR_TRY(Node node, make(from.text, from.column, std::move(args)));
    node->kind = from.kind, node->literal = from.literal, node->literal_type = from.literal_type;
    return node;
  }

  Parsed either() {
    EXPR_TRY(Node left, both());
    while (is_word("or")) {
      const size_t column = tokens_[at_++].column;
      EXPR_TRY(Node right, both());
      EXPR_TRY(left, call("or", column, std::move(left), std::move(right)));
    }
    return left;
  }
  Parsed both() {
    EXPR_TRY(Node left, negation());
    while (is_word("and")) {
      const size_t column = tokens_[at_++].column;
      EXPR_TRY(Node right, negation());
      EXPR_TRY(left, call("and", column, std::move(left), std::move(right)));
    }
    return left;
  }
  Parsed negation() {
    if (!is_word("not")) return comparison();
    const Deeper deeper(*this);
    if (depth_ > kExprDepthMax) return fail("nested too deeply");
    const size_t column = tokens_[at_++].column;
    EXPR_TRY(Node arg, negation());
    return call("not", column, std::move(arg));
  }

  Parsed comparison() {
    EXPR_TRY(Node left, sum());
    while (true) {
      const size_t column = peek().column;
      const Token& t = peek();
      if (t.kind == Token::Kind::kSymbol && (t.text == "=" || t.text == "<>" || t.text == "<" || t.text == "<=" || t.text == ">" || t.text == ">=")) {
        const std::string op = t.text;
        ++at_;
        EXPR_TRY(Node right, sum());
        EXPR_TRY(left, call(op, column, std::move(left), std::move(right)));
      } else if (take_word("is")) {
        const bool no = take_word("not");
        EXPR_TRY(left, is(std::move(left), column));
        if (no) {
          EXPR_TRY(left, call("not", column, std::move(left)));
        }
      } else if (is_word("in") || is_word("between") || is_word("like") || (is_word("not") && (is_word("in", 1) || is_word("between", 1) || is_word("like", 1)))) {
        const bool no = take_word("not");
        EXPR_TRY(left, range(std::move(left), column));
        if (no) {
          EXPR_TRY(left, call("not", column, std::move(left)));
        }
      } else {
        return left;
      }
    }
  }

  // After `is` and `is not`.
  Parsed is(Node left, size_t column) {
    if (take_word("distinct")) {
      if (auto e = expect_word("from"); !e) return std::unexpected(e.error());
      EXPR_TRY(Node right, sum());
      return call("is distinct from", column, std::move(left), std::move(right));
    }
    if (is_word("true") || is_word("false")) {  // null is neither
      if (!take_word("true")) {
        ++at_;
        EXPR_TRY(left, call("not", column, std::move(left)));
      }
      EXPR_TRY(Node otherwise, literal(false, TypeKind::kBool, column));
      return call("coalesce", column, std::move(left), std::move(otherwise));
    }
    if (!is_word("null")) return fail(fmt::format("expected 'null', 'true', 'false' or 'distinct from' before {}", shown(peek())));
    ++at_;
    return call("is null", column, std::move(left));
  }

  Parsed range(Node left, size_t column) {
    if (take_word("like")) {
      EXPR_TRY(Node pattern, sum());
      return call("like", column, std::move(left), std::move(pattern));
    }
    if (take_word("between")) {
      EXPR_TRY(Node low, sum());
      if (auto e = expect_word("and"); !e) return std::unexpected(e.error());
      EXPR_TRY(Node high, sum());
      EXPR_TRY(Node again, copy(*left));
      EXPR_TRY(Node from, call(">=", column, std::move(left), std::move(low)));
      EXPR_TRY(Node to, call("<=", column, std::move(again), std::move(high)));
      return call("and", column, std::move(from), std::move(to));
    }
    ++at_;  // in
    if (auto e = expect_symbol("("); !e) return std::unexpected(e.error());
    Node any;
    do {
      EXPR_TRY(Node item, either());
      EXPR_TRY(Node again, copy(*left));
      EXPR_TRY(Node equal, call("=", column, std::move(again), std::move(item)));
      if (!any) {
        any = std::move(equal);
      } else {
        EXPR_TRY(any, call("or", column, std::move(any), std::move(equal)));
      }
    } while (take_symbol(","));
    if (auto e = expect_symbol(")"); !e) return std::unexpected(e.error());
    return any;
  }

  Parsed sum() {
    EXPR_TRY(Node left, product());
    while (is_symbol("+") || is_symbol("-") || is_symbol("||")) {
      const Token op = tokens_[at_++];
      EXPR_TRY(Node right, product());
      EXPR_TRY(left, call(op.text, op.column, std::move(left), std::move(right)));
    }
    return left;
  }
  Parsed product() {
    EXPR_TRY(Node left, sign());
    while (is_symbol("*") || is_symbol("/") || is_symbol("%")) {
      const Token op = tokens_[at_++];
      EXPR_TRY(Node right, sign());
      EXPR_TRY(left, call(op.text, op.column, std::move(left), std::move(right)));
    }
    return left;
  }
  Parsed sign() {
    const Deeper deeper(*this);
    if (depth_ > kExprDepthMax) return fail("nested too deeply");
    if (take_symbol("+")) return sign();
    if (!is_symbol("-")) return indexed();
    const size_t column = tokens_[at_++].column;
    if (peek().kind == Token::Kind::kNumber) return number("-" + tokens_[at_++].text, column);
    EXPR_TRY(Node arg, sign());
    return call("neg", column, std::move(arg));
  }

  Parsed indexed() {
    EXPR_TRY(Node value, primary());
    while (is_symbol("[")) {
      const size_t column = tokens_[at_++].column;
      EXPR_TRY(Node index, either());
      if (auto e = expect_symbol("]"); !e) return std::unexpected(e.error());
      EXPR_TRY(value, call("[]", column, std::move(value), std::move(index)));
    }
    return value;
  }

  // Values with commas between, up to `end`.
  std::expected<std::vector<Node>, ExprError> values_until(std::string_view end) {
    std::vector<Node> out;
    if (take_symbol(end)) return out;
    do {
      EXPR_TRY(Node value, either());
      out.push_back(std::move(value));
    } while (take_symbol(","));
    if (auto e = expect_symbol(end); !e) return std::unexpected(e.error());
    return out;
  }

  Parsed number(const std::string& text, size_t column) {
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == std::string::npos) {
      int64_t value = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc{} || stop != end) return std::unexpected(ExprError{fmt::format("{} does not fit in int64", text), column});
      return literal(value, TypeKind::kInt64, column);
    }
    double value = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return std::unexpected(ExprError{fmt::format("{} is not a number of float64", text), column});
    return literal(value, TypeKind::kFloat64, column);
  }

  Parsed primary() {
    const Token t = peek();
    switch (t.kind) {
      case Token::Kind::kNumber: ++at_; return number(t.text, t.column);
      case Token::Kind::kString: ++at_; return literal(t.text, TypeKind::kString, t.column);
      case Token::Kind::kQuotedName: return name();
      case Token::Kind::kSymbol: {
        if (take_symbol("[")) {
          EXPR_TRY(std::vector<Node> elements, values_until("]"));
          return make("[...]", t.column, std::move(elements));
        }
        if (t.text != "(") break;
        ++at_;
        EXPR_TRY(Node inner, either());
        if (auto e = expect_symbol(")"); !e) return std::unexpected(e.error());
        return inner;
      }
      case Token::Kind::kWord: return word(t);
      case Token::Kind::kEnd: break;
    }
    return fail(fmt::format("expected a value before {}", shown(t)));
  }

  Parsed word(const Token& t) {
    if (take_word("true")) return literal(true, TypeKind::kBool, t.column);
    if (take_word("false")) return literal(false, TypeKind::kBool, t.column);
    if (take_word("null")) return literal(std::monostate{}, TypeKind::kInt64, t.column);
    if (take_word("case")) return cases(t.column);
    if (t.lower == "timestamp" && peek(1).kind == Token::Kind::kString) {
      ++at_;
      const Token text = tokens_[at_++];
      const auto us = parse_time(text.text);
      if (!us) return std::unexpected(ExprError{us.error().message, text.column});
      return literal(*us, TypeKind::kTimestamp, t.column);
    }
    if (t.lower == "decimal" && peek(1).kind == Token::Kind::kString) {
      ++at_;
      return decimal(t.column);
    }
    if (t.lower == "interval" && peek(1).kind == Token::Kind::kString) {
      ++at_;
      return interval(t.column);
    }
    if (reserved(t.lower)) return fail(fmt::format("expected a value before '{}'", t.text));
    if (peek(1).kind == Token::Kind::kSymbol && peek(1).text == "(") return function(t);
    return name();
  }

  // decimal '12.50' has as many digits and decimals as it shows.
  Parsed decimal(size_t column) {
    const Token& text = tokens_[at_++];
    const std::string_view digits = std::string_view(text.text).substr(text.text.starts_with('-') ? 1 : 0);
    const size_t point = std::min(digits.find('.'), digits.size());
    const size_t scale = digits.size() - std::min(point + 1, digits.size()), precision = std::max<size_t>(point + scale, 1);
    if (precision > kDecimalDigitsMax || !decimal_of_text(text.text, kDecimalDigitsMax, static_cast<int>(scale)))
      return std::unexpected(ExprError{fmt::format("'{}' is no decimal of up to {} digits, such as '12.50'", text.text, kDecimalDigitsMax), text.column});
    return literal(text.text, Type::decimal(static_cast<uint8_t>(precision), static_cast<uint8_t>(scale)), column);
  }

  // A length of time as microseconds: '1h30m', or one number and a unit of fixed length, '90 days'.
  Parsed interval(size_t column) {
    const Token text = tokens_[at_++];
    const size_t space = text.text.find(' ');
    std::string shown_as = text.text;
    if (space != std::string::npos) {
      std::string unit = text.text.substr(space + 1);
      if (unit.ends_with('s')) unit.pop_back();
      static constexpr std::pair<std::string_view, std::string_view> kUnits[] = {{"second", "s"}, {"minute", "m"}, {"hour", "h"}, {"day", "d"}};
      const auto* const known = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) { return u.first == unit; });
      if (unit == "month" || unit == "quarter" || unit == "year")
        return std::unexpected(ExprError{fmt::format("a {} has no fixed length; write date_add('{}', n, t)", unit, unit), text.column});
      if (known != std::end(kUnits)) shown_as = text.text.substr(0, space) + std::string(known->second);
    }
    const auto us = parse_duration(shown_as);
    if (!us) return std::unexpected(ExprError{fmt::format("'{}' is no interval; write '90s', '1h30m', '7d' or '7 days'", text.text), text.column});
    return literal(*us, TypeKind::kInt64, column);
  }

  Parsed name() {
    const size_t column = peek().column;
    std::string text = tokens_[at_++].text;
    while (is_symbol(".")) {
      ++at_;
      if (peek().kind != Token::Kind::kWord && peek().kind != Token::Kind::kQuotedName) return fail("expected a name after '.'");
      text += "." + tokens_[at_++].text;
    }
    EXPR_TRY(Node node, make(std::move(text), column, {}));
    node->kind = Ast::Kind::kName;
    return node;
  }

  Parsed cast(const Token& t) {
    EXPR_TRY(Node value, either());
    if (auto e = expect_word("as"); !e) return std::unexpected(e.error());
    if (peek().kind != Token::Kind::kWord) return fail("expected a type after 'as'");
    const size_t column = peek().column;
    std::string type = tokens_[at_++].lower;
    for (int open = 0; peek().kind != Token::Kind::kEnd && !(open == 0 && is_symbol(")")); ++at_) {  // decimal(12,2), list<string>
      if (is_symbol("(")) ++open;
      if (is_symbol(")")) --open;
      type += peek().kind == Token::Kind::kWord ? peek().lower : peek().text;
    }
    if (auto e = expect_symbol(")"); !e) return std::unexpected(e.error());
    EXPR_TRY(Node to, literal(std::move(type), TypeKind::kString, column));
    return call(t.lower, t.column, std::move(value), std::move(to));
  }

  // extract(hour from t) is hour(t).
  Parsed extract(const Token& t) {
    static const std::vector<std::string> kParts = {"year", "iso_year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "second"};
    const Token part = tokens_[at_++];
    if (std::find(kParts.begin(), kParts.end(), part.lower) == kParts.end())
      return std::unexpected(ExprError{fmt::format("extract has no part {}{}", shown(part), did_you_mean(part.lower, kParts)), part.column});
    if (auto e = expect_word("from"); !e) return std::unexpected(e.error());
    EXPR_TRY(Node time, either());
    if (auto e = expect_symbol(")"); !e) return std::unexpected(e.error());
    return call(part.lower, t.column, std::move(time));
  }

  // position('x' in s)
  Parsed position(const Token& t) {
    EXPR_TRY(Node part, sum());
    if (!take_word("in")) return fail(fmt::format("expected 'in' before {}: position('x' in s), or strpos(s, 'x')", shown(peek())));
    EXPR_TRY(Node whole, sum());
    if (auto e = expect_symbol(")"); !e) return std::unexpected(e.error());
    return call("position", t.column, std::move(part), std::move(whole));
  }

  Parsed function(const Token& t) {
    at_ += 2;
    if (t.lower == "cast" || t.lower == "try_cast") return cast(t);
    if (t.lower == "extract") return extract(t);
    if (t.lower == "position") return position(t);
    EXPR_TRY(std::vector<Node> args, values_until(")"));
    return make(t.lower, t.column, std::move(args));
  }

  Parsed cases(size_t column) {
    Node subject;
    std::vector<Node> args;
    if (!is_word("when")) {
      EXPR_TRY(subject, either());
    }
    if (!is_word("when")) return fail(fmt::format("expected 'when' before {}", shown(peek())));
    while (take_word("when")) {
      const size_t at = peek().column;
      EXPR_TRY(Node condition, either());
      if (subject) {
        EXPR_TRY(Node again, copy(*subject));
        EXPR_TRY(condition, call("=", at, std::move(again), std::move(condition)));
      }
      if (auto e = expect_word("then"); !e) return std::unexpected(e.error());
      EXPR_TRY(Node value, either());
      args.push_back(std::move(condition)), args.push_back(std::move(value));
    }
    if (take_word("else")) {
      EXPR_TRY(Node value, either());
      args.push_back(std::move(value));
    } else {
      EXPR_TRY(Node value, literal(std::monostate{}, TypeKind::kInt64, column));
      args.push_back(std::move(value));
    }
    if (auto e = expect_word("end"); !e) return std::unexpected(e.error());
    return make("case", column, std::move(args));
  }

  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) { ++parser.depth_; }
    ~Deeper() { --parser.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Parser& parser;
  };

  std::vector<Token> tokens_;
  size_t at_ = 0, nodes_ = 0;
  int depth_ = 0;
};

}  // namespace

std::expected<std::unique_ptr<Ast>, ExprError> parse_expression(std::string_view text) {
  if (text.size() > kExprBytesMax) return std::unexpected(ExprError{fmt::format("longer than {} bytes", kExprBytesMax), 1});
  EXPR_TRY(std::vector<Token> tokens, tokens_of(text));
  return Parser(std::move(tokens)).run();
}

}  // namespace ms::feature
