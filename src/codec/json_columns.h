// JSON events -> columns: only the fields somebody needs, straight into a ColumnBatch.
//
// A record is one JSON object. A field that is missing or null is null; integers widen to float64; nothing else converts.
// Fields nobody asked for are skipped: their text is not checked beyond UTF-8, strings and brackets. Of a field that comes
// twice the last one counts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/column_batch.h"

namespace ms {

enum class JsonTime : uint8_t { kSeconds, kMillis, kMicros, kRfc3339 };  // seconds and millis may have a fraction

struct JsonField {
  std::string path;  // "a.b.c": member c of member b of member a (a name with a dot in it cannot be reached)
  Type type;
  JsonTime time = JsonTime::kMillis;  // of kTimestamp
  bool required = false;              // missing or null is an error (the event time)
};

// One thread at a time; keeps its buffers between records.
class JsonDecoder {
 public:
  // CHECKs that there are at most 1,000 fields; two fields may have one path.
  static std::unique_ptr<JsonDecoder> make(std::vector<JsonField> fields);
  virtual ~JsonDecoder() = default;

  // Gives `batch` one column per field with room for `rows` rows, all null. Call before the first decode() of a batch.
  virtual void start(ColumnBatch& batch, size_t rows) const = 0;

  // Decodes `value` into row `row`. `readable_after`: how many bytes behind the value may be read (not used), such as the
  // rest of the record batch; with 64 or more nothing is copied. Texts without escapes are views into `value` unless it
  // had to be copied; the caller keeps it alive (ColumnBatch::owners).
  // nullopt: done. Else the reason why the record cannot be decoded, "json: ..." or "event_time: ...", and the row's slots
  // are null.
  virtual std::optional<std::string> decode(std::string_view value, size_t readable_after, ColumnBatch& batch, size_t row) = 0;

  // Of all records so far, those that were taken as one like the record before (json_guess.h).
  virtual uint64_t guessed() const = 0;
};

}  // namespace ms
