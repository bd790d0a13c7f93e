#include "codec/json_guess.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

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

// Whether the first `size` bytes are equal; both may be read to whole blocks.
inline bool same(const char* a, const char* b, uint32_t size) {
  while (size > kBlock) {
    if (mask(_mm256_cmpeq_epi8(load(a), load(b))) != ~0u) return false;
    a += kBlock, b += kBlock, size -= kBlock;
  }
  return _bzhi_u32(~mask(_mm256_cmpeq_epi8(load(a), load(b))), size) == 0;
}

// A value that nobody reads: stage 1 sees one place there.
bool is_word(const char* from, const char* to) {
  return from != to && std::all_of(from, to, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
         });
}

}  // namespace

bool JsonGuess::run(std::string_view record, ColumnBatch& batch, size_t row) {
  if (matches(record, batch, row)) {
    if (trust_ < kTrustMax) ++trust_;
    return true;
  }
  trust_ -= kMissCosts;
  if (trust_ <= 0) rest_ = kRest;
  return false;
}

inline bool JsonGuess::matches(std::string_view record, ColumnBatch& batch, size_t row) {
  if (record.size() > kRecordBytesMax || record.size() < first_.size || !find_quotes(record)) return false;
  const char* const data = record.data();
  const char* const end = data + record.size();
  if (!same(data, first_.bytes.data(), first_.size)) return false;
  const char* from = data + first_.size;
  for (const Value& value : values_) {
    const Text& behind = value.behind;
    const char* const to = behind.quoted ? data + at_[behind.quote] - behind.quote_at : end - behind.size;
    if (to < from || static_cast<size_t>(end - to) < behind.size) return false;
    if (!same(to, behind.bytes.data(), behind.size)) return false;
    if (!take(value, from, to, batch, row)) return false;
    from = to + behind.size;
  }
  return from == end;
}

// Their places; false: there are more or fewer than wanted, or bytes that do not belong here.
inline bool JsonGuess::find_quotes(std::string_view record) {
  const __m256i quote = _mm256_set1_epi8('"');
  __m256i odd = _mm256_setzero_si256(), all = odd;
  uint32_t* out = at_;
  const auto flatten = [&](size_t base, uint64_t bits) {
    const auto count = static_cast<size_t>(std::popcount(bits));
    for (size_t i = 0; i < count; i += 8) {
      for (size_t k = 0; k < 8; ++k) out[i + k] = static_cast<uint32_t>(base + _tzcnt_u64(bits)), bits = _blsr_u64(bits);
    }
    out += count;
  };
  size_t at = 0;
  for (; at + 64 <= record.size(); at += 64) {
    const __m256i low = load(record.data() + at), high = load(record.data() + at + kBlock);
    odd = _mm256_or_si256(odd, _mm256_or_si256(odd_bytes(low), odd_bytes(high)));
    all = _mm256_or_si256(all, _mm256_or_si256(low, high));
    if (out - at_ > static_cast<ptrdiff_t>(quotes_)) return false;
    flatten(at, mask(_mm256_cmpeq_epi8(low, quote)) | static_cast<uint64_t>(mask(_mm256_cmpeq_epi8(high, quote))) << kBlock);
  }
  const __m256i low = load(record.data() + at), high = load(record.data() + at + kBlock);
  if (out - at_ > static_cast<ptrdiff_t>(quotes_)) return false;
  const auto left = static_cast<uint32_t>(record.size() - at);
  const auto inside = [left](uint32_t a, uint32_t b) { return _bzhi_u64(a | static_cast<uint64_t>(b) << kBlock, left); };
  flatten(at, inside(mask(_mm256_cmpeq_epi8(low, quote)), mask(_mm256_cmpeq_epi8(high, quote))));
  if (out - at_ != static_cast<ptrdiff_t>(quotes_)) return false;
  if (mask(odd) != 0 || inside(mask(odd_bytes(low)), mask(odd_bytes(high))) != 0) return false;
  const bool ascii = mask(all) == 0 && inside(mask(low), mask(high)) == 0;
  return ascii || !first_not_utf8(record);
}

inline bool JsonGuess::take(const Value& value, const char* from, const char* to, ColumnBatch& batch, size_t row) const {
  if (!value.is_string && value.fields.empty()) return is_word(from, to);
  for (const uint32_t f : value.fields) {
    Column& c = batch.columns[f];
    if (value.is_string && c.type == TypeKind::kString) {
      c.strings[row] = {from, to};
      c.set_valid(row);
      continue;
    }
    if (from == to && !value.is_string) return false;
    const std::string_view token = value.is_string ? std::string_view(from - 1, to + 1) : std::string_view(from, to);
    if (json_scalar(shape_.fields()[f], token, c, row)) continue;
    if (token != "null") return false;
    set_null_slot(c, row);
  }
  return true;
}

void JsonGuess::learn(std::string_view record, std::span<const uint32_t> places) {
  if (trust_ > 0) return;  // it has not been asked, or was wrong for once
  if (rest_ > 0) {
    --rest_;
    return;
  }
  values_.clear(), quotes_ = 0;
  if (dissect(record, places)) trust_ = kMissCosts;
  else rest_ = kRest;
}

bool JsonGuess::add_text(Text& text, std::string_view bytes) {
  text.bytes = bytes;
  text.bytes.resize((bytes.size() + kBlock - 1) / kBlock * kBlock);
  text.size = static_cast<uint32_t>(bytes.size());
  text.quote = quotes_;
  const size_t quote = bytes.find('"');
  text.quoted = quote != std::string_view::npos;
  text.quote_at = text.quoted ? static_cast<uint32_t>(quote) : 0;
  quotes_ += static_cast<uint32_t>(std::ranges::count(bytes, '"'));
  return quotes_ <= kQuotesMax;
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
    if (values_.size() == kValuesMax || !add_text(*text, record.substr(text_from, from - text_from))) return false;
    if (!values_.empty() && !text->quoted) return false;  // two scalars with no name between them
    Value& value = values_.emplace_back();
    value.is_string = is_string;
    if (member > 0 && !shape_.member(static_cast<uint32_t>(member)).children.empty()) return false;  // null, where an object should be
    if (member > 0 && levels.back().object) value.fields = shape_.member(static_cast<uint32_t>(member)).fields;
    text_from = from + token.size(), text = &value.behind;
  }
  return !values_.empty() && add_text(*text, record.substr(text_from));
}

}  // namespace ms
