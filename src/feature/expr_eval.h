// Evaluates the nodes of a graph over a batch, column by column. Not an error here: input never makes it fail as a whole;
// a row whose value cannot be computed (int64 overflow, a bad cast) carries an error that only matters where it is used.
#pragma once

#include <span>
#include <vector>

#include "feature/expr.h"

namespace ms::feature {

// The values of one node. `at(row)` is where a row's value lies (constants have one slot).
struct ExprColumn {
  const Column* column = nullptr;
  size_t stride = 1;                // 0: one value for all rows
  std::vector<uint16_t> errors;     // empty, or per row: 0 or 1 + the node whose evaluation failed
  Column own;

  bool valid(size_t row) const { return column->valid(row); }
  bool constant() const { return stride == 0; }
  uint16_t error(size_t row) const { return errors.empty() ? uint16_t{0} : errors[row]; }
  int64_t i(size_t row) const { return column->ints[row * stride]; }
  double f(size_t row) const { return column->floats[row * stride]; }
  int128 d(size_t row) const { return column->decimals[row * stride]; }
  uint8_t b(size_t row) const { return column->bools[row * stride]; }
  std::string_view s(size_t row) const { return column->strings[row * stride]; }
};

// Why a node failed on a row: "where, column 7: int64 overflow in '*'".
std::string failure_reason(const ExprGraph& graph, uint32_t node);

// Scratch of one thread; keeps its memory between batches.
class ExprEvaluator {
 public:
  // Computes every node marked in `needed`. `fields[id]` is the column of field node `id`. Texts made go into `arena`.
  // `failed`: none, or for each node none or the rows of a field that have failed before (with a 1 per row).
  void run(const ExprGraph& graph, const std::vector<bool>& needed, std::span<const Column* const> fields, size_t rows, StringArena& arena,
           std::span<const std::vector<uint8_t>* const> failed = {});
  const ExprColumn& at(uint32_t node) const { return slots_[node]; }

 private:
  std::vector<ExprColumn> slots_;
};

}  // namespace ms::feature
