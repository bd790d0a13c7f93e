#include "codec/json_columns.h"

// simdjson checks its own use at run time unless NDEBUG is set; input is checked always. Only this file includes it.
#ifndef NDEBUG
#define NDEBUG
#endif
#include <fmt/format.h>
#include <immintrin.h>
#include <simdjson.h>

#include <cmath>

#include "base/check.h"

namespace ms {
namespace {

namespace od = simdjson::ondemand;
static_assert(SIMDJSON_CAN_ALWAYS_RUN_HASWELL, "else the slow portable code would be compiled in");

constexpr size_t kWide = 32;  // bytes of one comparison; may be read from any place of a record, below simdjson's padding
constexpr size_t kKeyBytesMax = kWide;  // keys remembered for speculation, with their closing quote

// A member name that some field's path goes through.
struct Member {
  std::string name;
  std::vector<uint32_t> fields;    // whose path ends here
  std::vector<uint32_t> children;  // members of the object that it holds
  // What stood where in the last record: the raw key with its closing quote, and the child it meant (or kNobody).
  struct Seen {
    uint32_t size = 0;
    int32_t child = -1;
    char raw[kKeyBytesMax] = {};
  };
  std::vector<Seen> seen;
};
constexpr int32_t kNobody = -1;
constexpr size_t kSeenMax = 256;

uint32_t low_bits(size_t count) { return count >= 32 ? ~0u : (1u << count) - 1; }

// Whether the first `size` <= kWide bytes are equal. Reads kWide bytes of both.
bool equal_prefix(const char* a, const char* b, size_t size) {
  const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
  const __m256i right = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
  const auto same = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(left, right)));
  return (same & low_bits(size)) == low_bits(size);
}

// Whether `text` holds a backslash. Reads kWide bytes.
bool has_escape(std::string_view text) {
  if (text.size() > kWide) return std::memchr(text.data(), '\\', text.size()) != nullptr;
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data()));
  return (static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')))) & low_bits(text.size())) != 0;
}

std::string_view json_type_name(simdjson::simdjson_result<od::json_type> type) {
  if (type.error()) return "something that is not JSON";
  switch (type.value_unsafe()) {
    case od::json_type::array: return "an array";
    case od::json_type::object: return "an object";
    case od::json_type::number: return "a number";
    case od::json_type::string: return "a string";
    case od::json_type::boolean: return "a bool";
    case od::json_type::null: return "null";
  }
  return "something that is not JSON";
}

std::string_view strip(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\t' || token.back() == '\r')) token.remove_suffix(1);
  return token;
}

// "-12.345" in units of 10^-digits seconds, exactly; further digits are cut. nullopt: not such a text or out of range.
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

class Decoder final : public JsonDecoder {
 public:
  explicit Decoder(std::vector<JsonField> fields) : fields_(std::move(fields)) {
    CHECK(fields_.size() <= 1'000);
    members_.push_back({});
    for (uint32_t f = 0; f < fields_.size(); ++f) {
      add_path(f);
      if (fields_[f].required) required_.push_back(f);
    }
  }

  void start(ColumnBatch& batch, size_t rows) const override {
    batch.columns.resize(fields_.size());
    for (size_t f = 0; f < fields_.size(); ++f) batch.columns[f].reset(fields_[f].type, rows);
  }

  std::optional<std::string> decode(std::string_view value, size_t readable_after, ColumnBatch& batch, size_t row) override {
    batch_ = &batch, row_ = row, copied_ = false;
    if (readable_after >= simdjson::SIMDJSON_PADDING && attempt(value.data(), value.size())) return std::nullopt;
    // From a copy: too little behind the value, or it is malformed, where simdjson's verdict can depend on the bytes behind
    // it. A verdict must be a function of the record alone.
    copied_ = true;
    if (copy_.size() < value.size() + simdjson::SIMDJSON_PADDING) copy_.resize(value.size() * 2 + simdjson::SIMDJSON_PADDING);
    if (!value.empty()) std::memcpy(copy_.data(), value.data(), value.size());
    std::memset(copy_.data() + value.size(), ' ', simdjson::SIMDJSON_PADDING);
    if (attempt(copy_.data(), value.size())) return std::nullopt;
    return std::move(reason_);
  }

 private:
  bool attempt(const char* data, size_t size) {
    reason_.clear();
    if (document(data, size) && required_are_there()) return true;
    for (size_t f = 0; f < fields_.size(); ++f) set_null(static_cast<uint32_t>(f));
    return false;
  }

  void add_path(uint32_t field) {
    uint32_t at = 0;
    std::string_view rest = fields_[field].path;
    while (true) {
      const size_t dot = rest.find('.');
      at = child(at, rest.substr(0, dot));
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    members_[at].fields.push_back(field);
  }
  uint32_t child(uint32_t of, std::string_view name) {
    for (const uint32_t c : members_[of].children)
      if (members_[c].name == name) return c;
    members_.push_back({.name = std::string(name)});
    const auto id = static_cast<uint32_t>(members_.size() - 1);
    members_[of].children.push_back(id);
    return id;
  }

  bool fail(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  bool fail(simdjson::error_code error) {
    switch (error) {
      case simdjson::EMPTY: return fail("json: empty");
      case simdjson::UTF8_ERROR: return fail("json: not UTF-8");
      case simdjson::UNCLOSED_STRING: return fail("json: a string is not closed");
      case simdjson::UNESCAPED_CHARS: return fail("json: a control character inside a string");
      case simdjson::STRING_ERROR: return fail("json: a bad escape in a string");
      case simdjson::INCORRECT_TYPE: return fail("json: not an object");
      default: return fail(fmt::format("json: {}", simdjson::error_message(error)));
    }
  }

  bool document(const char* data, size_t size) {
    if (size == 0) return fail(simdjson::EMPTY);
    od::document document;
    if (const auto e = parser_.iterate(data, size, size + simdjson::SIMDJSON_PADDING).get(document)) return fail(e);
    od::object object;
    if (const auto e = document.get_object().get(object)) return fail(e);
    if (!members(object, 0)) return false;
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return fail("json: more text after the object");
    return true;
  }

  bool members(od::object& object, uint32_t member) {
    size_t position = 0;
    for (auto field : object) {
      if (field.error()) return fail(field.error());
      od::field& f = field.value_unsafe();
      const int32_t child = which(f, member, position++);
      if (child == -2) return false;
      if (child == kNobody) continue;
      od::value value = f.value();
      if (!take(value, static_cast<uint32_t>(child))) return false;
    }
    return true;
  }

  // Which child of `member` the key of `f` means. Records of a stream mostly have their keys in one order: what stood at
  // this place in the record before is tried first, byte for byte with the closing quote.
  int32_t which(od::field& f, uint32_t member, size_t position) {
    const char* raw = f.key().raw();
    Member& m = members_[member];
    if (position < m.seen.size()) {
      const Member::Seen& seen = m.seen[position];
      if (seen.size != 0 && equal_prefix(raw, seen.raw, seen.size)) return seen.child;
    }
    std::string_view key;
    if (const auto e = f.unescaped_key().get(key)) return fail(e), -2;
    int32_t child = kNobody;
    for (const uint32_t c : m.children)
      if (members_[c].name == key) child = static_cast<int32_t>(c);
    remember(m, position, raw, key, child);
    return child;
  }

  static void remember(Member& m, size_t position, const char* raw, std::string_view key, int32_t child) {
    if (position >= kSeenMax || key.size() + 1 > kKeyBytesMax) return;
    if (std::memcmp(raw, key.data(), key.size()) != 0 || raw[key.size()] != '"') return;  // it has escapes
    if (m.seen.size() <= position) m.seen.resize(position + 1);
    Member::Seen& seen = m.seen[position];
    seen.size = static_cast<uint32_t>(key.size() + 1), seen.child = child;
    std::memcpy(seen.raw, raw, seen.size);
  }

  bool take(od::value& value, uint32_t member) {
    const Member& m = members_[member];
    for (const uint32_t f : m.fields)
      if (!scalar(value, f)) return false;
    if (m.children.empty()) return true;
    od::object object;
    const auto e = value.get_object().get(object);
    if (!e) return members(object, member);
    if (e != simdjson::INCORRECT_TYPE) return fail(e);
    if (is_null(value)) {
      forget(member);
      return true;
    }
    return fail(fmt::format("json: field '{}' is {}, not an object", path_through(member), json_type_name(value.type())));
  }

  static bool is_null(od::value& value) {
    const auto result = value.is_null();
    return !result.error() && result.value_unsafe();
  }
  void forget(uint32_t member) {
    for (const uint32_t f : members_[member].fields) set_null(f);
    for (const uint32_t c : members_[member].children) forget(c);
  }
  std::string path_through(uint32_t member) const {
    while (members_[member].fields.empty()) member = members_[member].children[0];
    return fields_[members_[member].fields[0]].path;
  }

  void set_null(uint32_t f) {
    Column& c = batch_->columns[f];
    c.set_null(row_);
    switch (c.type) {
      case TypeKind::kBool: c.bools[row_] = 0; break;
      case TypeKind::kFloat64: c.floats[row_] = 0; break;
      case TypeKind::kString: c.strings[row_] = {}; break;
      default: c.ints[row_] = 0;
    }
  }

  bool scalar(od::value& value, uint32_t f) {
    Column& c = batch_->columns[f];
    simdjson::error_code error = simdjson::SUCCESS;
    switch (c.type) {
      case TypeKind::kInt64: error = value.get_int64().get(c.ints[row_]); break;
      case TypeKind::kFloat64: error = value.get_double().get(c.floats[row_]); break;
      case TypeKind::kBool: {
        bool b = false;
        error = value.get_bool().get(b);
        c.bools[row_] = b ? 1 : 0;
        break;
      }
      case TypeKind::kString: return text(value, f);
      case TypeKind::kTimestamp: return time(value, f);
    }
    if (error != simdjson::SUCCESS) return mismatch(value, f);
    c.set_valid(row_);
    return true;
  }

  bool text(od::value& value, uint32_t f) {
    std::string_view token = value.raw_json_token();
    if (token.empty() || token[0] != '"') return mismatch(value, f);
    token = strip(token);
    token = token.substr(1, token.size() - 2);
    Column& c = batch_->columns[f];
    if (has_escape(token)) {
      std::string_view unescaped;
      if (const auto e = value.get_string().get(unescaped)) return fail(e);
      c.strings[row_] = batch_->arena.add(unescaped);
    } else {
      c.strings[row_] = copied_ ? batch_->arena.add(token) : token;
    }
    c.set_valid(row_);
    return true;
  }

  bool time(od::value& value, uint32_t f) {
    Column& c = batch_->columns[f];
    const std::string_view token = strip(value.raw_json_token());
    const JsonField& field = fields_[f];
    int64_t us = 0;
    if (field.time == JsonTime::kRfc3339) {
      if (token.size() < 2 || token[0] != '"') return mismatch(value, f);
      const auto parsed = parse_time(token.substr(1, token.size() - 2));
      if (!parsed) return fail(fmt::format("event_time: field '{}': {}", field.path, parsed.error().message));
      us = *parsed;
    } else {
      if (token.empty() || !(token[0] == '-' || (token[0] >= '0' && token[0] <= '9'))) return mismatch(value, f);
      int64_t whole = 0;
      const int64_t scale = field.time == JsonTime::kSeconds ? kMicrosPerSecond : field.time == JsonTime::kMillis ? kMicrosPerMilli : 1;
      if (value.get_int64().get(whole) == simdjson::SUCCESS) {
        if (__builtin_mul_overflow(whole, scale, &us)) return out_of_range(f, token);
      } else {
        double checked = 0;  // the number's grammar
        const auto exact = scaled_decimal(token, field.time == JsonTime::kSeconds ? 6 : field.time == JsonTime::kMillis ? 3 : 0);
        if (value.get_double().get(checked) != simdjson::SUCCESS || !exact) return out_of_range(f, token);
        us = *exact;
      }
    }
    c.ints[row_] = us;
    c.set_valid(row_);
    return true;
  }

  bool out_of_range(uint32_t f, std::string_view token) {
    return fail(fmt::format("event_time: field '{}' is {}, which is not a time in its unit within int64 microseconds", fields_[f].path, token.substr(0, 40)));
  }

  // The value is not what the column takes: null, or a reason.
  bool mismatch(od::value& value, uint32_t f) {
    if (is_null(value)) {
      set_null(f);
      return true;
    }
    const JsonField& field = fields_[f];
    const auto type = value.type();
    const std::string_view token = strip(value.raw_json_token()).substr(0, 40);
    const std::string_view prefix = field.required ? "event_time" : "json";
    if (!type.error() && type.value_unsafe() == od::json_type::number && (field.type == TypeKind::kInt64 || field.type == TypeKind::kFloat64)) {
      const bool fraction = field.type == TypeKind::kInt64 && token.find_first_of(".eE") != std::string_view::npos;
      return fail(fmt::format("{}: field '{}' is {}, {}", prefix, field.path, token, fraction ? "which is not a whole number (int64)" : fmt::format("out of range of {} or not a number", to_string(field.type))));
    }
    if (!type.error() && type.value_unsafe() == od::json_type::boolean) return fail(fmt::format("{}: field '{}' is {}, not {}", prefix, field.path, token, to_string(field.type)));
    return fail(fmt::format("{}: field '{}' is {}, not {}", prefix, field.path, json_type_name(type),
                            field.type == TypeKind::kTimestamp && field.time == JsonTime::kRfc3339 ? "a time in RFC 3339" : to_string(field.type)));
  }

  bool required_are_there() {
    for (const uint32_t f : required_)
      if (!batch_->columns[f].valid(row_)) return fail(fmt::format("event_time: field '{}' is missing or null", fields_[f].path));
    return true;
  }

  std::vector<JsonField> fields_;
  std::vector<uint32_t> required_;
  std::vector<Member> members_;  // [0] is the root
  od::parser parser_;
  std::vector<char> copy_;
  std::string reason_;
  ColumnBatch* batch_ = nullptr;
  size_t row_ = 0;
  bool copied_ = false;
};

}  // namespace

std::unique_ptr<JsonDecoder> JsonDecoder::make(std::vector<JsonField> fields) { return std::make_unique<Decoder>(std::move(fields)); }

}  // namespace ms
