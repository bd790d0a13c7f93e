// Answers: one value per feature with its status and event time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "codec/column_batch.h"

namespace ms::feature {

// Functions of (key, t, K) alone. Precedence: ERROR, OVERFLOW, DELETED, EXPIRED, EMPTY_WINDOW, NULL, PRESENT.
enum class Status : uint8_t { kPresent, kNull, kEmptyWindow, kExpired, kDeleted, kOverflow, kError };
std::string_view to_string(Status status);  // "PRESENT", "NULL", "EMPTY_WINDOW", ...

inline constexpr int64_t kNoEventTime = INT64_MIN;

// Answers of this type are bytes in `text` and `texts`: strings, lists, vectors and maps (packed_value.h), and decimals, whose 16 bytes
// are the int128 of their units, little-endian. Others are 64 bits.
constexpr bool answer_is_bytes(TypeKind kind) { return is_bytes(kind) || kind == TypeKind::kDecimal; }
inline int128 answer_decimal(std::string_view bytes) {
  int128 units = 0;
  if (bytes.size() == sizeof units) std::memcpy(&units, bytes.data(), sizeof units);
  return units;
}

// One feature's answer. `is_null` says that there is no value (whatever the status); the slot used follows the
// feature's result type. `text` is a view that lives until the FeatureRow is cleared or the state changes.
struct FeatureValue {
  Status status = Status::kEmptyWindow;
  bool is_null = true;
  union {
    int64_t i = 0;  // kInt64, kTimestamp, kBool (0 or 1)
    double f;       // kFloat64
  };
  std::string_view text;                  // answer_is_bytes()
  int64_t event_time_us = kNoEventTime;   // of the canonically last row in the feature's own window
};

// The answers of one view for one key, in the order of the view's features.
struct FeatureRow {
  bool found = false;  // a row that passed `where` lies in [longest tail, t)
  std::vector<FeatureValue> values;
  StringArena arena;   // owns texts

  void reset(size_t features) {
    found = false;
    values.assign(features, FeatureValue{});
    arena.clear();
  }
};

// Where the answers to many questions go, an array of each kind per feature: what finalize() writes.
struct AnswerColumn {
  static constexpr uint8_t kNull = 0x80;   // in the flags, beside the status: there is no value
  static constexpr uint8_t kStatus = 0x0F;

  uint64_t* bits = nullptr;  // the value's 64 bits, 0 when null or bytes; no array: nobody wants the feature
  uint8_t* flags = nullptr;
  int64_t* event_times = nullptr;     // no array: not wanted
  std::string_view* texts = nullptr;  // of features that answer_is_bytes(); they lie in the arena

  AnswerColumn from(size_t at) const {
    return {bits + at, flags + at, event_times == nullptr ? nullptr : event_times + at, texts == nullptr ? nullptr : texts + at};
  }
};
struct AnswerColumns {
  std::vector<AnswerColumn> features;  // in the order of the view's features
  uint8_t* found = nullptr;
  StringArena* arena = nullptr;
};
// Puts a row into the places number `at`.
void put(const FeatureRow& row, const AnswerColumns& out, size_t at);

}  // namespace ms::feature
