// Request-time features of a service, compiled: expressions over the answers of its features and the fields of a request. The
// engine of expressions is that of views, so a live reply and a training row get the same bits. Immutable; any number of threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "codec/column_batch.h"
#include "feature/value.h"
#include "feature/view_program.h"

namespace ms::feature {

// One input of many rows: values, and where a feature has none because it failed (ERROR, OVERFLOW).
struct ServiceInput {
  Column values;
  std::vector<uint8_t> failed;  // empty, or per row

  void reset(const Type& type, size_t rows) { values.reset(type, rows), failed.clear(); }
  // A feature's answer: a value (a default too) whatever its status, else null, or failed. Texts stay where they are. The row was null.
  void set(size_t row, const FeatureValue& value);
};

// One derived feature of many rows.
struct ServiceResult {
  Column values;                 // texts lie in the arena of the call, or where the inputs have theirs
  std::vector<Status> statuses;  // kPresent, kNull, kError
};

class ServiceProgram {
 public:
  using Derived = std::vector<std::pair<std::string, std::string>>;  // name -> expression, in order; later ones may use earlier ones

  // Features go by their names in the service, request fields by `request.NAME`. Errors (InvalidArgument) name the derived
  // feature, the column of its expression and what to write instead; `place`, if given, is "derived[i]" or "request[i]".
  static Result<std::shared_ptr<const ServiceProgram>> compile(std::span<const FeatureColumn> features, std::span<const Field> request,
                                                               const Derived& derived, DefinitionPlace* place = nullptr);
  virtual ~ServiceProgram() = default;

  // As given to compile().
  virtual const std::vector<FeatureColumn>& features() const = 0;
  virtual const std::vector<Field>& request() const = 0;
  virtual const std::vector<FeatureColumn>& results() const = 0;
  // What the expressions use: indexes into `features` and `request`, ascending. Other inputs may be left empty.
  virtual const std::vector<uint32_t>& features_used() const = 0;
  virtual const std::vector<uint32_t>& request_used() const = 0;
  // What result `i` is computed from, also through earlier results.
  struct Inputs {
    std::vector<uint32_t> features, request;
  };
  virtual const Inputs& inputs(size_t i) const = 0;
  // A canonical text of the computation of result `i`, over the names of its inputs.
  virtual std::string canonical(size_t i) const = 0;

  // Computes every result for `rows` (at most kBatchRowsMax) rows. `features` and `request` as given to compile().
  virtual void run(std::span<const ServiceInput> features, std::span<const ServiceInput> request, size_t rows, StringArena& arena,
                   std::vector<ServiceResult>& out) const = 0;
  // Why result `i` is ERROR in row `row` of the last run() of this thread, e.g. "derived.ratio, column 7: int64 overflow in '*'".
  virtual std::string error_reason(size_t i, size_t row) const = 0;
};

}  // namespace ms::feature
