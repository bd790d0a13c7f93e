// A pull reader of one JSON text (RFC 8259, UTF-8 not validated beyond what JSON itself says), for requests whose shape
// is known. No heap but for strings with escapes. After an error every call says so; look at failed() at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/column_batch.h"

namespace ms {

enum class JsonKind : uint8_t { kObject, kArray, kString, kNumber, kTrue, kFalse, kNull, kEnd, kError };

class JsonReader {
 public:
  // `text` must outlive the views handed out; strings with escapes live in `arena`.
  JsonReader(std::string_view text, StringArena& arena) : begin_(text.data()), at_(begin_), end_(begin_ + text.size()), arena_(arena) {}

  JsonKind peek();  // what comes next; does not consume. kEnd: the text is over (but for white space)

  // Walks `{...}`: begin_object(), then next_key() until false; each key is followed by exactly one value.
  bool begin_object();
  bool next_key(std::string_view& key);
  // Walks `[...]`: begin_array(), then next_element() until false; each element is consumed by one value.
  bool begin_array();
  bool next_element();

  bool string(std::string_view& out);
  bool number(std::string_view& out);  // its text, checked against JSON's grammar
  bool boolean(bool& out);
  bool null();
  bool skip();      // one value of any kind
  bool raw(std::string_view& out);  // the same, and its text as it stands there
  bool at_end();    // nothing but white space is left; false otherwise, with an error

  bool failed() const { return error_ != nullptr; }
  // "expected ',' or '}' at line 1, column 17"
  std::string error() const;
  void fail(const char* message);  // keeps the first; for callers that refuse a value here

 private:
  static constexpr int kDepthMax = 64;
  void space();
  bool literal(std::string_view word);
  bool escaped_string(const char* start, std::string_view& out);
  bool hex4(uint32_t& out);

  const char* begin_;
  const char* at_;
  const char* end_;
  StringArena& arena_;
  const char* error_ = nullptr;
  const char* error_at_ = nullptr;
  int depth_ = 0;
  bool first_ = false;  // right after '{' or '['
};

}  // namespace ms
