// The functions of the language on lists, vectors and maps.
#include <cmath>
#include <limits>

#include "base/decimal.h"
#include "codec/packed_value.h"
#include "feature/exact_sum.h"
#include "feature/expr_decimal.h"
#include "feature/expr_functions.h"
#include "feature/expr_vector.h"

namespace ms::feature {
namespace {

constexpr size_t kPackedBytesMax = size_t{1} << 20;

using Given = std::span<const Type>;
using Fit = std::optional<Signature>;

// A list or a vector of one row, alike.
class Elements {
 public:
  Elements(const ExprColumn& c, size_t row) : type_(c.column->type), bytes_(c.s(row)) {
    if (type_ == TypeKind::kList) list_ = PackedList(type_.element, bytes_);
  }
  size_t size() const { return type_ == TypeKind::kList ? list_.size() : type_.size; }
  PackedElement at(size_t i) const {
    if (type_ == TypeKind::kList) return list_.at(i);
    PackedElement e;
    e.is_null = false, e.f = packed_vector_at(bytes_, i);
    return e;
  }
  Type element() const { return type_ == TypeKind::kList ? type_.element_type() : Type(TypeKind::kFloat64); }

 private:
  Type type_;
  std::string_view bytes_;
  PackedList list_;
};

void put_element(const Call& c, size_t r, const PackedElement& e, TypeKind kind) {
  if (e.is_null) return c.out.own.set_null(r);
  switch (kind) {
    case TypeKind::kBool: c.out.own.bools[r] = e.i != 0 ? 1 : 0; break;
    case TypeKind::kFloat64: c.out.own.floats[r] = e.f; break;
    case TypeKind::kDecimal: c.out.own.decimals[r] = e.d; break;
    case TypeKind::kString: c.out.own.strings[r] = e.text; break;
    default: c.out.own.ints[r] = e.i;
  }
}
PackedElement element_of(const ExprColumn& from, size_t r) {
  PackedElement e;
  e.is_null = !from.valid(r);
  if (e.is_null) return e;
  switch (from.column->type.kind) {
    case TypeKind::kBool: e.i = from.b(r); break;
    case TypeKind::kFloat64: e.f = from.f(r); break;
    case TypeKind::kDecimal: e.d = from.d(r); break;
    case TypeKind::kString: e.text = from.s(r); break;
    default: e.i = from.i(r);
  }
  return e;
}

template <class F>
void each(const Call& c, F f) {
  for (size_t r = 0; r < c.rows; ++r)
    if (c.out.own.valid(r)) f(r);
}
void write(const Call& c, size_t r, const PackedListWriter& list, size_t most = SIZE_MAX) {
  std::string bytes;
  list.write(bytes);
  if (bytes.size() > most) return c.fail(r);
  c.out.own.strings[r] = c.arena.add(bytes);
}

void make_list(const Call& c) {
  PackedListWriter list(c.node.type.element);
  for (size_t r = 0; r < c.rows; ++r) {
    if (c.out.error(r) != 0) continue;
    list.clear();
    for (const ExprColumn* a : c.args) list.add(element_of(*a, r));
    write(c, r, list, kPackedBytesMax);
  }
}

// From 1, or from the end with a minus; null outside.
void element(const Call& c) {
  each(c, [&](size_t r) {
    const Elements list(*c.args[0], r);
    const int64_t i = c.args[1]->i(r), size = static_cast<int64_t>(list.size());
    if (i == 0 || i > size || i < -size) return c.out.own.set_null(r);
    put_element(c, r, list.at(static_cast<size_t>(i > 0 ? i - 1 : size + i)), list.element());
  });
}
void map_value(const Call& c) {
  each(c, [&](size_t r) {
    const Type& type = c.args[0]->column->type;
    const PackedMap map(type.element, c.args[0]->s(r));
    size_t low = 0, high = map.names.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (map.names.at(middle).text < c.args[1]->s(r)) low = middle + 1;
      else high = middle;
    }
    if (low == map.names.size() || map.names.at(low).text != c.args[1]->s(r)) return c.out.own.set_null(r);
    put_element(c, r, map.values.at(low), type.element);
  });
}

void size_of(const Call& c) {
  each(c, [&](size_t r) {
    const Type& type = c.args[0]->column->type;
    const size_t size = type == TypeKind::kMap ? PackedList(TypeKind::kString, c.args[0]->s(r)).size() : Elements(*c.args[0], r).size();
    c.out.own.ints[r] = static_cast<int64_t>(size);
  });
}

// As min and max of a view order values: -0 below 0, NaN last.
bool before(const PackedElement& a, const PackedElement& b, TypeKind kind) {
  switch (kind) {
    case TypeKind::kFloat64:
      if (std::isnan(a.f) || std::isnan(b.f)) return !std::isnan(a.f);
      return a.f < b.f || (a.f == b.f && std::signbit(a.f) && !std::signbit(b.f));
    case TypeKind::kDecimal: return a.d < b.d;
    case TypeKind::kString: return a.text < b.text;
    default: return a.i < b.i;
  }
}
bool same(const PackedElement& a, const PackedElement& b, TypeKind kind) {
  if (kind == TypeKind::kFloat64) return a.f == b.f;
  return !before(a, b, kind) && !before(b, a, kind);
}

void contains(const Call& c) {
  each(c, [&](size_t r) {
    const Elements list(*c.args[0], r);
    const PackedElement wanted = element_of(*c.args[1], r);
    bool found = false;
    for (size_t i = 0; i < list.size() && !found; ++i) {
      const PackedElement e = list.at(i);
      found = !e.is_null && same(e, wanted, list.element());
    }
    c.out.own.bools[r] = found ? 1 : 0;
  });
}

template <bool Smallest>
void extreme(const Call& c) {
  each(c, [&](size_t r) {
    const Elements list(*c.args[0], r);
    PackedElement best;
    for (size_t i = 0; i < list.size(); ++i) {
      const PackedElement e = list.at(i);
      if (e.is_null) continue;
      if (best.is_null || (Smallest ? before(e, best, list.element()) : before(best, e, list.element()))) best = e;
    }
    put_element(c, r, best, list.element());
  });
}

// The exact sum of a list, by kind of element; nulls are skipped.
struct Total {
  uint64_t n = 0;
  Wide whole = 0;  // int64s, decimals
  ExactSum real;
};
Total total_of(const Elements& list) {
  Total t;
  const TypeKind kind = list.element();
  for (size_t i = 0; i < list.size(); ++i) {
    const PackedElement e = list.at(i);
    if (e.is_null) continue;
    ++t.n;
    if (kind == TypeKind::kFloat64) t.real.add(e.f);
    else t.whole += kind == TypeKind::kDecimal ? static_cast<Wide>(e.d) : static_cast<Wide>(e.i);
  }
  return t;
}
double beyond(const Rounded& value, const ExactSum& sum) {
  if (!value.overflow) return value.value;
  return sum.magnitude().negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
}

void list_sum(const Call& c) {
  each(c, [&](size_t r) {
    const Elements list(*c.args[0], r);
    const Total t = total_of(list);
    if (t.n == 0) return c.out.own.set_null(r);
    switch (c.node.type.kind) {
      case TypeKind::kFloat64: c.out.own.floats[r] = beyond(sum_of(t.real), t.real); return;
      case TypeKind::kDecimal:
        if (const auto units = narrowed(t.whole, kDecimalDigitsMax)) c.out.own.decimals[r] = *units;
        else c.fail(r);
        return;
      default:
        if (t.whole < INT64_MIN || t.whole > INT64_MAX) return c.fail(r);
        c.out.own.ints[r] = static_cast<int64_t>(t.whole);
    }
  });
}
void list_avg(const Call& c) {
  each(c, [&](size_t r) {
    const Elements list(*c.args[0], r);
    const Total t = total_of(list);
    if (t.n == 0) return c.out.own.set_null(r);
    if (list.element() == TypeKind::kFloat64) c.out.own.floats[r] = beyond(average_of(t.real, t.n), t.real);
    else c.out.own.floats[r] = rounded_ratio(t.whole, static_cast<Wide>(power_of_ten(list.element().scale)) * static_cast<Wide>(t.n));
  });
}

// Positions as those of substr.
void slice(const Call& c) {
  PackedListWriter out(c.node.type.element);
  each(c, [&](size_t r) {
    const Elements list(*c.args[0], r);
    __int128 from = c.args[1]->i(r), end = c.args.size() > 2 ? from + c.args[2]->i(r) : static_cast<__int128>(list.size()) + 1;
    from = std::max<__int128>(from, 1), end = std::min<__int128>(end, static_cast<__int128>(list.size()) + 1);
    out.clear();
    for (; from < end; ++from) out.add(list.at(static_cast<size_t>(from - 1)));
    write(c, r, out);
  });
}

template <bool Names>
void map_part(const Call& c) {
  each(c, [&](size_t r) {
    const std::string_view bytes = c.args[0]->s(r);
    const size_t names = PackedList(TypeKind::kString, bytes).bytes();
    c.out.own.strings[r] = Names ? bytes.substr(0, names) : bytes.substr(names);
  });
}

// The numbers of a list or vector; false: one is null.
bool numbers_of(const ExprColumn& from, size_t row, std::vector<double>& out) {
  const Elements list(from, row);
  out.clear();
  for (size_t i = 0; i < list.size(); ++i) {
    const PackedElement e = list.at(i);
    if (e.is_null) return false;
    out.push_back(e.f);
  }
  return true;
}
using Numbers = std::span<const double>;
template <class F>
void of_two(const Call& c, F f) {
  std::vector<double> a, b;
  each(c, [&](size_t r) {
    if (!numbers_of(*c.args[0], r, a) || !numbers_of(*c.args[1], r, b) || a.size() != b.size()) return c.out.own.set_null(r);
    kernel::put(c, r, f(Numbers(a), Numbers(b)));
  });
}
void dot_product(const Call& c) { of_two(c, rounded_dot); }
void cosine_similarity(const Call& c) { of_two(c, rounded_cosine); }
void l2_norm(const Call& c) {
  std::vector<double> a;
  each(c, [&](size_t r) {
    if (numbers_of(*c.args[0], r, a)) c.out.own.floats[r] = rounded_norm(a);
    else c.out.own.set_null(r);
  });
}

// ---- types

bool is_list(const Type& t) { return t == TypeKind::kList; }
bool is_row_of_numbers(const Type& t) { return t == TypeKind::kVector || (is_list(t) && t.element == TypeKind::kFloat64); }
bool is_sequence(const Type& t) { return is_list(t) || t == TypeKind::kVector; }
bool adds_up(TypeKind t) { return t == TypeKind::kInt64 || t == TypeKind::kFloat64 || t == TypeKind::kDecimal; }

Fit fits_literal(Given g) {
  if (g.empty() || !is_scalar(g[0])) return std::nullopt;
  return Signature{std::vector<Type>(g.size(), g[0]), Type::list(g[0])};
}
Fit fits_element(Given g) {
  if (g.size() != 2 || !is_sequence(g[0])) return std::nullopt;
  return Signature{{g[0], TypeKind::kInt64}, g[0].element_type()};
}
Fit fits_map_value(Given g) {
  if (g.size() != 2 || g[0] != TypeKind::kMap) return std::nullopt;
  return Signature{{g[0], TypeKind::kString}, g[0].element_type()};
}
Fit fits_size(Given g) {
  if (g.size() != 1 || is_scalar(g[0])) return std::nullopt;
  return Signature{{g[0]}, TypeKind::kInt64};
}
Fit fits_contains(Given g) {
  if (g.size() != 2 || !is_sequence(g[0])) return std::nullopt;
  return Signature{{g[0], g[0].element_type()}, TypeKind::kBool};
}
Fit fits_extreme(Given g) {
  if (g.size() != 1 || !is_sequence(g[0])) return std::nullopt;
  return Signature{{g[0]}, g[0].element_type()};
}
Fit fits_sum(Given g) {
  if (g.size() != 1 || !is_sequence(g[0]) || !adds_up(g[0].element)) return std::nullopt;
  const Type out = g[0].element == TypeKind::kDecimal ? Type::decimal(kDecimalDigitsMax, g[0].scale) : Type(g[0].element);
  return Signature{{g[0]}, out};
}
Fit fits_avg(Given g) {
  if (g.size() != 1 || !is_sequence(g[0]) || !adds_up(g[0].element)) return std::nullopt;
  return Signature{{g[0]}, TypeKind::kFloat64};
}
Fit fits_slice(Given g) {
  if ((g.size() != 2 && g.size() != 3) || !is_sequence(g[0])) return std::nullopt;
  Signature s{{g[0], TypeKind::kInt64, TypeKind::kInt64}, Type::list(g[0].element_type())};
  s.in.resize(g.size());
  return s;
}
Fit fits_map_keys(Given g) {
  if (g.size() != 1 || g[0] != TypeKind::kMap) return std::nullopt;
  return Signature{{g[0]}, Type::list(TypeKind::kString)};
}
Fit fits_map_values(Given g) {
  if (g.size() != 1 || g[0] != TypeKind::kMap) return std::nullopt;
  return Signature{{g[0]}, Type::list(g[0].element_type())};
}
Fit fits_two_rows(Given g) {
  if (g.size() != 2 || !is_row_of_numbers(g[0]) || !is_row_of_numbers(g[1])) return std::nullopt;
  if (g[0] == TypeKind::kVector && g[1] == TypeKind::kVector && g[0].size != g[1].size) return std::nullopt;
  return Signature{{g[0], g[1]}, TypeKind::kFloat64};
}
Fit fits_row(Given g) {
  if (g.size() != 1 || !is_row_of_numbers(g[0])) return std::nullopt;
  return Signature{{g[0]}, TypeKind::kFloat64};
}

}  // namespace

std::vector<ScalarFunction> list_functions() {
  constexpr std::string_view kTooLarge = "a list larger than 1 MiB", kSums = "a sum beyond its type";
  constexpr std::string_view kTwo = "two vectors of one size, or list<float64>";
  return {
      {.name = "[...]", .run = make_list, .fails = kTooLarge, .sees_nulls = true, .fit = fits_literal, .shape = "scalars of one type"},
      {.name = "[]", .run = element, .fit = fits_element, .shape = "list<T> or vector, int64"},
      {.name = "[]", .run = map_value, .fit = fits_map_value, .shape = "map<string,T>, string"},
      {.name = "length", .run = size_of, .fit = fits_size, .shape = "list or vector or map"},
      {.name = "contains", .run = contains, .fit = fits_contains, .shape = "list<T>, T"},
      {.name = "list_min", .run = extreme<true>, .fit = fits_extreme, .shape = "list or vector"},
      {.name = "list_max", .run = extreme<false>, .fit = fits_extreme, .shape = "list or vector"},
      {.name = "list_sum", .run = list_sum, .fails = kSums, .fit = fits_sum, .shape = "list or vector of numbers"},
      {.name = "list_avg", .run = list_avg, .fit = fits_avg, .shape = "list or vector of numbers"},
      {.name = "slice", .run = slice, .fit = fits_slice, .shape = "list or vector, int64, int64"},
      {.name = "map_keys", .run = map_part<true>, .fit = fits_map_keys, .shape = "map"},
      {.name = "map_values", .run = map_part<false>, .fit = fits_map_values, .shape = "map"},
      {.name = "dot_product", .run = dot_product, .fit = fits_two_rows, .shape = kTwo},
      {.name = "cosine_similarity", .run = cosine_similarity, .fit = fits_two_rows, .shape = kTwo},
      {.name = "l2_norm", .run = l2_norm, .fit = fits_row, .shape = "a vector or list<float64>"},
  };
}

}  // namespace ms::feature
