// The quick way through a record: over the places that simdjson's first stage found (brackets, colons, commas, the first byte
// of every string and scalar), straight into the columns. It knows what common records look like and nothing about why a
// record is refused: whatever it does not take is decoded by simdjson's second stage, which decides.
//
// Every record that it takes, that one takes too, with the same values (json_columns_fuzz holds both against each other).
#pragma once

#include <cstdint>
#include <span>

#include "codec/column_batch.h"
#include "codec/json_nested.h"
#include "codec/json_shape.h"

namespace ms {

std::string_view strip_json_space(std::string_view token);  // at the end
// "-12.345" in units of 10^-digits, exactly; further digits are cut. nullopt: not such a text or out of range.
std::optional<int64_t> scaled_decimal(std::string_view text, int digits);
// Digits behind the point that a time of this unit keeps.
constexpr int time_digits(JsonTime unit) { return unit == JsonTime::kSeconds ? 6 : unit == JsonTime::kMillis ? 3 : 0; }
bool is_json_number(std::string_view token);
// The float64 nearest to a JSON number, of any length; nullopt: no number, or beyond float64. simdjson 3.0.1 is wrong on some of
// more than 19 digits (0.5000000000000000000000 becomes 0.00009).
std::optional<double> json_real(std::string_view token);
void set_null_slot(Column& column, size_t row);
// Whether `text` holds a backslash. Reads JsonShape::kReadable bytes.
bool has_json_escape(std::string_view text);

// Puts a value that is neither an array nor an object into its column; strings with their quotes, and what has escapes is not taken.
// False: it is none of the field's type (null too), or only the careful way knows. Eight bytes behind the token must be readable.
bool json_scalar(const JsonField& field, std::string_view token, Column& column, size_t row);

class JsonWalk {
 public:
  explicit JsonWalk(JsonShape& shape) : shape_(shape) {}

  // `places`: what stage 1 found in `data`, behind which kReadable bytes may be read. True: the row's slots of `batch` are set
  // (those of absent fields are as they were). False: it does not know; the slots hold anything.
  bool run(const char* data, std::span<const uint32_t> places, ColumnBatch& batch, size_t row);

 private:
  static constexpr int32_t kUnclear = -2;

  const char* place(size_t i) const { return data_ + places_[i]; }
  bool object(uint32_t member);
  int32_t which(uint32_t member, size_t position);
  bool skip();
  bool take(uint32_t member);
  bool nested(uint32_t member);
  void forget(uint32_t member);

  JsonShape& shape_;
  JsonNested nested_;
  const char* data_ = nullptr;
  std::span<const uint32_t> places_;
  size_t at_ = 0;  // next place
  ColumnBatch* batch_ = nullptr;
  size_t row_ = 0;
};

}  // namespace ms
