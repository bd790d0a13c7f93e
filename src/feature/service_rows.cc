#include "feature/service_rows.h"

#include "base/check.h"

namespace ms::feature {
namespace {

template <class T>
void copy(const std::vector<T>& from, size_t at, std::vector<T>& to) {
  if (!from.empty()) std::copy_n(from.begin() + static_cast<ptrdiff_t>(at), to.size(), to.begin());
}

}  // namespace

void ServiceRows::begin(const ServiceProgram& program, size_t rows) {
  CHECK(rows <= kBatchRowsMax);
  program_ = &program, rows_ = rows;
  features_.resize(program.features().size());
  request_.resize(program.request().size());
  for (const uint32_t i : program.features_used()) features_[i].reset(program.features()[i].type, rows);
  for (size_t i = 0; i < request_.size(); ++i) request_[i].reset(program.request()[i].type, rows);
  unknown_inputs_.resize(features_.size());
  unknown_.resize(program.results().size());
  for (auto& flags : unknown_inputs_) flags.clear();
  for (auto& flags : unknown_) flags.clear();
}

void ServiceRows::set_unknown(size_t i, size_t row) {
  if (unknown_inputs_[i].empty()) unknown_inputs_[i].assign(rows_, 0);
  unknown_inputs_[i][row] = 1;
}

void ServiceRows::set_request(size_t i, const Column& values, size_t from) {
  Column& to = request_[i].values;
  copy(values.bools, from, to.bools), copy(values.ints, from, to.ints), copy(values.floats, from, to.floats);
  copy(values.decimals, from, to.decimals), copy(values.strings, from, to.strings);
  for (size_t row = 0; row < rows_; ++row)
    if (values.valid(from + row)) to.set_valid(row);
}

void ServiceRows::derive(StringArena& arena) {
  program_->run(features_, request_, rows_, arena, results_);
  for (size_t i = 0; i < results_.size(); ++i)
    for (const uint32_t f : program_->inputs(i).features) {
      if (unknown_inputs_[f].empty()) continue;
      unknown_[i].resize(rows_);
      for (size_t row = 0; row < rows_; ++row) unknown_[i][row] |= unknown_inputs_[f][row];
    }
}

FeatureValue ServiceRows::value(size_t i, size_t row, StringArena& arena) const {
  const ServiceResult& result = results_[i];
  const Column& values = result.values;
  FeatureValue out;
  out.status = result.statuses[row];
  if (out.status != Status::kPresent) return out;
  out.is_null = false;
  switch (values.type.kind) {
    case TypeKind::kBool: out.i = values.bools[row]; break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: out.i = values.ints[row]; break;
    case TypeKind::kFloat64: out.f = values.floats[row]; break;
    case TypeKind::kDecimal: out.text = arena.add({reinterpret_cast<const char*>(&values.decimals[row]), sizeof(int128)}); break;
    default: out.text = values.strings[row];
  }
  return out;
}

}  // namespace ms::feature
