// The quickest way through a record: it has the text of the one before but for the values. What stands between the values then says
// by itself where they are: nothing is looked for but quotes, and nothing is parsed but what somebody wants.
//
// A record is taken only when all that is not a value is byte for byte what a record had that the walk took, the values hold no quotes,
// escapes or control characters, and the others are single words: the walk would find the same places in it. What is not taken goes the
// walk's way; json_columns_fuzz holds all ways against each other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/column_batch.h"
#include "codec/json_shape.h"

namespace ms {

// One thread at a time.
class JsonGuess {
 public:
  static constexpr size_t kReadable = 64;  // bytes behind a record that must be readable

  explicit JsonGuess(const JsonShape& shape) : shape_(shape) {}

  // True: the row's slots of `batch` are set (those of absent fields are as they were). False: they may hold anything.
  bool run(std::string_view record, ColumnBatch& batch, size_t row);
  // Whether run() is worth a try: it was right often enough.
  bool ready() const { return trust_ > 0; }
  // A record that the walk took, with the places that stage 1 found in it.
  void learn(std::string_view record, std::span<const uint32_t> places);

 private:
  // What stands before, between and behind the values. All but the last have a quote.
  struct Text {
    uint32_t at = 0;        // in texts_, filled up to whole blocks
    uint32_t size = 0;
    uint32_t quote_at = 0;  // its first quote
  };
  enum class Take : uint8_t { kAnyString, kAnyWord, kString, kInt64, kMicros, kMillis, kOther };
  struct Value {
    Text behind;
    Take take = Take::kAnyWord;
    bool is_string = false;
    uint32_t field = 0;                 // of the quick kinds
    std::vector<uint32_t> fields;       // of kOther
  };
  static constexpr size_t kRecordBytesMax = 2048, kQuotesMax = 512, kValuesMax = 128;
  static constexpr int kTrustMax = 64, kMissCosts = 8;
  static constexpr uint32_t kRest = 64;  // records that go by before the next try

  bool matches(std::string_view record, ColumnBatch& batch, size_t row);
  bool find_texts(std::string_view record);
  bool take(const Value& value, const char* from, const char* to, Column* columns, size_t row) const;
  bool take_other(const Value& value, const char* from, const char* to, Column* columns, size_t row) const;
  bool dissect(std::string_view record, std::span<const uint32_t> places);
  bool add_text(Text& text, std::string_view bytes);
  void add_value(bool is_string, std::span<const uint32_t> fields);

  const JsonShape& shape_;
  std::string texts_;
  Text first_;
  std::vector<Value> values_;
  bool ends_quoted_ = false;                  // the last text has a quote too
  uint32_t quotes_ = 0;                       // of a record
  uint8_t begins_[kQuotesMax / 8 + 8] = {};   // bit i: quote i is the first of a text
  int trust_ = 0;
  uint32_t rest_ = 0;
  uint32_t at_[kValuesMax + 80];              // where these quotes stand in the record at hand
};

}  // namespace ms
