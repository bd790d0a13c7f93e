// Scalar functions as the evaluator sees them: kernels over columns, made from plain functions of one row.
//
// A plain function takes double, int64_t, bool, std::string_view or Time per argument, and a StringArena& last when it makes
// texts. It gives one of these, OrNull of it, or OrFails of either. Its types in the language follow from the C++ types.
#pragma once

#include <expected>
#include <optional>
#include <string_view>
#include <type_traits>

#include "feature/expr_eval.h"

namespace ms::feature {

struct Time {
  int64_t us = 0;
};
struct Failed {};
template <class T>
using OrNull = std::optional<T>;
template <class T>
using OrFails = std::expected<T, Failed>;

// One call over one batch. The rows where an argument is null or failed are null or failed already, unless the function
// sees nulls.
struct Call {
  const ExprNode& node;
  std::span<const ExprColumn* const> args;
  ExprColumn& out;
  size_t rows = 0;
  uint16_t error = 0;  // what a failed row carries
  StringArena& arena;

  void fail(size_t row) const {
    if (out.errors.empty()) out.errors.assign(rows, 0);
    out.errors[row] = error;
    out.own.set_null(row);
  }
};

// What a function takes and gives.
struct Signature {
  std::vector<Type> in;
  Type out;
};

struct ScalarFunction {
  std::string_view name;
  std::vector<TypeKind> in;
  TypeKind out = TypeKind::kInt64;
  void (*run)(const Call&) = nullptr;
  std::string_view fails;      // why a row can fail; empty: none can
  int literal = -1;            // the argument that must be a text in quotes
  // What is wrong with that text; empty: nothing.
  std::string (*check)(const std::string& text) = nullptr;
  bool exact_types = false;    // numbers do not widen for it
  bool takes_pattern = false;  // that text is a regular expression, compiled in the node
  bool repeats = false;        // any number of arguments of the last type
  bool sees_nulls = false;     // the kernel decides what null arguments give
  // Instead of `in` and `out`, over types with parameters: the signature for arguments of the given types; nullopt: none.
  std::optional<Signature> (*fit)(std::span<const Type> given) = nullptr;
  std::string_view shape;      // what `fit` accepts, for people
};

namespace kernel {

template <class T>
constexpr TypeKind type_of() {
  if constexpr (std::is_same_v<T, bool>) return TypeKind::kBool;
  else if constexpr (std::is_same_v<T, int64_t>) return TypeKind::kInt64;
  else if constexpr (std::is_same_v<T, double>) return TypeKind::kFloat64;
  else if constexpr (std::is_same_v<T, Time>) return TypeKind::kTimestamp;
  else {
    static_assert(std::is_same_v<T, std::string_view>);
    return TypeKind::kString;
  }
}

template <class T>
T value(const ExprColumn& c, size_t row) {
  if constexpr (std::is_same_v<T, bool>) return c.b(row) != 0;
  else if constexpr (std::is_same_v<T, int64_t>) return c.i(row);
  else if constexpr (std::is_same_v<T, double>) return c.f(row);
  else if constexpr (std::is_same_v<T, Time>) return Time{c.i(row)};
  else return c.s(row);
}

inline void put(const Call& c, size_t row, bool v) { c.out.own.bools[row] = v ? 1 : 0; }
inline void put(const Call& c, size_t row, int64_t v) { c.out.own.ints[row] = v; }
inline void put(const Call& c, size_t row, double v) { c.out.own.floats[row] = v; }
inline void put(const Call& c, size_t row, Time v) { c.out.own.ints[row] = v.us; }
inline void put(const Call& c, size_t row, std::string_view v) { c.out.own.strings[row] = v; }
template <class T>
void put(const Call& c, size_t row, const OrNull<T>& v) {
  if (v) put(c, row, *v);
  else c.out.own.set_null(row);
}
template <class T>
void put(const Call& c, size_t row, const OrFails<T>& v) {
  if (v) put(c, row, *v);
  else c.fail(row);
}

template <class T>
struct Result {
  using Type = T;
};
template <class T>
struct Result<OrNull<T>> : Result<T> {};
template <class T>
struct Result<OrFails<T>> : Result<T> {};

template <auto F, class R, class... A>
struct Rows {
  static ScalarFunction make() { return {.in = {type_of<A>()...}, .out = type_of<typename Result<R>::Type>(), .run = run}; }

 private:
  template <size_t... I>
  static R at(const Call& c, size_t row, std::index_sequence<I...>) {
    if constexpr (std::is_invocable_v<decltype(F), A..., StringArena&>) return F(value<A>(*c.args[I], row)..., c.arena);
    else return F(value<A>(*c.args[I], row)...);
  }
  static void run(const Call& c) {
    for (size_t r = 0; r < c.rows; ++r)
      if (c.out.own.valid(r)) put(c, r, at(c, r, std::index_sequence_for<A...>{}));
  }
};

template <auto F, class Sequence, class R, class... A>
struct Unarena;
template <auto F, size_t... I, class R, class... A>
struct Unarena<F, std::index_sequence<I...>, R, A...> {
  using Type = Rows<F, R, std::tuple_element_t<I, std::tuple<A...>>...>;
};

template <auto F, class R, class... A>
auto rows_of(R (*)(A...)) {
  if constexpr (sizeof...(A) > 0) {
    if constexpr (std::is_same_v<std::tuple_element_t<sizeof...(A) - 1, std::tuple<A...>>, StringArena&>)
      return typename Unarena<F, std::make_index_sequence<sizeof...(A) - 1>, R, A...>::Type{};
    else return Rows<F, R, A...>{};
  } else {
    return Rows<F, R>{};
  }
}

}  // namespace kernel

// The function of the language that does `F` row by row. `fails`: why, when F can fail.
template <auto F>
ScalarFunction scalar(std::string_view name, std::string_view fails = "") {
  ScalarFunction f = decltype(kernel::rows_of<F>(F))::make();
  f.name = name, f.fails = fails;
  return f;
}

}  // namespace ms::feature
