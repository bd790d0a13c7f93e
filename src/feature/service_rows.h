// Rows on their way through a service's program. Live replies, training sets and verification all derive here, so that equal inputs
// give equal bits.
#pragma once

#include "feature/service_program.h"

namespace ms::feature {

// One thread; keeps its buffers from batch to batch.
class ServiceRows {
 public:
  // Begins a batch of `rows` (at most kBatchRowsMax): all inputs null. `program` is used until the next begin().
  void begin(const ServiceProgram& program, size_t rows);

  // Feature `i` (of ServiceProgram::features_used()) as it was answered; texts are not copied. At most once per row.
  void set_feature(size_t i, size_t row, const FeatureValue& value) { features_[i].set(row, value); }
  // Its answer is not known at all (a gap, records that are gone): nothing that is computed from it is known either.
  void set_unknown(size_t i, size_t row);
  // Field `i` of the request: null, or a value of the field's type.
  void set_request(size_t i, size_t row, const FeatureValue& value) { request_[i].set(row, value); }
  void set_request(size_t i, const Column& values, size_t from);  // of all rows, from row `from` of a column of the field's type

  // Computes every result. Texts of results lie in `arena`, or where the inputs have theirs.
  void derive(StringArena& arena);

  // After derive(): false when an input of result `i` is not known; then it has no value.
  bool known(size_t i, size_t row) const { return unknown_[i].empty() || unknown_[i][row] == 0; }
  // PRESENT, NULL or ERROR; without an event time. The bytes of a decimal lie in `arena`.
  FeatureValue value(size_t i, size_t row, StringArena& arena) const;
  std::string error_reason(size_t i, size_t row) const { return program_->error_reason(i, row); }  // before this thread's next derive()

 private:
  const ServiceProgram* program_ = nullptr;
  size_t rows_ = 0;
  std::vector<ServiceInput> features_, request_;
  std::vector<ServiceResult> results_;
  std::vector<std::vector<uint8_t>> unknown_inputs_, unknown_;  // by feature, by result; empty: none
};

}  // namespace ms::feature
