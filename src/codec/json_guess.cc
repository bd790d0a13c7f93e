#include "codec/json_guess.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/types.h"
#include "codec/json_digits.h"
#include "codec/json_walk.h"
#include "codec/utf8.h"

namespace ms {
namespace {

constexpr size_t kBlock = 32;

__m256i load(const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
uint32_t mask(__m256i bytes) { return static_cast<uint32_t>(_mm256_movemask_epi8(bytes)); }

// Bytes that no record of this kind may have anywhere: backslashes and control characters.
__m256i odd_bytes(__m256i bytes) {
  const __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
  return _mm256_or_si256(control, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
}

// Whether the first `size` bytes are equal; both may be read to whole blocks, but `a` not beyond the block at `end`.
bool same_long(const char* a, const char* b, uint32_t size, const char* end) {
  if (static_cast<size_t>(end - a) < size) return false;
  for (; size > kBlock; a += kBlock, b += kBlock, size -= kBlock)
    if (mask(_mm256_cmpeq_epi8(load(a), load(b))) != ~0u) return false;
  return _bzhi_u32(~mask(_mm256_cmpeq_epi8(load(a), load(b))), size) == 0;
}
[[gnu::always_inline]] inline bool same(const char* a, const char* b, uint32_t size, const char* end) {
  if (size > kBlock) [[unlikely]]
    return same_long(a, b, size, end);
  return _bzhi_u32(~mask(_mm256_cmpeq_epi8(load(a), load(b))), size) == 0;
}

// A value that nobody reads: stage 1 sees one place there.
bool is_word(const char* from, const char* to) {
  return from != to && std::all_of(from, to, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
         });
}

}  // namespace

// The first quote of every text; false: there are more or fewer quotes than wanted, or bytes that do not belong here.
inline bool JsonGuess::find_texts(std::string_view record) {
  const __m256i quote = _mm256_set1_epi8('"');
  __m256i odd = _mm256_setzero_si256(), all = odd;
  uint32_t* out = at_;
  uint32_t seen = 0;
  const auto take_quotes = [&](size_t base, uint64_t bits) {
    uint64_t begins;
    std::memcpy(&begins, begins_ + seen / 8, 8);
    seen += static_cast<uint32_t>(std::popcount(bits));
    const uint32_t before = seen - static_cast<uint32_t>(std::popcount(bits));
    uint64_t first = _pdep_u64(begins >> before % 8, bits);
    const auto count = static_cast<size_t>(std::popcount(first));
    for (size_t i = 0; i < count; i += 6) {
      for (size_t k = 0; k < 6; ++k) out[i + k] = static_cast<uint32_t>(base + _tzcnt_u64(first)), first = _blsr_u64(first);
    }
    out += count;
  };
  const auto look = [&](const char* from) {
    const __m256i low = load(from), high = load(from + kBlock);
    odd = _mm256_or_si256(odd, _mm256_or_si256(odd_bytes(low), odd_bytes(high)));
    all = _mm256_or_si256(all, _mm256_or_si256(low, high));
    return mask(_mm256_cmpeq_epi8(low, quote)) | static_cast<uint64_t>(mask(_mm256_cmpeq_epi8(high, quote))) << kBlock;
  };
  // Of 64 bytes 57 may be quotes: so many bits of begins_ come with one load.
  const auto may_go_on = [&](uint64_t bits) { return seen <= quotes_ && std::popcount(bits) <= 57; };
  size_t at = 0;
  for (; at + 64 <= record.size(); at += 64) {
    const uint64_t bits = look(record.data() + at);
    if (!may_go_on(bits)) return false;
    take_quotes(at, bits);
  }
  if (record.size() < 64) {
    char copy[64];
    std::memset(copy, ' ', sizeof copy);
    std::memcpy(copy, record.data(), record.size());
    const uint64_t bits = look(copy);
    if (!may_go_on(bits)) return false;
    take_quotes(0, bits);
  } else if (const size_t left = record.size() - at; left != 0) {  // the last 64 bytes, those before known already
    const uint64_t bits = look(record.data() + record.size() - 64) >> (64 - left);
    if (!may_go_on(bits)) return false;
    take_quotes(at, bits);
  }
  if (seen != quotes_ || mask(odd) != 0) return false;
  if (!ends_quoted_ && record.size() < values_.back().behind.size) return false;
  if (!ends_quoted_) *out = static_cast<uint32_t>(record.size() - values_.back().behind.size);
  return mask(all) == 0 || !first_not_utf8(record);
}

[[gnu::always_inline]] inline bool JsonGuess::take(const Value& value, const char* from, const char* to, Column* columns,
                                                   size_t row) const {
  int64_t whole = 0;
  switch (value.take) {
    case Take::kAnyString: return true;
    case Take::kAnyWord: return is_word(from, to);
    case Take::kString:
      columns[value.field].strings[row] = {from, to};
      break;
    case Take::kInt64:
    case Take::kMicros:
    case Take::kMillis: {
      if (from == to || !json_integer({from, to}, whole)) return take_other(value, from, to, columns, row);
      if (value.take == Take::kMillis && __builtin_mul_overflow(whole, kMicrosPerMilli, &whole)) return false;
      columns[value.field].ints[row] = whole;
      break;
    }
    case Take::kOther:
      return take_other(value, from, to, columns, row);
  }
  columns[value.field].set_valid(row);
  return true;
}

inline bool JsonGuess::matches(std::string_view record, ColumnBatch& batch, size_t row) {
  if (record.size() > kRecordBytesMax || record.size() < first_.size || !find_texts(record)) return false;
  const char* const data = record.data();
  const char* const end = data + record.size();
  const char* const texts = texts_.data();
  if (!same(data, texts + first_.at, first_.size, end)) return false;
  const char* from = data + first_.size;
  const uint32_t* quote = at_ + 1;  // the first is that of first_
  for (const Value& value : values_) {
    const Text& behind = value.behind;
    const char* const to = data + *quote++ - behind.quote_at;
    if (to < from || to > end || !same(to, texts + behind.at, behind.size, end)) return false;
    if (!take(value, from, to, batch.columns.data(), row)) return false;
    from = to + behind.size;
  }
  return from == end;
}

bool JsonGuess::run(std::string_view record, ColumnBatch& batch, size_t row) {
  if (matches(record, batch, row)) {
    if (trust_ < kTrustMax) ++trust_;
    return true;
  }
  trust_ -= kMissCosts;
  if (trust_ <= 0) rest_ = kRest;
  return false;
}

[[gnu::noinline]] bool JsonGuess::take_other(const Value& value, const char* from, const char* to, Column* columns, size_t row) const {
  if (from == to && !value.is_string) return false;
  const std::string_view token = value.is_string ? std::string_view(from - 1, to + 1) : std::string_view(from, to);
  for (const uint32_t f : value.fields) {
    if (json_scalar(shape_.fields()[f], token, columns[f], row)) continue;
    if (token != "null") return false;
    set_null_slot(columns[f], row);
  }
  return true;
}

void JsonGuess::learn(std::string_view record, std::span<const uint32_t> places) {
  if (trust_ > 0) return;  // it has not been asked, or was wrong for once
  if (rest_ > 0) {
    --rest_;
    return;
  }
  values_.clear(), texts_.clear(), quotes_ = 0;
  std::ranges::fill(begins_, uint8_t{0});
  if (dissect(record, places)) trust_ = kMissCosts;
  else rest_ = kRest;
}

bool JsonGuess::add_text(Text& text, std::string_view bytes) {
  const size_t quote = bytes.find('"');
  ends_quoted_ = quote != std::string_view::npos;
  text = {static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(bytes.size()), ends_quoted_ ? static_cast<uint32_t>(quote) : 0};
  texts_ += bytes;
  texts_.resize((texts_.size() + kBlock - 1) / kBlock * kBlock);
  if (ends_quoted_) begins_[quotes_ / 8] = static_cast<uint8_t>(begins_[quotes_ / 8] | 1 << quotes_ % 8);
  quotes_ += static_cast<uint32_t>(std::ranges::count(bytes, '"'));
  return quotes_ < kQuotesMax;
}

void JsonGuess::add_value(bool is_string, std::span<const uint32_t> fields) {
  Value& value = values_.emplace_back();
  value.is_string = is_string;
  value.fields.assign(fields.begin(), fields.end());
  value.take = !fields.empty() ? Take::kOther : is_string ? Take::kAnyString : Take::kAnyWord;
  if (fields.size() != 1) return;
  value.field = fields[0];
  const JsonField& field = shape_.fields()[value.field];
  if (is_string && field.type == TypeKind::kString) value.take = Take::kString;
  if (is_string) return;
  if (field.type == TypeKind::kInt64) value.take = Take::kInt64;
  if (field.type == TypeKind::kTimestamp && field.time == JsonTime::kMillis) value.take = Take::kMillis;
  if (field.type == TypeKind::kTimestamp && field.time == JsonTime::kMicros) value.take = Take::kMicros;
}

// Values are the strings and scalars that are no names; all else is text between them.
bool JsonGuess::dissect(std::string_view record, std::span<const uint32_t> places) {
  if (record.size() > kRecordBytesMax || record.find('\\') != std::string_view::npos) return false;
  struct Level {
    int32_t member;  // whose object or array it is
    bool object;
  };
  std::vector<Level> levels;
  int32_t member = 0;  // of the next value
  size_t text_from = 0;
  Text* text = &first_;
  for (size_t i = 0; i < places.size(); ++i) {
    const char c = record[places[i]];
    if (c == ':' || c == ',') continue;
    if (c == '{' || c == '[') {
      if (member > 0 && !shape_.member(static_cast<uint32_t>(member)).fields.empty()) return false;  // a list, vector or map
      levels.push_back({c == '{' ? member : JsonShape::kNobody, c == '{'});
      member = JsonShape::kNobody;
      continue;
    }
    if (c == '}' || c == ']') {
      if (levels.empty()) return false;
      levels.pop_back();
      continue;
    }
    const size_t next = i + 1 < places.size() ? places[i + 1] : record.size();
    std::string_view token = strip_json_space(record.substr(places[i], next - places[i]));
    if (c == '"' && (token.size() < 2 || token.back() != '"')) return false;
    if (levels.empty()) return false;
    if (c == '"' && next < record.size() && record[next] == ':') {
      if (!levels.back().object) return false;
      member = levels.back().member < 0
                   ? JsonShape::kNobody
                   : shape_.child_named(static_cast<uint32_t>(levels.back().member), token.substr(1, token.size() - 2));
      continue;
    }
    const bool is_string = c == '"';
    if (is_string) token = token.substr(1, token.size() - 2);
    const auto from = static_cast<size_t>(token.data() - record.data());
    if (values_.size() == kValuesMax || !add_text(*text, record.substr(text_from, from - text_from)) || !ends_quoted_) return false;
    const bool in_object = member > 0 && levels.back().object;
    if (in_object && !shape_.member(static_cast<uint32_t>(member)).children.empty()) return false;  // null, where an object should be
    add_value(is_string, in_object ? std::span<const uint32_t>(shape_.member(static_cast<uint32_t>(member)).fields) : std::span<const uint32_t>());
    text_from = from + token.size(), text = &values_.back().behind;
  }
  return !values_.empty() && add_text(*text, record.substr(text_from));
}

}  // namespace ms
