#include "feature/list_answers.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "codec/decimal_text.h"
#include "feature/hyper_log_log.h"
#include "feature/keyed_box.h"
#include "feature/list_box.h"
#include "feature/quantile_box.h"
#include "feature/vector_box.h"

namespace ms::feature {
namespace {

PackedElement element_of(const Type& type, const uint64_t* words) {
  PackedElement e{.is_null = false};
  if (is_bytes(type)) e.text = bytes_at(words);
  else if (type == TypeKind::kDecimal) e.d = decimal_at(words);
  else if (type == TypeKind::kFloat64) e.f = std::bit_cast<double>(*words);
  else e.i = static_cast<int64_t>(*words);
  return e;
}

Answer packed(const PackedListWriter& list, StringArena& arena) {
  std::string out;
  list.write(out);
  return bytes(out, arena);
}

// The text of a key: how a map's names show keys that are no strings.
std::string key_text(const Type& type, std::string_view key) {
  uint64_t words[2] = {0, 0};
  key_value(type, key, words);
  switch (type) {
    case TypeKind::kBool: return *words != 0 ? "true" : "false";
    case TypeKind::kDecimal: return decimal_text(decimal_at(words), type.scale);
    case TypeKind::kTimestamp: return format_time(static_cast<int64_t>(*words));
    case TypeKind::kInt64: return std::to_string(static_cast<int64_t>(*words));
    default: return std::string(key);
  }
}

// A map's bytes: its names sorted, then its values.
Answer packed_map(TypeKind value, const std::map<std::string, PackedElement>& entries, StringArena& arena) {
  PackedListWriter names(TypeKind::kString), values(value);
  for (const auto& [name, e] : entries) {
    names.add({.is_null = false, .text = name});
    values.add(e);
  }
  std::string out;
  names.write(out), values.write(out);
  return bytes(out, arena);
}

const KeyedBox* keyed(const FeatureSpec& spec, const Box& box) {
  const auto& all = static_cast<const KeyedBox&>(box);
  return all.over() || all.cells().size() > static_cast<size_t>(spec.parameters.cap) ? nullptr : &all;
}

}  // namespace

Answer list_answer(const FeatureSpec& spec, const Box& box, StringArena& arena) {
  const auto& entries = static_cast<const ListBox&>(box).entries();
  const bool latest = spec.aggregate == AggregateKind::kLastN;
  PackedListWriter list(spec.argument_type.kind);
  for (size_t i = 0; i < entries.size(); ++i) {
    uint64_t words[2] = {0, 0};
    entries[latest ? entries.size() - 1 - i : i].value.to_words(spec.argument_type, words);
    list.add(element_of(spec.argument_type, words));
  }
  return packed(list, arena);
}

Answer quantile_answer(const FeatureSpec& spec, const Box& box, StringArena& arena) {
  const auto& buckets = static_cast<const QuantileBox&>(box);
  if (spec.parameters.one) return real(buckets.quantile(spec.parameters.quantiles.front()));
  PackedListWriter list(TypeKind::kFloat64);
  for (const double q : spec.parameters.quantiles) list.add({.is_null = false, .f = buckets.quantile(q)});
  return packed(list, arena);
}

Answer estimate_answer(const FeatureSpec& spec, const Box* box) {
  if (box == nullptr) return integer(0);
  return integer(static_cast<uint64_t>(static_cast<const HyperLogLog&>(*box).estimate(spec.parameters.precision)));
}

Answer histogram_answer(const FeatureSpec& spec, const uint64_t* bins, StringArena& arena) {
  PackedListWriter list(TypeKind::kInt64);
  for (size_t i = 0; i <= spec.parameters.bounds.size(); ++i) list.add({.is_null = false, .i = static_cast<int64_t>(bins[i])});
  return packed(list, arena);
}

Answer top_answer(const FeatureSpec& spec, const Box& box, StringArena& arena) {
  const KeyedBox* all = keyed(spec, box);
  if (all == nullptr) return kTooLarge;
  std::vector<std::pair<uint64_t, std::string_view>> keys;
  for (const auto& [key, cell] : all->cells()) keys.emplace_back(cell.count, key);
  std::ranges::sort(keys, [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  PackedListWriter list(spec.argument_type.kind);
  for (size_t i = 0; i < std::min(keys.size(), static_cast<size_t>(spec.parameters.n)); ++i) {
    uint64_t words[2] = {0, 0};
    key_value(spec.argument_type, keys[i].second, words);
    list.add(element_of(spec.argument_type, words));
  }
  return packed(list, arena);
}

Answer count_by_answer(const FeatureSpec& spec, const Box* box, StringArena& arena) {
  std::map<std::string, PackedElement> entries;
  if (box != nullptr) {
    const KeyedBox* all = keyed(spec, *box);
    if (all == nullptr) return kTooLarge;
    for (const auto& [key, cell] : all->cells()) entries[key_text(spec.argument_type, key)] = {.is_null = false, .i = static_cast<int64_t>(cell.count)};
  }
  return packed_map(TypeKind::kInt64, entries, arena);
}

Answer sum_by_answer(const FeatureSpec& spec, const Box& box, StringArena& arena) {
  const KeyedBox* all = keyed(spec, box);
  if (all == nullptr) return kTooLarge;
  std::map<std::string, PackedElement> entries;
  for (const auto& [key, cell] : all->cells()) {
    PackedElement& e = entries[key_text(spec.by_type, key)];
    e.is_null = false;
    if (spec.argument_type == TypeKind::kFloat64) {
      const Rounded sum = sum_of(cell.sum);
      if (sum.overflow) return kTooLarge;
      e.f = sum.value;
      continue;
    }
    if (!integer_of(cell.sum, e.d)) return kTooLarge;
    if (spec.argument_type == TypeKind::kDecimal) continue;
    if (e.d < INT64_MIN || e.d > INT64_MAX) return kTooLarge;
    e.i = static_cast<int64_t>(e.d);
  }
  return packed_map(spec.argument_type.kind, entries, arena);
}

Answer vector_sum_answer(const Box& box, uint64_t n, StringArena& arena) {
  std::string out;
  for (const ExactSum& sum : static_cast<const VectorSums&>(box).sums()) {
    const Rounded value = n == 0 ? sum_of(sum) : average_of(sum, n);
    if (value.overflow) return kTooLarge;
    out.append(reinterpret_cast<const char*>(&value.value), sizeof value.value);
  }
  return bytes(out, arena);
}

Answer vector_extreme_answer(const Box& box, StringArena& arena) {
  std::string out;
  for (const int64_t value : static_cast<const VectorExtremes&>(box).values()) {
    const int64_t bits = ordered_bits(static_cast<uint64_t>(value));
    out.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  return bytes(out, arena);
}

void SeriesAnswer::add(uint64_t bits, uint8_t flags, int64_t event_time, std::string_view text) {
  last_ = std::max(last_, event_time);
  overflow_ |= static_cast<Status>(flags & AnswerColumn::kStatus) == Status::kOverflow;
  if ((flags & AnswerColumn::kNull) != 0) return list_.add_null();
  uint64_t words[2] = {bits, 0};
  if (is_bytes(element_)) words[0] = std::bit_cast<uint64_t>(text.data()), words[1] = text.size();
  else if (element_ == TypeKind::kDecimal) std::memcpy(words, text.data(), sizeof words);
  list_.add(element_of(element_, words));
}

void SeriesAnswer::write(std::optional<int64_t> ttl_us, int64_t t, const AnswerColumn& out, StringArena& arena) const {
  const bool empty = last_ == kNoEventTime;
  const bool expired = ttl_us && !empty && static_cast<int128>(t) - last_ > *ttl_us;
  const Status status = overflow_ ? Status::kOverflow : expired ? Status::kExpired : empty ? Status::kEmptyWindow : Status::kPresent;
  const bool shown = !overflow_ && !expired;
  *out.bits = 0;
  *out.texts = shown ? packed(list_, arena).text : std::string_view();
  *out.flags = static_cast<uint8_t>(static_cast<uint8_t>(status) | (shown ? 0 : AnswerColumn::kNull));
  if (out.event_times != nullptr) *out.event_times = last_;
}

}  // namespace ms::feature
