// Decimals, lists, vectors and maps of Arrow arrays: out of files, and into them.
#pragma once

#include <arrow/api.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "codec/column_batch.h"

namespace ms::history {

// Whether every value of `have` is one of `type` (decimal, list, vector or map): narrower ones widen, nothing else converts. A list
// taken as a vector still has to have its length in every row: vector_fault().
bool array_fits(const arrow::DataType& have, const Type& type);
// The first row that is no vector of `size` numbers ("has 3 numbers" or "holds a null"); row -1: all are.
struct RowFault {
  int64_t row = -1;
  std::string what;
};
RowFault vector_fault(const arrow::Array& array, uint32_t size);

// Values of rows [from, from + count) into out[at...], whose validity is set; array_fits() holds. `keep` gives bytes their place.
using KeepBytes = std::function<std::string_view(std::string_view)>;
void fill_array(const arrow::Array& array, int64_t from, size_t count, size_t at, Column& out, const KeepBytes& keep);

// The form in which values are written: decimal128, list, fixed_size_list<double>, map<string, ...>, and what scalars are.
std::shared_ptr<arrow::DataType> arrow_type(const Type& type);
// Appends the bytes of an answer that is not null to a builder for arrow_type(type); `type` is a string, decimal, list, vector or map.
arrow::Status append_bytes(arrow::ArrayBuilder& builder, const Type& type, std::string_view bytes);

}  // namespace ms::history
