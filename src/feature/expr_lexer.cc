#include "feature/expr_lexer.h"

#include <fmt/format.h>

namespace ms::feature {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::expected<std::vector<Token>, ExprError> run() {
    std::vector<Token> out;
    while (true) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
      Token token;
      token.column = at_ + 1;
      if (at_ < text_.size()) {
        if (auto read = next(token); !read) return std::unexpected(read.error());
      }
      out.push_back(token);
      if (token.kind == Token::Kind::kEnd) return out;
    }
  }

 private:
  std::expected<void, ExprError> next(Token& token) {
    const char c = text_[at_];
    if (is_letter(c)) return word(token), std::expected<void, ExprError>{};
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return number(token), std::expected<void, ExprError>{};
    if (c == '\'' || c == '"') return quoted(token, c);
    return symbol(token);
  }

  void word(Token& token) {
    const size_t from = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    token.kind = Token::Kind::kWord;
    token.text = text_.substr(from, at_ - from);
    token.lower = token.text;
    for (char& c : token.lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }

  void number(Token& token) {
    const size_t from = at_;
    while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    }
    token.kind = Token::Kind::kNumber;
    token.text = text_.substr(from, at_ - from);
  }

  std::expected<void, ExprError> quoted(Token& token, char quote) {
    token.kind = quote == '\'' ? Token::Kind::kString : Token::Kind::kQuotedName;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != quote) {
        token.text += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
        token.text += quote, ++at_;
      } else {
        ++at_;
        return {};
      }
    }
    return std::unexpected(ExprError{fmt::format("the text that opens with {} is never closed", quote), token.column});
  }

  std::expected<void, ExprError> symbol(Token& token) {
    static constexpr std::string_view kSymbols[] = {"<>", "!=", "<=", ">=", "||", "==", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", "<", ">", "=", "."};
    for (const std::string_view s : kSymbols) {
      if (!text_.substr(at_).starts_with(s)) continue;
      token.kind = Token::Kind::kSymbol;
      token.text = s == "!=" ? "<>" : s == "==" ? "=" : s;
      at_ += s.size();
      return {};
    }
    return std::unexpected(ExprError{fmt::format("'{}' has no meaning here", text_[at_]), token.column});
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::expected<std::vector<Token>, ExprError> tokens_of(std::string_view text) { return Lexer(text).run(); }

}  // namespace ms::feature
