// tests/golden/expressions/*.etest: what every function gives, as whole batches, row by row, and in batches of other sizes.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/decimal.h"
#include "base/float_text.h"
#include "codec/packed_value.h"
#include "feature/expr_functions.h"
#include "feature/expr_text.h"

namespace ms::feature {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// "a | b | c", where a value in double quotes may hold anything.
std::vector<std::string> cells(std::string_view text) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (c == '|' && !quoted) out.emplace_back();
    else out.back() += c;
  }
  for (std::string& cell : out) {
    cell.erase(0, cell.find_first_not_of(' '));
    cell.erase(cell.find_last_not_of(' ') + 1);
  }
  return out;
}

std::string unquoted(std::string_view json) {
  std::string out;
  for (size_t i = 1; i + 1 < json.size(); ++i) {
    if (json[i] != '\\') {
      out += json[i];
      continue;
    }
    switch (json[++i]) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case 'u': out += static_cast<char>(std::stoi(std::string(json.substr(i + 1, 4)), nullptr, 16)), i += 4; break;
      default: out += json[i];
    }
  }
  return out;
}

struct FieldRows {
  std::string name;
  Type type;
  std::vector<std::string> values;
};

// Lists as [1, null], maps as {"a": 1}; elements as values.
std::vector<std::string> elements(std::string_view text) {
  std::vector<std::string> out;
  bool quoted = false;
  std::string one;
  for (size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && text[i - 1] != '\\') quoted = !quoted;
    if (!quoted && (c == ',' || i + 1 == text.size())) {
      if (!one.empty() || c == ',') out.push_back(one);
      one.clear();
    } else if (quoted || c != ' ') {
      one += c;
    }
  }
  return out;
}

PackedElement element_of(const Type& type, const std::string& value, std::string& text) {
  PackedElement e;
  e.is_null = value == "null";
  if (e.is_null) return e;
  switch (type) {
    case TypeKind::kBool: e.i = value == "true" ? 1 : 0; break;
    case TypeKind::kFloat64: e.f = std::strtod(value.c_str(), nullptr); break;
    case TypeKind::kDecimal: e.d = decimal_of_text(value, type.precision, type.scale).value(); break;
    case TypeKind::kString: text = unquoted(value), e.text = text; break;
    case TypeKind::kTimestamp: e.i = value.starts_with('@') ? std::stoll(value.substr(1)) : parse_time(value).value(); break;
    default: e.i = std::stoll(value);
  }
  return e;
}

std::string shown(const Type& type, const PackedElement& e) {
  if (e.is_null) return "null";
  switch (type) {
    case TypeKind::kBool: return e.i != 0 ? "true" : "false";
    case TypeKind::kFloat64: return float_text(e.f);
    case TypeKind::kDecimal: return decimal_text(e.d, type.scale);
    case TypeKind::kString: return canonical_string(e.text);
    case TypeKind::kTimestamp: return format_time(e.i);
    default: return std::to_string(e.i);
  }
}

std::string packed(const Type& type, const std::string& value) {
  std::string bytes;
  PackedListWriter names(TypeKind::kString), list(type.element);
  for (const std::string& item : elements(value)) {
    std::string text;
    const size_t colon = type == TypeKind::kMap ? item.find("\":") + 1 : std::string::npos;
    if (type == TypeKind::kMap) names.add(element_of(TypeKind::kString, item.substr(0, colon), text));
    const PackedElement e = element_of(type.element_type(), type == TypeKind::kMap ? item.substr(colon + 1) : item, text);
    if (type == TypeKind::kVector) bytes.append(reinterpret_cast<const char*>(&e.f), 8);
    else list.add(e);
  }
  if (type == TypeKind::kMap) names.write(bytes);
  if (type != TypeKind::kVector) list.write(bytes);
  EXPECT_TRUE(valid_packed(type, bytes)) << value;
  return bytes;
}

std::string shown_packed(const Type& type, std::string_view bytes) {
  std::string out = "[";
  const PackedList list = type == TypeKind::kList ? PackedList(type.element, bytes) : PackedList();
  const size_t size = type == TypeKind::kList ? list.size() : type.size;
  for (size_t i = 0; i < size; ++i) {
    if (i > 0) out += ", ";
    out += type == TypeKind::kList ? shown(type.element_type(), list.at(i)) : float_text(packed_vector_at(bytes, i));
  }
  return out + "]";
}

// One expression over some rows.
class Evaluation {
 public:
  Evaluation(const std::vector<FieldRows>& fields, const std::string& text) : fields_(fields) {
    ExprGraph::Names names;
    for (const FieldRows& f : fields) names[f.name] = nodes_.emplace_back(graph_.add_field(f.name, f.type));
    const auto id = graph_.add(text, names, "here");
    if (!id) {
      refusal_ = fmt::format("refused: column {}: {}", id.error().column, id.error().message);
      return;
    }
    id_ = *id;
    graph_.reach(id_, needed_);
  }
  const std::string& refusal() const { return refusal_; }
  const ExprGraph& graph() const { return graph_; }
  const std::set<uint32_t>& failures() const { return failures_; }  // the nodes that failed rows

  std::vector<std::string> run(const std::vector<size_t>& rows) {
    std::vector<std::unique_ptr<Column>> columns;
    std::vector<const Column*> inputs(graph_.nodes().size());
    for (size_t i = 0; i < fields_.size(); ++i) {
      columns.push_back(std::make_unique<Column>());
      columns.back()->reset(fields_[i].type, rows.size());
      for (size_t r = 0; r < rows.size(); ++r) put(*columns.back(), r, fields_[i].values[rows[r]]);
      inputs[nodes_[i]] = columns.back().get();
    }
    StringArena arena;
    evaluator_.run(graph_, needed_, inputs, rows.size(), arena);
    std::vector<std::string> out;
    for (size_t r = 0; r < rows.size(); ++r) {
      out.push_back(shown(r));
      if (const uint16_t error = evaluator_.at(id_).error(r); error != 0) failures_.insert(error - 1u);
    }
    return out;
  }

 private:
  void put(Column& to, size_t row, const std::string& value) {
    if (value == "null") return;
    to.set_valid(row);
    if (!is_scalar(to.type)) {
      to.strings[row] = *texts_.insert(packed(to.type, value)).first;
      return;
    }
    std::string text;
    const PackedElement e = element_of(to.type, value, text);
    switch (to.type) {
      case TypeKind::kBool: to.bools[row] = static_cast<uint8_t>(e.i); break;
      case TypeKind::kFloat64: to.floats[row] = e.f; break;
      case TypeKind::kDecimal: to.decimals[row] = e.d; break;
      case TypeKind::kString: to.strings[row] = *texts_.insert(text).first; break;
      default: to.ints[row] = e.i;
    }
  }
  std::string shown(size_t row) const {
    const ExprColumn& c = evaluator_.at(id_);
    if (c.error(row) != 0) return "ERROR";
    if (!c.valid(row)) return "null";
    const Type type = graph_.node(id_).type;
    if (!is_scalar(type)) return shown_packed(type, c.s(row));
    PackedElement e;
    e.is_null = false;
    switch (type) {
      case TypeKind::kBool: e.i = c.b(row); break;
      case TypeKind::kFloat64: e.f = c.f(row); break;
      case TypeKind::kDecimal: e.d = c.d(row); break;
      case TypeKind::kString: e.text = c.s(row); break;
      default: e.i = c.i(row);
    }
    return feature::shown(type, e);
  }

  const std::vector<FieldRows>& fields_;
  ExprGraph graph_;
  ExprEvaluator evaluator_;
  std::vector<uint32_t> nodes_;
  std::vector<bool> needed_;
  std::set<std::string> texts_;
  std::set<uint32_t> failures_;
  uint32_t id_ = 0;
  std::string refusal_;
};

// What the files have used.
struct Used {
  std::set<const ScalarFunction*> functions, failed;
  std::set<Op> ops;
};

class GoldenFile {
 public:
  GoldenFile(const fs::path& path, Used& used) : name_(path.filename().string()), used_(used) {
    std::istringstream in(read_file(path));
    for (std::string line; std::getline(in, line);) {
      ++line_;
      const size_t from = line.find_first_not_of(' ');
      if (from == std::string::npos || line[from] == '#') continue;
      if (from == 0) in_rows_ = line == "rows";
      if (from == 0 && in_rows_) fields_.clear(), rows_ = 1;
      if (from == 0) continue;
      if (in_rows_) field(line.substr(from));
      else check(line.substr(from));
    }
    EXPECT_GT(checked_, 0u) << name_;
  }

 private:
  void field(const std::string& line) {
    std::vector<std::string> values = cells(line);
    std::istringstream head(values[0]);
    FieldRows f;
    std::string type;
    head >> f.name >> type;
    const auto known = parse_type(type);
    ASSERT_TRUE(known) << name_ << ":" << line_ << ": no type " << type;
    f.type = *known;
    f.values.assign(values.begin() + 1, values.end());
    rows_ = f.values.size();
    fields_.push_back(std::move(f));
  }

  void check(const std::string& line) {
    const size_t arrow = line.rfind(" -> ");
    ASSERT_NE(arrow, std::string::npos) << name_ << ":" << line_;
    const std::string text = line.substr(0, arrow), stated = line.substr(arrow + 4);
    const std::string where = fmt::format("{}:{}: {}", name_, line_, text);
    ++checked_;
    Evaluation evaluation(fields_, text);
    if (!evaluation.refusal().empty() || stated.starts_with("refused: ")) {
      EXPECT_EQ(evaluation.refusal(), stated) << where;
      return;
    }
    std::vector<std::string> want = cells(stated);
    if (want.size() == 1) want.resize(rows_, want[0]);
    std::vector<size_t> all(rows_);
    for (size_t r = 0; r < rows_; ++r) all[r] = r;
    const std::vector<std::string> whole = evaluation.run(all);
    EXPECT_EQ(fmt::format("{}", fmt::join(whole, " | ")), fmt::format("{}", fmt::join(want, " | "))) << where;
    note(evaluation);
    // Any other cut into batches gives the same.
    std::vector<size_t> many;
    for (size_t i = 0; i < 131; ++i) many.push_back((i * 7) % rows_);
    const std::vector<std::string> mixed = evaluation.run(many);
    for (size_t i = 0; i < many.size(); ++i) EXPECT_EQ(mixed[i], whole[many[i]]) << where;
    for (size_t r = 0; r < rows_; ++r) EXPECT_EQ(evaluation.run({r})[0], whole[r]) << where;
    EXPECT_TRUE(evaluation.run({}).empty());
  }

  void note(const Evaluation& evaluation) {
    for (const ExprNode& n : evaluation.graph().nodes()) {
      used_.ops.insert(n.op);
      if (n.function != nullptr) used_.functions.insert(n.function);
    }
    for (const uint32_t node : evaluation.failures())
      if (const auto* f = evaluation.graph().node(node).function; f != nullptr) used_.failed.insert(f);
  }

  std::string name_;
  Used& used_;
  size_t line_ = 0, rows_ = 1, checked_ = 0;
  bool in_rows_ = false;
  std::vector<FieldRows> fields_;
};

std::string form_of(const ScalarFunction& f) {
  std::string out = std::string(f.name) + "(";
  for (size_t i = 0; i < f.in.size(); ++i) out += (i ? ", " : "") + std::string(ms::to_string(f.in[i]));
  return out + std::string(f.shape) + ")";
}

TEST(ExprGolden, EveryFileHoldsAndEveryFunctionIsStated) {
  Used used;
  for (const auto& entry : fs::directory_iterator(fs::path(MS_SOURCE_DIR) / "tests/golden/expressions"))
    if (entry.path().extension() == ".etest") GoldenFile(entry.path(), used);
  for (const ScalarFunction& f : scalar_functions()) {
    EXPECT_TRUE(used.functions.contains(&f)) << form_of(f) << " is not stated in tests/golden/expressions";
    if (f.fails.empty()) EXPECT_FALSE(used.failed.contains(&f)) << form_of(f) << " fails but does not say why";
    else EXPECT_TRUE(used.failed.contains(&f)) << form_of(f) << " has no row that fails in tests/golden/expressions";
  }
  for (int op = 0; op <= static_cast<int>(Op::kCall); ++op) EXPECT_TRUE(used.ops.contains(static_cast<Op>(op))) << "operator " << op;
}

// Other files than the kept ones: tests/oracle/test_expressions.py writes random expressions and has them checked here.
TEST(ExprGolden, FilesOfMsExpressionsHold) {
  const char* const folder = std::getenv("MS_EXPRESSIONS");
  if (folder == nullptr) GTEST_SKIP() << "MS_EXPRESSIONS names no folder";
  Used used;
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) GoldenFile(entry.path(), used), ++files;
  EXPECT_GT(files, 0u);
}

TEST(ExprGolden, EveryFunctionHasALineInTheDocuments) {
  const std::string page = read_file(fs::path(MS_SOURCE_DIR) / "docs/expressions.md");
  for (const std::string& name : function_names()) {
    if (name == "||" || name == "like" || name.starts_with("[")) continue;
    EXPECT_TRUE(page.contains("`" + name + "(")) << name << " is not in docs/expressions.md";
  }
}

TEST(ExprGolden, TheUnicodeVersionIsThatOfTheLanguage) { EXPECT_EQ(unicode_version(), "15.0.0"); }

}  // namespace
}  // namespace ms::feature
