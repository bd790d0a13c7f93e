#include "feature/box.h"

#include "base/check.h"
#include "feature/hyper_log_log.h"
#include "feature/keyed_box.h"
#include "feature/list_box.h"
#include "feature/quantile_box.h"
#include "feature/rows_box.h"
#include "feature/session_box.h"
#include "feature/value_words.h"
#include "feature/vector_box.h"

namespace ms::feature {

OwnedValue::OwnedValue(const Type& type, const uint64_t* value) {
  if (is_bytes(type)) text = bytes_at(value);
  else std::copy_n(value, argument_words(type), words);
}

void OwnedValue::to_words(const Type& type, uint64_t* out) const {
  if (is_bytes(type)) out[0] = std::bit_cast<uint64_t>(text.data()), out[1] = text.size();
  else std::copy_n(words, argument_words(type), out);
}

std::unique_ptr<Box> make_box(const Slot& slot) {
  switch (slot.extra->box) {
    case BoxKind::kFirstN:
    case BoxKind::kLastN: return std::make_unique<ListBox>();
    case BoxKind::kHyperLogLog: return std::make_unique<HyperLogLog>();
    case BoxKind::kBuckets: return std::make_unique<QuantileBox>();
    case BoxKind::kTopK:
    case BoxKind::kCountBy:
    case BoxKind::kSumBy: return std::make_unique<KeyedBox>();
    case BoxKind::kVectorSum: return std::make_unique<VectorSums>();
    case BoxKind::kVectorMin:
    case BoxKind::kVectorMax: return std::make_unique<VectorExtremes>();
    case BoxKind::kRows: return std::make_unique<RowsBox>();
    case BoxKind::kSessions: return std::make_unique<SessionBox>();
    case BoxKind::kNone: break;
  }
  CHECK(false && "a slot without a box");
  return nullptr;
}

}  // namespace ms::feature
