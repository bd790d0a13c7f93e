// Any bytes as an expression: refused with a place inside the text, or evaluated over rows of every type, where a batch gives
// what its rows give one by one, to the bit.
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "codec/packed_value.h"
#include "feature/expr_eval.h"

namespace {

using namespace ms;
using namespace ms::feature;

constexpr size_t kRows = 4;  // the last one is null in every field

struct Input {
  std::string name;
  Column column;
};

Input field(std::string name, const Type& type) {
  Input f{std::move(name), {}};
  f.column.reset(type, kRows);
  for (size_t r = 0; r + 1 < kRows; ++r) f.column.set_valid(r);
  return f;
}

std::string_view list_of(std::initializer_list<int64_t> values) {
  static std::vector<std::unique_ptr<std::string>> kept;
  PackedListWriter list(TypeKind::kInt64);
  for (const int64_t v : values) list.add({.is_null = v == 0, .i = v});
  list.write(*kept.emplace_back(std::make_unique<std::string>()));
  return *kept.back();
}
std::string_view vector_of(double a, double b) {
  static std::vector<std::unique_ptr<std::string>> kept;
  kept.push_back(std::make_unique<std::string>(16, '\0'));
  std::memcpy(kept.back()->data(), &a, 8), std::memcpy(kept.back()->data() + 8, &b, 8);
  return *kept.back();
}

std::vector<Input> fields() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<Input> out;
  out.push_back(field("i", TypeKind::kInt64)), out.back().column.ints = {INT64_MIN, 3, INT64_MAX, 0};
  out.push_back(field("x", TypeKind::kFloat64)), out.back().column.floats = {-0.0, 1e308, kInfinity, 0};
  out.push_back(field("s", TypeKind::kString)), out.back().column.strings = {"", "a \xC3\x9F,b", "\xF0\x9F\x99\x82 not utf8: \xFF", ""};
  out.push_back(field("b", TypeKind::kBool)), out.back().column.bools = {0, 1, 0, 0};
  out.push_back(field("t", TypeKind::kTimestamp)), out.back().column.ints = {INT64_MIN, 1'767'225'600'000'000, INT64_MAX, 0};
  out.push_back(field("d", Type::decimal(38, 2))), out.back().column.decimals = {-1, 150, static_cast<int128>(INT64_MAX) * INT64_MAX, 0};
  out.push_back(field("l", Type::list(TypeKind::kInt64))), out.back().column.strings = {list_of({}), list_of({1, 0, 5}), list_of({INT64_MAX, INT64_MAX}), {}};
  out.push_back(field("v", Type::vector(2))), out.back().column.strings = {vector_of(0, 0), vector_of(1e-300, 2), vector_of(kInfinity, 0.1), {}};
  return out;
}

// The rows `first` and on of a column.
Column part(const Column& from, size_t first, size_t rows) {
  Column to;
  to.reset(from.type, rows);
  for (size_t r = 0; r < rows; ++r) {
    if (!from.valid(first + r)) continue;
    to.set_valid(r);
    if (!from.ints.empty()) to.ints[r] = from.ints[first + r];
    if (!from.floats.empty()) to.floats[r] = from.floats[first + r];
    if (!from.bools.empty()) to.bools[r] = from.bools[first + r];
    if (!from.decimals.empty()) to.decimals[r] = from.decimals[first + r];
    if (!from.strings.empty()) to.strings[r] = from.strings[first + r];
  }
  return to;
}

std::string bits_of(const ExprColumn& c, const Type& type, size_t row) {
  if (c.error(row) != 0) return "error " + std::to_string(c.error(row));
  if (!c.valid(row)) return "null";
  switch (type.kind) {
    case TypeKind::kBool: return std::to_string(c.b(row));
    case TypeKind::kFloat64: return std::to_string(std::bit_cast<uint64_t>(c.f(row)));
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: return std::to_string(c.i(row));
    case TypeKind::kDecimal: return std::to_string(static_cast<int64_t>(c.d(row) >> 64)) + std::to_string(static_cast<uint64_t>(c.d(row)));
    default: return std::string(c.s(row));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Input> kFields = fields();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ExprGraph graph;
  ExprGraph::Names names;
  std::vector<uint32_t> nodes;
  for (const Input& f : kFields) names[f.name] = nodes.emplace_back(graph.add_field(f.name, f.column.type));
  const auto id = graph.add(text, names, "here");
  if (!id) {
    if (id.error().message.empty() || id.error().column < 1 || id.error().column > size + 1) std::abort();
    return 0;
  }
  std::vector<bool> needed;
  graph.reach(*id, needed);
  if (graph.nodes().size() > 100) return 0;  // it is about what expressions give, not how long they take
  const auto run = [&](size_t first, size_t rows) {
    std::vector<Column> columns;
    std::vector<const Column*> inputs(graph.nodes().size());
    for (const Input& f : kFields) columns.push_back(part(f.column, first, rows));
    for (size_t i = 0; i < nodes.size(); ++i) inputs[nodes[i]] = &columns[i];
    StringArena arena;
    ExprEvaluator evaluator;
    evaluator.run(graph, needed, inputs, rows, arena);
    std::vector<std::string> out;
    for (size_t r = 0; r < rows; ++r) out.push_back(bits_of(evaluator.at(*id), graph.node(*id).type, r));
    return out;
  };
  const std::vector<std::string> whole = run(0, kRows);
  for (size_t r = 0; r < kRows; ++r)
    if (run(r, 1)[0] != whole[r]) std::abort();
  return 0;
}
