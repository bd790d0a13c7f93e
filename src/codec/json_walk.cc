#include "codec/json_walk.h"

#include <immintrin.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/types.h"
#include "codec/decimal_text.h"
#include "codec/json_digits.h"

namespace ms {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool text(std::string_view token, std::string_view& out) {
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return false;
  out = token.substr(1, token.size() - 2);
  return !has_json_escape(out);
}

bool time(const JsonField& field, std::string_view token, int64_t& us) {
  std::string_view written;
  if (field.time == JsonTime::kRfc3339) {
    if (!text(token, written)) return false;
    const auto parsed = parse_time(written);
    if (parsed) us = *parsed;
    return parsed.has_value();
  }
  const int64_t scale = field.time == JsonTime::kSeconds ? kMicrosPerSecond : field.time == JsonTime::kMillis ? kMicrosPerMilli : 1;
  if (int64_t whole = 0; json_integer(token, whole)) return !__builtin_mul_overflow(whole, scale, &us);
  if (!is_json_number(token)) return false;
  const auto exact = scaled_decimal(token, time_digits(field.time));
  if (exact) us = *exact;
  return exact.has_value();
}

bool decimal(std::string_view token, const Type& type, int128& units) {
  if (token[0] == '"' && !text(token, token)) return false;
  return parse_decimal(token, type, units) == DecimalFault::kNone;
}

}  // namespace

std::string_view strip_json_space(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\t' || token.back() == '\r')) token.remove_suffix(1);
  return token;
}

std::optional<int64_t> scaled_decimal(std::string_view text, int digits) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  bool fraction = false;
  int left = digits;
  const auto push = [&value](int digit) { return !__builtin_mul_overflow(value, 10, &value) && !__builtin_add_overflow(value, digit, &value); };
  for (const char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    if (fraction && left == 0) continue;
    if (!push(c - '0')) return std::nullopt;
    left -= fraction ? 1 : 0;
  }
  for (; left > 0; --left)
    if (!push(0)) return std::nullopt;
  return negative ? -value : value;
}

bool is_json_number(std::string_view token) {
  if (token.empty()) return false;
  size_t at = token[0] == '-' ? 1 : 0;
  const auto digits = [&] {
    const size_t from = at;
    while (at < token.size() && is_digit(token[at])) ++at;
    return at - from;
  };
  const bool zero = at < token.size() && token[at] == '0';
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (at < token.size() && token[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == token.size();
}

std::optional<double> json_real(std::string_view token) {
  if (!is_json_number(token)) return std::nullopt;
  double value = 0;
  if (std::from_chars(token.data(), token.data() + token.size(), value).ec == std::errc()) return value;
  value = std::strtod(std::string(token).c_str(), nullptr);  // too large, or nearest to nothing at all
  if (std::isinf(value)) return std::nullopt;
  return value;
}

void set_null_slot(Column& c, size_t row) {
  c.set_null(row);
  switch (c.type) {
    case TypeKind::kBool: c.bools[row] = 0; break;
    case TypeKind::kFloat64: c.floats[row] = 0; break;
    case TypeKind::kDecimal:
      c.decimals[row] = 0;
      break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      c.ints[row] = 0;
      break;
    default:
      c.strings[row] = {};
  }
}

bool has_json_escape(std::string_view text) {
  if (text.size() > JsonShape::kReadable) return std::memchr(text.data(), '\\', text.size()) != nullptr;
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data()));
  const uint32_t inside = text.size() == JsonShape::kReadable ? ~0u : (1u << text.size()) - 1;
  return (static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')))) & inside) != 0;
}

bool json_scalar(const JsonField& field, std::string_view token, Column& c, size_t row) {
  bool done = false;
  switch (c.type) {
    case TypeKind::kInt64:
      done = json_integer(token, c.ints[row]);
      break;
    case TypeKind::kFloat64:
      if (const auto value = json_real(token)) c.floats[row] = *value, done = true;
      break;
    case TypeKind::kBool:
      c.bools[row] = token == "true" ? 1 : 0;
      done = token == "true" || token == "false";
      break;
    case TypeKind::kString:
      done = text(token, c.strings[row]);
      break;
    case TypeKind::kTimestamp:
      done = time(field, token, c.ints[row]);
      break;
    case TypeKind::kDecimal:
      done = decimal(token, c.type, c.decimals[row]);
      break;
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap:
      break;
  }
  if (done) c.set_valid(row);
  return done;
}

inline int32_t JsonWalk::which(uint32_t member, size_t position) {
  const char* key = place(at_);
  const char* colon = place(at_ + 1);
  if (*key != '"' || *colon != ':') return kUnclear;
  if (const int32_t* child = shape_.seen(member, position, key + 1)) return *child;
  std::string_view name;
  if (!text(strip_json_space({key, colon}), name)) return kUnclear;
  return shape_.find(member, position, key + 1, name);
}

// Any value, as simdjson does: brackets are counted, not matched.
inline bool JsonWalk::skip() {
  size_t depth = 0;
  do {
    if (at_ == places_.size()) return false;
    switch (*place(at_++)) {
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']':
        if (depth == 0) return false;
        --depth;
        break;
      case ',':
      case ':':
        if (depth == 0) return false;
        break;
      default: break;
    }
  } while (depth > 0);
  return true;
}

inline bool JsonWalk::take(uint32_t id) {
  const JsonShape::Member& m = shape_.member(id);
  const char* value = place(at_++);
  if (*value == '[' || *value == '{') return m.fields.empty() ? *value == '{' && object(id) : nested(id);
  const std::string_view token = strip_json_space({value, place(at_)});
  if (token.empty()) return false;
  if (token == "null") return forget(id), true;
  if (!m.children.empty()) return false;
  for (const uint32_t f : m.fields)
    if (!json_scalar(shape_.fields()[f], token, batch_->columns[f], row_)) return false;
  return true;
}

// From a bracket on: lists, vectors and maps.
bool JsonWalk::nested(uint32_t id) {
  const JsonShape::Member& m = shape_.member(id);
  const size_t first = --at_;
  if (!skip()) return false;
  const std::string_view token(place(first), place(at_ - 1) + 1);
  for (const uint32_t f : m.fields) {
    const JsonField& field = shape_.fields()[f];
    if (is_scalar(field.type)) return false;
    const auto packed = nested_.decode(field, token);
    if (!packed) return false;
    Column& c = batch_->columns[f];
    c.strings[row_] = batch_->arena.add(*packed);
    c.set_valid(row_);
  }
  if (m.children.empty()) return true;
  at_ = first + 1;
  return token[0] == '{' && object(id);
}

void JsonWalk::forget(uint32_t id) {
  const JsonShape::Member& m = shape_.member(id);
  for (const uint32_t f : m.fields) set_null_slot(batch_->columns[f], row_);
  for (const uint32_t c : m.children) forget(c);
}

bool JsonWalk::run(const char* data, std::span<const uint32_t> places, ColumnBatch& batch, size_t row) {
  data_ = data, places_ = places, batch_ = &batch, row_ = row;
  if (places.size() < 2 || *place(0) != '{') return false;
  at_ = 1;
  return object(0) && at_ == places.size();
}

// From behind its opening bracket to behind its closing one.
bool JsonWalk::object(uint32_t member) {
  if (at_ == places_.size()) return false;
  if (*place(at_) == '}') return ++at_, true;
  for (size_t position = 0;; ++position) {
    if (places_.size() - at_ < 4) return false;  // a key, its colon, a value, and what follows
    const int32_t child = which(member, position);
    if (child == kUnclear) return false;
    at_ += 2;
    if (!(child == JsonShape::kNobody ? skip() : take(static_cast<uint32_t>(child)))) return false;
    if (at_ == places_.size()) return false;
    const char next = *place(at_++);
    if (next == '}') return true;
    if (next != ',') return false;
  }
}

}  // namespace ms
