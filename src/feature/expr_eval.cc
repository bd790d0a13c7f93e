#include "feature/expr_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/decimal.h"
#include "feature/expr_convert.h"
#include "feature/expr_decimal.h"
#include "feature/expr_kernel.h"

namespace ms::feature {
namespace {

// One node over one batch.
class Step {
 public:
  Step(const ExprGraph& graph, std::vector<ExprColumn>& slots, uint32_t id, size_t rows, StringArena& arena)
      : graph_(graph), node_(graph.node(id)), slots_(slots), out_(slots[id]), id_(id), rows_(rows), arena_(arena) {}

  void run() {
    out_.stride = 1, out_.column = &out_.own;
    out_.errors.clear();
    out_.own.reset(node_.type, rows_);
    switch (node_.op) {
      case Op::kLiteral: return literal();
      case Op::kField: CHECK(false && "fields come from the batch"); return;
      case Op::kAnd: return connective(false);
      case Op::kOr: return connective(true);
      case Op::kCase: return cases();
      case Op::kCoalesce: return coalesce();
      case Op::kNullIf: return null_if();
      case Op::kLeast: return extreme(true);
      case Op::kGreatest: return extreme(false);
      case Op::kDistinct: return distinct();
      case Op::kTry: return attempt();
      case Op::kCall: return call();
      default: strict(); strict_values();
    }
  }

 private:
  const ExprColumn& arg(size_t i) const { return slots_[node_.args[i]]; }
  Type arg_type(size_t i) const { return graph_.node(node_.args[i]).type; }

  void fail_row(size_t row, uint16_t error) {
    if (out_.errors.empty()) out_.errors.assign(rows_, 0);
    out_.errors[row] = error;
    out_.own.set_null(row);
  }
  void fail_row(size_t row) { fail_row(row, static_cast<uint16_t>(id_ + 1)); }

  void literal() {
    Column& c = out_.own;
    out_.stride = 0;
    if (std::holds_alternative<std::monostate>(node_.literal)) return;
    std::fill(c.validity.begin(), c.validity.end(), ~uint64_t{0});
    if (rows_ == 0) return;
    switch (node_.type) {
      case TypeKind::kBool: c.bools[0] = std::get<bool>(node_.literal); break;
      case TypeKind::kInt64:
      case TypeKind::kTimestamp: c.ints[0] = std::get<int64_t>(node_.literal); break;
      case TypeKind::kFloat64: c.floats[0] = std::get<double>(node_.literal); break;
      case TypeKind::kString: c.strings[0] = std::get<std::string>(node_.literal); break;
      case TypeKind::kDecimal: c.decimals[0] = *decimal_of_text(std::get<std::string>(node_.literal), node_.type.precision, node_.type.scale); break;
      default: CHECK(false && "no literal of this type");
    }
  }

  // Null or failed where any argument is.
  void strict() {
    for (size_t w = 0; w < out_.own.validity.size(); ++w) {
      uint64_t bits = ~uint64_t{0};
      for (const uint32_t a : node_.args) bits &= slots_[a].column->validity[w];
      out_.own.validity[w] = bits;
    }
    for (const uint32_t a : node_.args) {
      if (slots_[a].errors.empty()) continue;
      for (size_t r = 0; r < rows_; ++r)
        if (slots_[a].errors[r] != 0 && out_.error(r) == 0) fail_row(r, slots_[a].errors[r]);
    }
  }

  template <class F>
  void each_valid(F f) {
    for (size_t r = 0; r < rows_; ++r)
      if (out_.own.valid(r)) f(r);
  }
  template <class F>
  void ints(F f) { int64_t* o = out_.own.ints.data(); for (size_t r = 0; r < rows_; ++r) o[r] = f(r); }
  template <class F>
  void floats(F f) { double* o = out_.own.floats.data(); for (size_t r = 0; r < rows_; ++r) o[r] = f(r); }
  template <class F>
  void bools(F f) { uint8_t* o = out_.own.bools.data(); for (size_t r = 0; r < rows_; ++r) o[r] = f(r) ? 1 : 0; }

  void strict_values() {
    switch (node_.op) {
      case Op::kAdd: case Op::kSub: case Op::kMul: case Op::kDiv: case Op::kMod: return arithmetic();
      case Op::kNeg: return negate();
      case Op::kEq: return compare([](const auto& a, const auto& b) { return a == b; });
      case Op::kNe: return compare([](const auto& a, const auto& b) { return a != b; });
      case Op::kLt: return compare([](const auto& a, const auto& b) { return a < b; });
      case Op::kLe: return compare([](const auto& a, const auto& b) { return a <= b; });
      case Op::kGt: return compare([](const auto& a, const auto& b) { return a > b; });
      case Op::kGe: return compare([](const auto& a, const auto& b) { return a >= b; });
      case Op::kNot: return bools([&](size_t r) { return arg(0).b(r) == 0; });
      case Op::kIsNull: return is_null();
      default: return cast();
    }
  }

  // A call whose arguments are all the same for every row is computed once.
  void call() {
    const size_t rows = rows_;
    const bool once = rows > 0 && std::all_of(node_.args.begin(), node_.args.end(), [&](uint32_t a) { return slots_[a].constant(); });
    if (once) rows_ = 1;
    std::vector<const ExprColumn*> args;
    for (const uint32_t a : node_.args) args.push_back(&slots_[a]);
    strict();
    if (node_.function->sees_nulls) {
      for (size_t r = 0; r < rows_; ++r)
        if (out_.error(r) == 0) out_.own.set_valid(r);
    }
    node_.function->run({.node = node_, .args = args, .out = out_, .rows = rows_, .error = static_cast<uint16_t>(id_ + 1), .arena = arena_});
    if (!once) return;
    rows_ = rows;
    out_.stride = 0;
    std::fill(out_.own.validity.begin(), out_.own.validity.end(), out_.own.valid(0) ? ~uint64_t{0} : 0);
    if (!out_.errors.empty()) out_.errors.assign(rows_, out_.errors[0]);
  }

  // The rows where the second operand is zero are null.
  void decimal_arithmetic() {
    const Type left = arg_type(0), right = arg_type(1);
    each_valid([&](size_t r) {
      const Decimal a{arg(0).d(r), left}, b{arg(1).d(r), right};
      if ((node_.op == Op::kDiv || node_.op == Op::kMod) && b.units == 0) return out_.own.set_null(r);
      if (node_.op == Op::kDiv) {
        out_.own.floats[r] = decimal_quotient(a, b);
        return;
      }
      const auto units = node_.op == Op::kMul   ? decimal_product(a, b, node_.type)
                         : node_.op == Op::kMod ? decimal_remainder(a, b, node_.type)
                                                : decimal_sum(a, b, node_.op == Op::kSub, node_.type);
      if (units) out_.own.decimals[r] = *units;
      else fail_row(r);
    });
  }

  void arithmetic() {
    if (arg_type(0) == TypeKind::kDecimal) return decimal_arithmetic();
    if (node_.type == TypeKind::kFloat64) {
      const auto &a = arg(0), &b = arg(1);
      switch (node_.op) {
        case Op::kAdd: return floats([&](size_t r) { return a.f(r) + b.f(r); });
        case Op::kSub: return floats([&](size_t r) { return a.f(r) - b.f(r); });
        case Op::kMul: return floats([&](size_t r) { return a.f(r) * b.f(r); });
        default: break;
      }
      each_valid([&](size_t r) {
        if (b.f(r) == 0) return out_.own.set_null(r);
        out_.own.floats[r] = node_.op == Op::kDiv ? a.f(r) / b.f(r) : std::fmod(a.f(r), b.f(r));
      });
      return;
    }
    each_valid([&](size_t r) {
      const int64_t a = arg(0).i(r), b = arg(1).i(r);
      int64_t& out = out_.own.ints[r];
      bool overflow = false;
      switch (node_.op) {
        case Op::kAdd: overflow = __builtin_add_overflow(a, b, &out); break;
        case Op::kSub: overflow = __builtin_sub_overflow(a, b, &out); break;
        case Op::kMul: overflow = __builtin_mul_overflow(a, b, &out); break;
        default:
          if (b == 0) return out_.own.set_null(r);
          out = b == -1 ? 0 : a % b;
      }
      if (overflow) out = 0, fail_row(r);
    });
  }

  void negate() {
    if (node_.type == TypeKind::kFloat64) return floats([&](size_t r) { return -arg(0).f(r); });
    if (node_.type == TypeKind::kDecimal) return each_valid([&](size_t r) { out_.own.decimals[r] = -arg(0).d(r); });
    each_valid([&](size_t r) {
      const int64_t a = arg(0).i(r);
      if (a == INT64_MIN) fail_row(r);
      else out_.own.ints[r] = -a;
    });
  }

  template <class F>
  void compare(F f) {
    const auto &a = arg(0), &b = arg(1);
    switch (arg_type(0)) {
      case TypeKind::kBool: return bools([&](size_t r) { return f(a.b(r), b.b(r)); });
      case TypeKind::kInt64:
      case TypeKind::kTimestamp: return bools([&](size_t r) { return f(a.i(r), b.i(r)); });
      case TypeKind::kFloat64: return bools([&](size_t r) { return f(a.f(r), b.f(r)); });
      case TypeKind::kDecimal: return bools([&](size_t r) { return f(a.d(r), b.d(r)); });
      default: return bools([&](size_t r) { return f(a.s(r), b.s(r)); });
    }
  }

  void is_null() {
    bools([&](size_t r) { return !arg(0).valid(r); });
    for (size_t r = 0; r < rows_; ++r)
      if (out_.error(r) == 0) out_.own.set_valid(r);
  }

  // and: decides = false; or: decides = true. A deciding side wins over null and over an error on the other side.
  void connective(bool decides) {
    const auto &a = arg(0), &b = arg(1);
    const auto decided = [&](const ExprColumn& c, size_t r) { return c.valid(r) && (c.b(r) != 0) == decides; };
    for (size_t r = 0; r < rows_; ++r) {
      if (decided(a, r) || decided(b, r)) {
        out_.own.bools[r] = decides, out_.own.set_valid(r);
      } else if (const uint16_t error = a.error(r) != 0 ? a.error(r) : b.error(r); error != 0) {
        fail_row(r, error);
      } else if (a.valid(r) && b.valid(r)) {
        out_.own.bools[r] = !decides, out_.own.set_valid(r);
      }
    }
  }

  // Row `r` takes what `from` has there: value, null or error.
  void take(const ExprColumn& from, size_t r) {
    if (const uint16_t error = from.error(r); error != 0) return fail_row(r, error);
    if (!from.valid(r)) return;
    out_.own.set_valid(r);
    switch (node_.type) {
      case TypeKind::kBool: out_.own.bools[r] = from.b(r); break;
      case TypeKind::kInt64:
      case TypeKind::kTimestamp: out_.own.ints[r] = from.i(r); break;
      case TypeKind::kFloat64: out_.own.floats[r] = from.f(r); break;
      case TypeKind::kDecimal: out_.own.decimals[r] = from.d(r); break;
      default: out_.own.strings[r] = from.s(r); break;
    }
  }

  void cases() {
    for (size_t r = 0; r < rows_; ++r) {
      size_t i = 0;
      for (; i + 1 < node_.args.size(); i += 2) {
        if (arg(i).error(r) != 0) break;
        if (arg(i).valid(r) && arg(i).b(r) != 0) break;
      }
      if (i + 1 == node_.args.size()) take(arg(i), r);
      else if (const uint16_t error = arg(i).error(r); error != 0) fail_row(r, error);
      else take(arg(i + 1), r);
    }
  }

  void coalesce() {
    for (size_t r = 0; r < rows_; ++r) {
      size_t i = 0;
      while (i + 1 < node_.args.size() && !arg(i).valid(r) && arg(i).error(r) == 0) ++i;
      take(arg(i), r);
    }
  }

  bool less(const ExprColumn& a, const ExprColumn& b, size_t r) const {
    switch (node_.type) {
      case TypeKind::kFloat64: return a.f(r) < b.f(r) || (std::isnan(a.f(r)) && !std::isnan(b.f(r)));  // NaN wins either way, below
      case TypeKind::kString: return a.s(r) < b.s(r);
      case TypeKind::kDecimal: return a.d(r) < b.d(r);
      case TypeKind::kBool: return a.b(r) < b.b(r);
      default: return a.i(r) < b.i(r);
    }
  }
  static bool equal(const ExprColumn& a, const ExprColumn& b, size_t r, const Type& type) {
    switch (type) {
      case TypeKind::kFloat64: return a.f(r) == b.f(r);
      case TypeKind::kDecimal: return a.d(r) == b.d(r);
      case TypeKind::kString:
      case TypeKind::kList:
      case TypeKind::kVector:
      case TypeKind::kMap: return a.s(r) == b.s(r);
      case TypeKind::kBool: return a.b(r) == b.b(r);
      default: return a.i(r) == b.i(r);
    }
  }

  void null_if() {
    for (size_t r = 0; r < rows_; ++r) {
      if (arg(1).error(r) != 0) fail_row(r, arg(1).error(r));
      else if (!arg(0).valid(r) || !arg(1).valid(r) || !equal(arg(0), arg(1), r, node_.type)) take(arg(0), r);
    }
  }

  // As <>, but null is a value like any other.
  void distinct() {
    for (size_t r = 0; r < rows_; ++r) {
      const auto &a = arg(0), &b = arg(1);
      if (const uint16_t error = a.error(r) != 0 ? a.error(r) : b.error(r); error != 0) {
        fail_row(r, error);
        continue;
      }
      out_.own.set_valid(r);
      out_.own.bools[r] = a.valid(r) != b.valid(r) || (a.valid(r) && !equal(a, b, r, arg_type(0))) ? 1 : 0;
    }
  }

  void attempt() {
    for (size_t r = 0; r < rows_; ++r)
      if (arg(0).error(r) == 0) take(arg(0), r);
  }

  // least and greatest skip nulls; NaN, if there, is the result.
  void extreme(bool smallest) {
    for (size_t r = 0; r < rows_; ++r) {
      const ExprColumn* best = nullptr;
      uint16_t error = 0;
      for (size_t i = 0; i < node_.args.size(); ++i) {
        const ExprColumn& a = arg(i);
        if (a.error(r) != 0 && error == 0) error = a.error(r);
        if (!a.valid(r)) continue;
        const bool is_nan = node_.type == TypeKind::kFloat64 && std::isnan(a.f(r));
        const bool best_nan = best && node_.type == TypeKind::kFloat64 && std::isnan(best->f(r));
        if (!best || (!best_nan && (is_nan || (smallest ? less(a, *best, r) : less(*best, a, r))))) best = &a;
      }
      if (error != 0) fail_row(r, error);
      else if (best) take(*best, r);
    }
  }

  void cast() {
    const Type from = arg_type(0);
    if (from == TypeKind::kInt64 && node_.type == TypeKind::kFloat64) return floats([&](size_t r) { return static_cast<double>(arg(0).i(r)); });
    for (size_t r = 0; r < rows_; ++r) {
      if (!out_.own.valid(r) || convert(arg(0), from, r, out_.own, node_.type, arena_)) continue;
      if (node_.op == Op::kTryCast) out_.own.set_null(r);
      else fail_row(r);
    }
  }

  const ExprGraph& graph_;
  const ExprNode& node_;
  std::vector<ExprColumn>& slots_;
  ExprColumn& out_;
  uint32_t id_;
  size_t rows_;
  StringArena& arena_;
};

}  // namespace

std::string failure_reason(const ExprGraph& graph, uint32_t id) {
  const ExprNode& n = graph.node(id);
  if (n.op == Op::kField) return fmt::format("'{}' has no value: it is ERROR or OVERFLOW", n.field);
  std::string what = n.type == TypeKind::kDecimal ? fmt::format("more digits than {} has", type_text(n.type)) : "int64 overflow";
  if (n.op == Op::kCast) return fmt::format("{}: {} value cannot be cast to {}", n.place, type_text(graph.node(n.args[0]).type), type_text(n.type));
  if (n.op == Op::kCall) what = n.function->fails;
  return fmt::format("{}: {} in '{}'", n.place, what, name_of(n));
}

void ExprEvaluator::run(const ExprGraph& graph, const std::vector<bool>& needed, std::span<const Column* const> fields, size_t rows, StringArena& arena,
                        std::span<const std::vector<uint8_t>* const> failed) {
  const size_t nodes = graph.nodes().size();
  if (slots_.size() < nodes) slots_.resize(nodes);
  for (uint32_t id = 0; id < nodes; ++id) {
    if (!needed[id]) continue;
    if (graph.node(id).op == Op::kField) {
      slots_[id].column = fields[id], slots_[id].stride = 1;
      slots_[id].errors.clear();
      if (!failed.empty() && failed[id] != nullptr && !failed[id]->empty()) {
        for (size_t r = 0; r < rows; ++r) slots_[id].errors.push_back(static_cast<uint16_t>((*failed[id])[r] != 0 ? id + 1 : 0));
      }
    } else {
      Step(graph, slots_, id, rows, arena).run();
    }
  }
}

}  // namespace ms::feature
