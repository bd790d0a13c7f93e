#include <gtest/gtest.h>

#include "feature/expr_eval.h"

namespace ms::feature {
namespace {

// Three rows of every type: a value, another, null.
struct Table {
  Table() {
    add("a", TypeKind::kInt64).ints = {6, INT64_MAX, 0};
    add("b", TypeKind::kInt64).ints = {4, 1, 0};
    add("x", TypeKind::kFloat64).floats = {2.5, -1.5, 0};
    add("s", TypeKind::kString).strings = {"Ab%c", "12", ""};
    add("p", TypeKind::kBool).bools = {1, 0, 0};
    add("t", TypeKind::kTimestamp).ints = {1767225600000000 + 3'723'000'000, -1, 0};  // 2026-01-01T01:02:03Z, a Thursday
    add("n.in", TypeKind::kInt64).ints = {0, 5, 0};
  }
  Column& add(const std::string& name, TypeKind type) {
    columns.push_back(std::make_unique<Column>());
    columns.back()->reset(type, 3);
    columns.back()->set_valid(0), columns.back()->set_valid(1);
    const uint32_t id = graph.add_field(name, type);
    names[name] = id;
    fields.resize(id + 1);
    fields[id] = columns.back().get();
    return *columns.back();
  }

  // The results of the three rows as text, or "column N: message".
  std::string eval(const std::string& text) {
    const auto id = graph.add(text, names, "where");
    if (!id) return "column " + std::to_string(id.error().column) + ": " + id.error().message;
    std::vector<bool> needed(graph.nodes().size());
    graph.reach(*id, needed);
    fields.resize(graph.nodes().size());
    evaluator.run(graph, needed, fields, 3, arena);
    std::string out;
    for (size_t r = 0; r < 3; ++r) out += (r ? " " : "") + show(*id, r);
    return out;
  }
  std::string show(uint32_t id, size_t r) {
    const ExprColumn& c = evaluator.at(id);
    if (c.error(r) != 0) return "ERROR";
    if (!c.valid(r)) return "null";
    switch (graph.node(id).type) {
      case TypeKind::kBool: return c.b(r) ? "true" : "false";
      case TypeKind::kFloat64: return number_text(c.f(r));
      case TypeKind::kString: return "'" + std::string(c.s(r)) + "'";
      case TypeKind::kTimestamp: return format_time(c.i(r));
      default: return std::to_string(c.i(r));
    }
  }

  ExprGraph graph;
  ExprGraph::Names names;
  std::vector<std::unique_ptr<Column>> columns;
  std::vector<const Column*> fields;
  ExprEvaluator evaluator;
  StringArena arena;
};

TEST(Expr, Values) {
  const std::pair<const char*, const char*> cases[] = {
      {"a + b", "10 ERROR null"},
      {"a - b * 2", "-2 9223372036854775805 null"},
      {"a / b", "1.5 9223372036854775808 null"},
      {"a / 0", "null null null"},
      {"a % b", "2 0 null"},
      {"a % n.in", "null 2 null"},
      {"-a", "-6 -9223372036854775807 null"},
      {"- 5 + +3", "-2 -2 -2"},
      {"-9223372036854775808", "-9223372036854775808 -9223372036854775808 -9223372036854775808"},
      {"abs(x)", "2.5 1.5 null"},
      {"x % 2", "0.5 -1.5 null"},
      {"floor(x) + ceil(x) + round(x)", "8 -5 null"},
      {"a > b and p", "true false null"},
      {"p or true", "true true true"},
      {"p and null", "null false null"},
      {"not p", "false true null"},
      {"a is null", "false false true"},
      {"a is not null", "true true false"},
      {"b in (1, 2)", "false true null"},
      {"b in (1, null)", "column 3: '= null' is never true; write 'is null' or 'is not null'"},
      {"b not in (1, 2)", "true false null"},
      {"b between 2 and 4", "true false null"},
      {"s like 'A_\\%%'", "true false null"},
      {"s like '%c'", "true false null"},
      {"case when p then a when not p then b else 0 end", "6 1 0"},
      {"case b when 4 then 'four' when 1 then 'one' end", "'four' 'one' null"},
      {"coalesce(a, -1)", "6 9223372036854775807 -1"},
      {"nullif(b, 1)", "4 null null"},
      {"least(a, b, 5)", "4 1 5"},
      {"greatest(a, x)", "6 9223372036854775808 null"},
      {"s || '-' || lower(s)", "'Ab%c-ab%c' '12-12' null"},
      {"upper(s)", "'AB%C' '12' null"},
      {"length('h\xC3\xA9!')", "3 3 3"},
      {"substr('h\xC3\xA9llo', 2, 2)", "'\xC3\xA9l' '\xC3\xA9l' '\xC3\xA9l'"},
      {"substr(s, 0, 2)", "'A' '1' null"},
      {"year(t) * 10000 + month(t) * 100 + day(t)", "20260101 19691231 null"},
      {"hour(t) * 100 + minute(t)", "102 2359 null"},
      {"day_of_week(t)", "4 3 null"},
      {"date_trunc('week', t)", "2025-12-29T00:00:00.000000Z 1969-12-29T00:00:00.000000Z null"},
      {"date_trunc('month', t)", "2026-01-01T00:00:00.000000Z 1969-12-01T00:00:00.000000Z null"},
      {"t - timestamp '2026-01-01'", "3723000000 -1767225600000001 null"},
      {"t >= timestamp '2026-01-01'", "true false null"},
      {"cast(x as int64)", "2 -1 null"},
      {"cast(s as int64)", "ERROR 12 null"},
      {"cast(x as string)", "'2.5' '-1.5' null"},
      {"cast(p as int64)", "1 0 null"},
      {"cast('2026-01-01T00:00:00Z' as timestamp) = timestamp '2026-01-01'", "true true true"},
      {"a + b > 0", "true ERROR null"},
      {"a + b > 0 or b = 1", "true true null"},
      {"case when b = 1 then 0 else a + b end", "10 0 null"},
      {"coalesce(null, a + 1, 3)", "7 ERROR 3"},
  };
  Table table;
  for (const auto& [text, want] : cases) EXPECT_EQ(table.eval(text), want) << text;
}

TEST(Expr, MistakesNameThePlaceAndTheCure) {
  const std::pair<const char*, const char*> cases[] = {
      {"a +", "column 4: expected a value before the end"},
      {"a b", "column 3: expected an operator or the end before 'b'"},
      {"n.im > 3", "column 1: there is no field 'n.im'; did you mean 'n.in'?"},
      {"uper(s)", "column 1: there is no function 'uper'; did you mean 'upper'?"},
      {"a > 'x'", "column 3: '>' mixes int64 and string; convert one with cast(... as int64)"},
      {"s + s", "column 3: '+' needs numbers, not string; texts are joined with ||"},
      {"a = null", "column 3: '= null' is never true; write 'is null' or 'is not null'"},
      {"null", "column 1: null alone has no type; write cast(null as ...)"},
      {"cast(a as imt64)", "column 11: there is no type 'imt64'; did you mean 'int64'?"},
      {"cast(x as bool)", "column 1: float64 cannot be cast to bool"},
      {"9223372036854775808", "column 1: 9223372036854775808 does not fit in int64"},
      {"'x", "column 1: the text that opens with ' is never closed"},
      {"length(s, s)", "column 1: length takes (string) or (list or vector or map), not (string, string)"},
      {"date_trunc('hours', t)", "column 12: date_trunc has no unit 'hours'; did you mean 'hour'?"},
      {"not a", "column 5: operand 1 of 'not' is int64, not bool; convert it with cast(... as bool)"},
      {"a ; b", "column 3: ';' has no meaning here"},
  };
  Table table;
  for (const auto& [text, want] : cases) EXPECT_EQ(table.eval(text), want) << text;
}

TEST(Expr, DeepAndLongTextsAreRefused) {
  Table table;
  EXPECT_EQ(table.eval(std::string(1000, '(') + "1"), "column 65: nested too deeply");
  std::string minus(300, '-');
  EXPECT_EQ(table.eval("a" + minus + "a"), "column 67: nested too deeply");
  std::string nots;
  for (int i = 0; i < 100; ++i) nots += "not ";
  EXPECT_NE(table.eval(nots + "p").find("nested too deeply"), std::string::npos);
  std::string sum = "a";
  for (int i = 0; i < 1000; ++i) sum += "+a";
  EXPECT_NE(table.eval(sum).find("more than 1000 operators"), std::string::npos);
  EXPECT_NE(table.eval(std::string(20'000, ' ')).find("longer than"), std::string::npos);
}

TEST(Expr, EqualPartsAreOneNode) {
  Table table;
  const auto one = table.graph.add("a + b > 3", table.names, "where");
  const size_t nodes = table.graph.nodes().size();
  const auto two = table.graph.add("(a+b) > 3", table.names, "elsewhere");
  EXPECT_EQ(*one, *two);
  EXPECT_EQ(table.graph.nodes().size(), nodes);
  EXPECT_EQ(table.graph.canonical(*one),
            R"([">","bool",["+","int64",["field","int64","a"],["field","int64","b"]],["literal","int64","3"]])");
}

}  // namespace
}  // namespace ms::feature
