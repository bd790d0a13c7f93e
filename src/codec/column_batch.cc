#include "codec/column_batch.h"

namespace ms {

std::string_view to_string(TypeKind type) {
  switch (type) {
    case TypeKind::kBool: return "bool";
    case TypeKind::kInt64: return "int64";
    case TypeKind::kFloat64: return "float64";
    case TypeKind::kString: return "string";
    case TypeKind::kTimestamp: return "timestamp";
  }
  return "?";
}

void Column::reset(TypeKind t, size_t rows) {
  type = t;
  validity.assign((rows + 63) / 64, 0);
  bools.clear(), ints.clear(), floats.clear(), strings.clear();
  switch (t) {
    case TypeKind::kBool: bools.resize(rows); break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: ints.resize(rows); break;
    case TypeKind::kFloat64: floats.resize(rows); break;
    case TypeKind::kString: strings.resize(rows); break;
  }
}

char* StringArena::allocate(size_t size) {
  if (size > room_) {
    const size_t block = std::max<size_t>(size, 16384);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
    used_ = 0, room_ = block;
  }
  char* out = blocks_.back().get() + used_;
  used_ += size, room_ -= size;
  return out;
}

std::string_view StringArena::add(std::string_view text) {
  if (text.empty()) return {};
  char* to = allocate(text.size());
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

void ColumnBatch::clear() {
  rows = 0;
  for (Column& c : columns) c.reset(c.type, 0);
  offsets.clear(), append_times.clear(), owners.clear();
  arena.clear();
}

}  // namespace ms
