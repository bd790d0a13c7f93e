#include "history/wanted.h"

#include <algorithm>
#include <bit>

#include "feature/state_layout.h"
#include "feature/view_program.h"
#include "history/derive.h"

namespace ms::history {
namespace {

constexpr size_t kKeysPerWord = 4;  // of the filter: it then lets one unwanted key in sixty pass

uint64_t mix(uint64_t v) {
  v *= 0x9E3779B97F4A7C15ull;
  return (v ^ v >> 32) * 0xD6E8FEB86659FD93ull;
}

// One hash per row over all parts of the key; equal keys hash equally whatever file they come from.
void hash_parts(std::span<const Column* const> parts, size_t rows, std::vector<uint64_t>& out) {
  out.assign(rows, 0);
  for (const Column* part : parts) {
    const auto each = [&](const auto& values, auto bits_of) {
      for (size_t i = 0; i < rows; ++i) out[i] = mix(std::rotl(out[i], 25) ^ bits_of(values[i]));
    };
    switch (part->type.kind) {
      case TypeKind::kBool:
        each(part->bools, [](uint8_t b) { return uint64_t{b}; });
        break;
      case TypeKind::kDecimal:
        each(part->decimals, [](int128 v) { return mix(static_cast<uint64_t>(v)) ^ static_cast<uint64_t>(static_cast<uint128>(v) >> 64); });
        break;
      case TypeKind::kString:
      case TypeKind::kList:
      case TypeKind::kVector:
      case TypeKind::kMap:
        each(part->strings, [](std::string_view s) { return feature::table_hash(s); });
        break;
      case TypeKind::kFloat64:
        break;  // never a key
      default:
        each(part->ints, [](int64_t v) { return static_cast<uint64_t>(v); });
    }
  }
}

uint64_t number_hash(int64_t value) { return mix(static_cast<uint64_t>(value)) >> 16; }

uint64_t filter_bits(uint64_t hash) { return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63); }

// Where rows begin and end to count for questions between two instants.
TimeRange seen_between(const std::vector<feature::WindowPlan>& windows, int64_t first, int64_t last, bool after_event) {
  TimeRange out{.from_us = INT64_MAX, .until_us = after_event && last < INT64_MAX ? last + 1 : last};
  for (const feature::WindowPlan& window : windows) out.from_us = std::min(out.from_us, window.tail(first));
  return out;
}

}  // namespace

Wanted::Wanted(const std::vector<feature::FeatureSpec>& specs, const Questions& questions, bool after_event) {
  std::vector<feature::WindowPlan> windows;
  for (const feature::FeatureSpec& spec : specs)
    if (std::ranges::find(windows, feature::WindowPlan{spec.window}) == windows.end()) windows.push_back({spec.window});
  struct Asked {
    int64_t first = INT64_MAX, last = INT64_MIN;
  };
  std::vector<Asked> asked(questions.keys.size());
  for (size_t i = 0; i < questions.rows; ++i) {
    Asked& a = asked[questions.key_of[i]];
    a.first = std::min(a.first, questions.times_us[i]), a.last = std::max(a.last, questions.times_us[i]);
  }
  slots_.resize(std::bit_ceil(std::max<size_t>(questions.keys.size(), 8) * 2));
  for (size_t k = 0; k < asked.size(); ++k)
    if (asked[k].first <= asked[k].last)
      add(questions.keys[k].table_hash, seen_between(windows, asked[k].first, asked[k].last, after_event));
}

void Wanted::add(uint64_t hash, const TimeRange& times) {
  if (times.from_us >= times.until_us) return;  // no event at all can count
  all_.add(times);
  size_t i = hash & (slots_.size() - 1);
  while (!slots_[i].free() && slots_[i].hash != hash) i = (i + 1) & (slots_.size() - 1);
  if (slots_[i].free()) ++count_;
  slots_[i].hash = hash;
  slots_[i].times.add(times);
}

const TimeRange* Wanted::times_of(uint64_t table_hash) const {
  for (size_t i = table_hash & (slots_.size() - 1); !slots_[i].free(); i = (i + 1) & (slots_.size() - 1))
    if (slots_[i].hash == table_hash) return &slots_[i].times;
  return nullptr;
}

bool Wanted::row(uint64_t table_hash, int64_t event_time_us) const {
  const TimeRange* times = times_of(table_hash);
  return times != nullptr && times->has(event_time_us);
}

void Wanted::learn_columns(const Table& spine, const std::vector<feature::Field>& key_fields, const std::vector<size_t>& columns,
                           const Questions& questions) {
  const bool number = key_fields.size() == 1 && (key_fields.front().type == TypeKind::kInt64 || key_fields.front().type == TypeKind::kTimestamp);
  if (number) numbers_.resize(slots_.size());
  filter_.assign(std::bit_ceil(std::max<size_t>(count_ / kKeysPerWord, 1)), 0);
  std::vector<Column> parts(columns.size());
  std::vector<const Column*> pointers;
  for (const Column& part : parts) pointers.push_back(&part);
  std::vector<uint64_t> hashes;
  for (uint64_t from = 0; from < spine.rows(); from += kBatchRowsMax) {
    const size_t rows = std::min<uint64_t>(kBatchRowsMax, spine.rows() - from);
    for (size_t p = 0; p < columns.size(); ++p) spine.fill(columns[p], key_fields[p].type, from, rows, parts[p]);
    if (number) learn_numbers(parts.front(), rows, from, questions);
    hash_parts(pointers, rows, hashes);
    for (const uint64_t hash : hashes) filter_[hash >> 12 & (filter_.size() - 1)] |= filter_bits(hash);
  }
}

void Wanted::keep_keys(std::span<const Column* const> parts, std::span<uint8_t> keep) const {
  thread_local std::vector<uint64_t> hashes;
  hash_parts(parts, keep.size(), hashes);
  for (size_t i = 0; i < keep.size(); ++i) {
    const uint64_t bits = filter_bits(hashes[i]);
    keep[i] &= static_cast<uint8_t>((filter_[hashes[i] >> 12 & (filter_.size() - 1)] & bits) == bits);
  }
}

void Wanted::learn_numbers(const Column& values, size_t rows, uint64_t first, const Questions& questions) {
  const size_t mask = numbers_.size() - 1;
  for (size_t r = 0; r < rows; ++r) {
    const feature::HashedKey& key = questions.keys[questions.key_of[first + r]];
    const TimeRange* times = times_of(key.table_hash);
    if (times == nullptr) continue;
    size_t i = number_hash(values.ints[r]) & mask;
    while (numbers_[i].key != nullptr && numbers_[i].value != values.ints[r]) i = (i + 1) & mask;
    if (numbers_[i].key == nullptr) numbers_[i] = {values.ints[r], &key, *times};
  }
}

void Wanted::find_keys(const Column& numbers, const Column& times, std::span<uint8_t> keep, std::vector<const feature::HashedKey*>& keys) const {
  constexpr size_t kAhead = 16;
  const size_t mask = numbers_.size() - 1;
  keys.resize(keep.size());
  for (size_t r = 0; r < keep.size(); ++r) {
    if (r + kAhead < keep.size()) __builtin_prefetch(&numbers_[number_hash(numbers.ints[r + kAhead]) & mask]);
    if (keep[r] == 0) continue;
    const int64_t value = numbers.ints[r];
    size_t i = number_hash(value) & mask;
    while (numbers_[i].key != nullptr && numbers_[i].value != value) i = (i + 1) & mask;
    const Number& found = numbers_[i];
    keep[r] = static_cast<uint8_t>(found.key != nullptr && numbers.valid(r) && found.times.has(times.ints[r]));
    keys[r] = found.key;
  }
}

}  // namespace ms::history
