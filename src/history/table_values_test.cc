// Decimals, lists, vectors and maps into our columns and back into Arrow's.
#include "history/table_values.h"

#include <arrow/io/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "codec/decimal_text.h"
#include "codec/packed_value.h"
#include "codec/value_text.h"
#include "history/history_fixture.h"
#include "history/table.h"

namespace ms::history {
namespace {

// A Parquet file of one column "x", in row groups of two.
std::string file_of(const Directory& dir, const std::shared_ptr<arrow::Array>& array) {
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("x", array->type())}), {array});
  const auto sink = arrow::io::FileOutputStream::Open(dir / "x.parquet").ValueOrDie();
  EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 2, parquet::default_writer_properties(),
                                         parquet::ArrowWriterProperties::Builder().store_schema()->build())
                  .ok());
  return dir / "x.parquet";
}

std::shared_ptr<arrow::Array> array_of(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  auto made = arrow::json::ArrayFromJSONString(type, json);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return *made;
}

std::string shown(const Table& table, const Type& type) {
  if (const auto fits = table.check(0, type); !fits) return fits.error().message.substr(table.path().size());
  Column column;
  table.fill(0, type, 0, table.rows(), column);
  std::string out;
  for (size_t i = 0; i < table.rows(); ++i) {
    if (i > 0) out += ' ';
    if (!column.valid(i)) out += "-";
    else if (type == TypeKind::kDecimal) out += decimal_text(column.decimals[i], type.scale);
    else if (!valid_packed(type, column.strings[i])) out += "not valid";
    else out += nested_text(type, column.strings[i]);
  }
  return out;
}
std::string from_parquet(const std::shared_ptr<arrow::DataType>& type, const std::string& json, const char* wanted) {
  const Directory dir;
  const auto table = Table::read(file_of(dir, array_of(type, json)), std::nullopt, 2);
  return table ? shown(**table, *parse_type(wanted)) : table.error().message;
}

TEST(TableValues, Decimals) {
  EXPECT_EQ(from_parquet(arrow::decimal128(12, 2), R"(["-0.05", null, "9999999999.99"])", "decimal(12,2)"), "-0.05 - 9999999999.99");
  EXPECT_EQ(from_parquet(arrow::decimal128(10, 1), R"(["1.5", "-2.0"])", "decimal(12,3)"), "1.500 -2.000");
  EXPECT_EQ(from_parquet(arrow::decimal256(38, 2), R"(["-999999999999999999999999999999999999.99"])", "decimal(38,2)"),
            "-999999999999999999999999999999999999.99");
  EXPECT_EQ(from_parquet(arrow::int16(), "[-7, 3]", "decimal(7,2)"), "-7.00 3.00");
  EXPECT_EQ(from_parquet(arrow::decimal128(12, 3), R"(["1.005"])", "decimal(12,2)"),
            ": column 'x' is decimal128(12, 3), wanted decimal(12,2)");
  EXPECT_EQ(from_parquet(arrow::int64(), "[1]", "decimal(12,2)"), ": column 'x' is int64, wanted decimal(12,2)");
  EXPECT_EQ(from_parquet(arrow::float64(), "[1]", "decimal(12,2)"), ": column 'x' is double, wanted decimal(12,2)");
}

TEST(TableValues, Lists) {
  EXPECT_EQ(from_parquet(arrow::list(arrow::utf8()), R"([["a", null], [], null, ["bc"], [""]])", "list<string>"),
            R"(["a",null] [] - ["bc"] [""])");
  EXPECT_EQ(from_parquet(arrow::large_list(arrow::int32()), "[[1, null], [-2]]", "list<int64>"), "[1,null] [-2]");
  EXPECT_EQ(from_parquet(arrow::list(arrow::float32()), "[[0.5], [1]]", "list<float64>"), "[0.5] [1.0]");
  EXPECT_EQ(from_parquet(arrow::list(arrow::boolean()), "[[true, false, null]]", "list<bool>"), "[true,false,null]");
  EXPECT_EQ(from_parquet(arrow::list(arrow::decimal128(5, 1)), R"([["1.5", null]])", "list<decimal(9,2)>"), "[1.50,null]");
  EXPECT_EQ(from_parquet(arrow::list(arrow::timestamp(arrow::TimeUnit::MILLI)), "[[1500]]", "list<timestamp>"),
            R"(["1970-01-01T00:00:01.500000Z"])");
  EXPECT_EQ(from_parquet(arrow::list(arrow::utf8()), R"([["a"]])", "list<int64>"),
            ": column 'x' is list<element: string>, wanted list<int64>");
}

TEST(TableValues, Vectors) {
  EXPECT_EQ(from_parquet(arrow::fixed_size_list(arrow::float64(), 2), "[[1, 2.5], [3, 4]]", "vector<float64,2>"), "[1.0,2.5] [3.0,4.0]");
  EXPECT_EQ(from_parquet(arrow::list(arrow::float32()), "[[1, 2.5], null, [3, 4]]", "vector<float64,2>"), "[1.0,2.5] - [3.0,4.0]");
  EXPECT_EQ(from_parquet(arrow::list(arrow::float64()), "[[1, 2], [1, 2], [1, 2, 3]]", "vector<float64,2>"),
            ": row 3: column 'x', wanted vector<float64,2>: has 3 numbers");
  EXPECT_EQ(from_parquet(arrow::list(arrow::float64()), "[[1, null]]", "vector<float64,2>"),
            ": row 1: column 'x', wanted vector<float64,2>: holds a null");
  EXPECT_NE(from_parquet(arrow::fixed_size_list(arrow::float64(), 3), "[[1, 2, 3]]", "vector<float64,2>").find("wanted vector<float64,2>"),
            std::string::npos);
}

TEST(TableValues, Maps) {
  EXPECT_EQ(from_parquet(arrow::map(arrow::utf8(), arrow::float64()), R"([[["b", 1], ["a", null]], [], null, [["k", 1], ["k", 2]]])",
                         "map<string,float64>"),
            R"({"a":null,"b":1.0} {} - {"k":2.0})");
  EXPECT_EQ(from_parquet(arrow::struct_({arrow::field("b", arrow::int64()), arrow::field("a", arrow::int32())}),
                         R"([{"b": 1, "a": 2}, {"b": null, "a": 3}, null])", "map<string,int64>"),
            R"({"a":2,"b":1} {"a":3,"b":null} -)");
  EXPECT_NE(from_parquet(arrow::map(arrow::int64(), arrow::int64()), "[[[1, 2]]]", "map<string,int64>").find("wanted map<string,int64>"),
            std::string::npos);
}

// A CSV has texts: decimals as they are, the others as JSON.
TEST(TableValues, Csv) {
  const Directory dir;
  const auto read = [&](const std::string& text, const char* type) {
    const auto table = Table::read(dir.write("x.csv", "x,y\n" + text), std::vector<std::string>{"x"}, 1, {{"x", *parse_type(type)}});
    return table ? shown(**table, *parse_type(type)) : table.error().message;
  };
  EXPECT_EQ(read("1.5,0\n,0\n-3,0\n", "decimal(12,2)"), "1.50 - -3.00");
  EXPECT_NE(read("1.505,0\n", "decimal(12,2)").find("x.csv: In CSV column #0: Row #2: Rescaling Decimal value would cause data loss"),
            std::string::npos);
  EXPECT_EQ(read("\"[1,null]\",0\n,0\n[],0\n", "list<int64>"), "[1,null] - []");
  EXPECT_EQ(read("\"{\"\"b\"\":1,\"\"a\"\":2}\",0\n", "map<string,int64>"), R"({"a":2,"b":1})");
  EXPECT_EQ(read("[1],0\n\"[1,2]\",0\n", "vector<float64,1>"),
            ": row 2: column 'x', wanted vector<float64,1>: json: field 'x' has more than 1 numbers, not vector<float64,1>");
}

// What is written reads back as it was.
TEST(TableValues, WrittenValuesReadBack) {
  const std::tuple<const char*, std::shared_ptr<arrow::DataType>, const char*, const char*> cases[] = {
      {"decimal(20,3)", arrow::decimal128(20, 3), R"(["-0.050", "12.345"])", "-0.050 12.345"},
      {"list<string>", arrow::list(arrow::utf8()), R"([["a", null], []])", R"(["a",null] [])"},
      {"list<decimal(38,2)>", arrow::list(arrow::decimal128(38, 2)), R"([["-7.00"]])", "[-7.00]"},
      {"list<timestamp>", arrow::list(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")), "[[5]]", R"(["1970-01-01T00:00:00.000005Z"])"},
      {"vector<float64,2>", arrow::fixed_size_list(arrow::float64(), 2), "[[0.5, -1]]", "[0.5,-1.0]"},
      {"map<string,bool>", arrow::map(arrow::utf8(), arrow::boolean()), R"([[["a", true], ["b", null]]])", R"({"a":true,"b":null})"},
  };
  for (const auto& [name, arrow, json, text] : cases) {
    const Type type = *parse_type(name);
    EXPECT_TRUE(arrow_type(type)->Equals(arrow)) << name;
    const auto array = array_of(arrow, json);
    Column column;
    column.reset(type, static_cast<size_t>(array->length()));
    for (int64_t i = 0; i < array->length(); ++i) column.set_valid(static_cast<size_t>(i));
    StringArena arena;
    fill_array(*array, 0, static_cast<size_t>(array->length()), 0, column, [&](std::string_view bytes) { return arena.add(bytes); });
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ASSERT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), arrow_type(type), &builder).ok());
    for (size_t i = 0; i < static_cast<size_t>(array->length()); ++i) {
      const std::string_view bytes =
          type == TypeKind::kDecimal ? std::string_view(reinterpret_cast<const char*>(&column.decimals[i]), 16) : column.strings[i];
      ASSERT_TRUE(append_bytes(*builder, type, bytes).ok());
    }
    const auto back = builder->Finish().ValueOrDie();
    EXPECT_TRUE(back->Equals(array)) << name << "\n" << back->ToString();
    const Directory dir;
    EXPECT_EQ(shown(**Table::read(file_of(dir, back), std::nullopt, 1), type), text);
  }
}

}  // namespace
}  // namespace ms::history
