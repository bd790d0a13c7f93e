#include "codec/json_columns.h"

// simdjson checks its own use at run time unless NDEBUG is set; input is checked always. Only this file includes it.
#ifndef NDEBUG
#define NDEBUG
#endif
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/check.h"
#include "codec/decimal_text.h"
#include "codec/json_guess.h"
#include "codec/json_nested.h"
#include "codec/json_walk.h"

namespace ms {
namespace {

namespace od = simdjson::ondemand;
static_assert(SIMDJSON_CAN_ALWAYS_RUN_HASWELL, "else the slow portable code would be compiled in");

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

class Decoder final : public JsonDecoder {
 public:
  explicit Decoder(std::vector<JsonField> fields) : shape_(std::move(fields)), walk_(shape_), guess_(shape_) {
    CHECK(fields_.size() <= 1'000);
    for (uint32_t f = 0; f < fields_.size(); ++f)
      if (fields_[f].required) required_.push_back(f);
  }

  void start(ColumnBatch& batch, size_t rows) const override {
    batch.columns.resize(fields_.size());
    for (size_t f = 0; f < fields_.size(); ++f) batch.columns[f].reset(fields_[f].type, rows);
  }

  std::optional<std::string> decode(std::string_view value, size_t readable_after, ColumnBatch& batch, size_t row) override {
    batch_ = &batch, row_ = row;
    if (readable_after >= simdjson::SIMDJSON_PADDING && (guess(value) || quick(value))) return std::nullopt;
    // From a copy: too little behind the value, or it is malformed, where simdjson's verdict can depend on the bytes behind
    // it. A verdict must be a function of the record alone.
    if (copy_.size() < value.size() + simdjson::SIMDJSON_PADDING) copy_.resize(value.size() * 2 + simdjson::SIMDJSON_PADDING);
    if (!value.empty()) std::memcpy(copy_.data(), value.data(), value.size());
    std::memset(copy_.data() + value.size(), ' ', simdjson::SIMDJSON_PADDING);
    clear_row();
    if (careful(copy_.data(), value.size())) return std::nullopt;
    clear_row();
    return std::move(reason_);
  }

  uint64_t guessed() const override { return guessed_; }

 private:
  bool guess(std::string_view value) {
    static_assert(JsonGuess::kReadable <= simdjson::SIMDJSON_PADDING);
    if (!guess_.ready()) return false;
    if (guess_.run(value, *batch_, row_) && required_are_there()) {
      ++guessed_;
      return true;
    }
    clear_row();
    return false;
  }

  // Places that stage 1 finds, and the walk over them. False: careful() decides.
  bool quick(std::string_view value) {
    if (value.empty() || !stage1_.allocated(value.size())) return false;
    const auto& stage1 = stage1_.parser;
    if (stage1->stage1(reinterpret_cast<const uint8_t*>(value.data()), value.size(), simdjson::stage1_mode::regular)) return false;
    const std::span<const uint32_t> places(stage1->structural_indexes.get(), stage1->n_structural_indexes);
    if (!walk_.run(value.data(), places, *batch_, row_) || !required_are_there()) return false;
    guess_.learn(value, places);
    return true;
  }

  bool careful(const char* data, size_t size) {
    reason_.clear();
    return document(data, size) && required_are_there();
  }

  void clear_row() {
    for (Column& c : batch_->columns) set_null_slot(c, row_);
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
      if (child == JsonShape::kNobody) continue;
      od::value value = f.value();
      if (!take(value, static_cast<uint32_t>(child))) return false;
    }
    return true;
  }

  // Which child of `member` the key of `f` means, or -2.
  int32_t which(od::field& f, uint32_t member, size_t position) {
    const char* raw = f.key().raw();
    if (const int32_t* child = shape_.seen(member, position, raw)) return *child;
    std::string_view key;
    if (const auto e = f.unescaped_key().get(key)) return fail(e), -2;
    return shape_.find(member, position, raw, key);
  }

  bool take(od::value& value, uint32_t member) {
    const JsonShape::Member& m = shape_.member(member);
    std::string_view nested;
    std::optional<od::object> seen;  // an object is entered once
    if (!bracketed(value, m, nested, seen)) return false;
    for (const uint32_t f : m.fields)
      if (!(nested.empty() || is_scalar(fields_[f].type) ? scalar(value, f) : packed(nested, f))) return false;
    if (m.children.empty()) return true;
    if (seen) return members(*seen, member);
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

  // The text of an array or object that some field of `m` takes whole; empty when there is none. An object of which others take members
  // comes too, at its beginning.
  bool bracketed(od::value& value, const JsonShape::Member& m, std::string_view& out, std::optional<od::object>& seen) {
    if (std::ranges::all_of(m.fields, [&](uint32_t f) { return is_scalar(fields_[f].type); })) return true;
    const auto type = value.type();
    if (type.error()) return true;  // mismatch() says so
    od::array array;
    od::object object;
    simdjson::error_code error = simdjson::SUCCESS;
    if (type.value_unsafe() == od::json_type::array) {
      error = value.get_array().get(array);
      if (!error) error = array.raw_json().get(out);
    } else if (type.value_unsafe() == od::json_type::object) {
      error = value.get_object().get(object);
      if (!error) error = object.raw_json().get(out);
      if (!error && !m.children.empty()) error = object.reset().error(), seen = object;
    }
    return error == simdjson::SUCCESS || fail(error);
  }

  bool packed(std::string_view text, uint32_t f) {
    const auto bytes = nested_.decode(fields_[f], text);
    if (!bytes) return fail(nested_.reason());
    Column& c = batch_->columns[f];
    c.strings[row_] = batch_->arena.add(*bytes);
    c.set_valid(row_);
    return true;
  }

  static bool is_null(od::value& value) {
    const auto result = value.is_null();
    return !result.error() && result.value_unsafe();
  }
  void forget(uint32_t member) {
    for (const uint32_t f : shape_.member(member).fields) set_null(f);
    for (const uint32_t c : shape_.member(member).children) forget(c);
  }
  std::string path_through(uint32_t member) const {
    while (shape_.member(member).fields.empty()) member = shape_.member(member).children[0];
    return fields_[shape_.member(member).fields[0]].path;
  }

  void set_null(uint32_t f) { set_null_slot(batch_->columns[f], row_); }

  // What stands there, to the next place that stage 1 found; never empty.
  static std::string_view token_of(od::value& value) { return strip_json_space(value.raw_json_token()); }

  bool scalar(od::value& value, uint32_t f) {
    Column& c = batch_->columns[f];
    simdjson::error_code error = simdjson::SUCCESS;
    switch (c.type) {
      case TypeKind::kInt64: error = value.get_int64().get(c.ints[row_]); break;
      case TypeKind::kFloat64: {
        const auto real = json_real(token_of(value));
        if (real) c.floats[row_] = *real;
        else error = simdjson::NUMBER_ERROR;
        break;
      }
      case TypeKind::kBool: {
        bool b = false;
        error = value.get_bool().get(b);
        c.bools[row_] = b ? 1 : 0;
        break;
      }
      case TypeKind::kString: return text(value, f);
      case TypeKind::kTimestamp: return time(value, f);
      case TypeKind::kDecimal:
        return decimal(value, f);
      case TypeKind::kList:
      case TypeKind::kVector:
      case TypeKind::kMap:
        return mismatch(value, f);
    }
    if (error != simdjson::SUCCESS) return mismatch(value, f);
    c.set_valid(row_);
    return true;
  }

  bool text(od::value& value, uint32_t f) {
    std::string_view token = value.raw_json_token();
    if (token.empty() || token[0] != '"') return mismatch(value, f);
    token = strip_json_space(token);
    token = token.substr(1, token.size() - 2);
    Column& c = batch_->columns[f];
    if (has_json_escape(token)) {
      std::string_view unescaped;
      if (const auto e = value.get_string().get(unescaped)) return fail(e);
      token = unescaped;
    }
    c.strings[row_] = batch_->arena.add(token);
    c.set_valid(row_);
    return true;
  }

  bool decimal(od::value& value, uint32_t f) {
    Column& c = batch_->columns[f];
    std::string_view token = token_of(value);
    const bool quoted = token[0] == '"';
    if (quoted) {
      token = token.substr(1, token.size() - 2);
      if (has_json_escape(token))
        if (const auto e = value.get_string().get(token)) return fail(e);
    }
    const DecimalFault fault = parse_decimal(token, c.type, c.decimals[row_]);
    if (fault == DecimalFault::kNotANumber && quoted)
      return fail(fmt::format("json: field '{}' is a string that is no number, not {}", fields_[f].path, type_text(c.type)));
    if (fault == DecimalFault::kNotANumber) return mismatch(value, f);
    if (fault != DecimalFault::kNone)
      return fail(fmt::format("json: field '{}' is {}, {}", fields_[f].path, token.substr(0, 40), fault_text(fault, c.type)));
    c.set_valid(row_);
    return true;
  }

  bool time(od::value& value, uint32_t f) {
    Column& c = batch_->columns[f];
    const std::string_view token = strip_json_space(value.raw_json_token());
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
        const auto exact = scaled_decimal(token, time_digits(field.time));
        if (!is_json_number(token) || !exact) return out_of_range(f, token);
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
    const std::string_view token = strip_json_space(value.raw_json_token()).substr(0, 40);
    const std::string_view prefix = field.required ? "event_time" : "json";
    if (!type.error() && type.value_unsafe() == od::json_type::number &&
        (field.type == TypeKind::kInt64 || field.type == TypeKind::kFloat64 || field.type == TypeKind::kDecimal)) {
      const bool fraction = field.type == TypeKind::kInt64 && token.find_first_of(".eE") != std::string_view::npos;
      return fail(fmt::format(
          "{}: field '{}' is {}, {}", prefix, field.path, token,
          fraction ? "which is not a whole number (int64)" : fmt::format("out of range of {} or not a number", type_text(field.type))));
    }
    if (!type.error() && type.value_unsafe() == od::json_type::boolean)
      return fail(fmt::format("{}: field '{}' is {}, not {}", prefix, field.path, token, type_text(field.type)));
    return fail(
        fmt::format("{}: field '{}' is {}, not {}", prefix, field.path, json_type_name(type),
                    field.type == TypeKind::kTimestamp && field.time == JsonTime::kRfc3339 ? "a time in RFC 3339" : type_text(field.type)));
  }

  bool required_are_there() {
    for (const uint32_t f : required_)
      if (!batch_->columns[f].valid(row_)) return fail(fmt::format("event_time: field '{}' is missing or null", fields_[f].path));
    return true;
  }

  // simdjson's first stage by itself; its parser grows with the records.
  struct Stage1 {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
    bool allocated(size_t bytes) {
      constexpr size_t kDepth = 1;  // of the second stage, which is not used
      if (parser && bytes <= parser->capacity()) return true;
      const size_t room = std::max<size_t>(bytes * 2, 4096);
      if (!parser) return !simdjson::get_active_implementation()->create_dom_parser_implementation(room, kDepth, parser);
      return !parser->allocate(room, kDepth);
    }
  };

  JsonShape shape_;
  JsonWalk walk_;
  JsonGuess guess_;
  uint64_t guessed_ = 0;
  JsonNested nested_;
  const std::vector<JsonField>& fields_ = shape_.fields();
  std::vector<uint32_t> required_;
  Stage1 stage1_;
  od::parser parser_;
  std::vector<char> copy_;
  std::string reason_;
  ColumnBatch* batch_ = nullptr;
  size_t row_ = 0;
};

}  // namespace

std::unique_ptr<JsonDecoder> JsonDecoder::make(std::vector<JsonField> fields) { return std::make_unique<Decoder>(std::move(fields)); }

}  // namespace ms
