#include "history/table.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "history/history_fixture.h"
#include "history/spine.h"

namespace ms::history {
namespace {

void write_parquet(const std::string& path, const std::shared_ptr<arrow::Table>& table, int64_t rows_per_group) {
  const auto sink = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  const auto properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, rows_per_group,
                                         parquet::default_writer_properties(), properties).ok());
}

template <class Builder, class Value>
std::shared_ptr<arrow::Array> array_of(Builder&& builder, const std::vector<std::optional<Value>>& values) {
  for (const auto& value : values) EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  return builder.Finish().ValueOrDie();
}

// Five rows in row groups of two, so that every read crosses pieces.
std::shared_ptr<const Table> sample(const Directory& dir) {
  const auto narrow = array_of<arrow::Int16Builder, int16_t>(arrow::Int16Builder(), {int16_t{-1}, std::nullopt, int16_t{3}, int16_t{4}, int16_t{5}});
  const auto name = array_of<arrow::LargeStringBuilder, std::string>(arrow::LargeStringBuilder(), {"ORD", "JFK", std::nullopt, "ORD", ""});
  const auto nanos = array_of<arrow::TimestampBuilder, int64_t>(
      arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::NANO), arrow::default_memory_pool()),
      {int64_t{-1}, int64_t{1999}, std::nullopt, int64_t{3000}, int64_t{4001}});
  const auto flag = array_of<arrow::BooleanBuilder, bool>(arrow::BooleanBuilder(), {true, false, std::nullopt, true, false});
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("narrow", arrow::int16()), arrow::field("name", arrow::large_utf8()),
                     arrow::field("when", arrow::timestamp(arrow::TimeUnit::NANO)), arrow::field("flag", arrow::boolean())}),
      {narrow, name, nanos, flag});
  write_parquet(dir / "t.parquet", table, 2);
  auto read = Table::read(dir / "t.parquet", std::nullopt, 2);
  EXPECT_TRUE(read) << read.error().message;
  return *read;
}

TEST(Table, WidensAndKeepsNulls) {
  const Directory dir;
  const auto table = sample(dir);
  ASSERT_EQ(table->rows(), 5u);
  Column column;
  table->fill(0, TypeKind::kInt64, 1, 4, column);
  EXPECT_EQ(column.ints, (std::vector<int64_t>{0, 3, 4, 5}));
  EXPECT_FALSE(column.valid(0));
  EXPECT_TRUE(column.valid(3));
  table->fill(0, TypeKind::kFloat64, 0, 1, column);
  EXPECT_EQ(column.floats, (std::vector<double>{-1}));
  table->fill(1, TypeKind::kString, 0, 5, column);
  EXPECT_EQ(column.strings[3], "ORD");
  EXPECT_TRUE(column.valid(4));
  EXPECT_FALSE(column.valid(2));
  table->fill(3, TypeKind::kBool, 0, 5, column);
  EXPECT_EQ(column.bools, (std::vector<uint8_t>{1, 0, 0, 1, 0}));
  EXPECT_TRUE(table->check(0, TypeKind::kInt64));
  const auto refused = table->check(1, TypeKind::kInt64);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("column 'name' is large_string, wanted int64"), std::string::npos) << refused.error().message;
}

TEST(Table, CutsTimesToMicrosecondsDownwards) {
  const Directory dir;
  const auto table = sample(dir);
  Column column;
  table->fill_time(2, std::nullopt, 0, 5, column);
  EXPECT_EQ(column.ints, (std::vector<int64_t>{-1, 1, 0, 3, 4}));
  EXPECT_FALSE(column.valid(2));
}

TEST(Table, GivesOneDictionaryForAllRowGroups) {
  const Directory dir;
  const auto table = sample(dir);
  const auto values = table->dictionary(1);
  ASSERT_TRUE(values);
  std::vector<uint32_t> codes(5);
  table->codes(1, 0, 5, codes.data());
  EXPECT_EQ(codes[0], codes[3]);
  EXPECT_EQ((*values)[codes[1]], "JFK");
  EXPECT_EQ(codes[2], UINT32_MAX);
  EXPECT_EQ((*values)[codes[4]], "");
}

// A column of nulls alone has no type in a CSV, and none of its own in many a Parquet file.
TEST(Table, AColumnOfNullsIsOfAnyType) {
  const Directory dir;
  const auto table = *Table::read(dir.write("n.csv", "k,x\n1,\n2,\n"), std::nullopt, 1);
  for (const TypeKind kind : {TypeKind::kBool, TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kString, TypeKind::kTimestamp}) {
    EXPECT_TRUE(table->check(1, kind)) << type_text(kind);
    Column column;
    table->fill(1, kind, 0, 2, column);
    EXPECT_FALSE(column.valid(0) || column.valid(1)) << type_text(kind);
  }
  EXPECT_TRUE(table->check(1, Type::decimal(8, 2)));
  EXPECT_FALSE(table->check_time(1, std::nullopt));  // the time of a row or an event must be there
}

TEST(Table, RefusesWhatIsNotThere) {
  const Directory dir;
  const auto table = sample(dir);
  const auto missing = table->find("nam");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("did you mean 'name'?"), std::string::npos) << missing.error().message;
  EXPECT_TRUE(Table::read(dir / "none.parquet", std::nullopt, 1).error().message.ends_with("none.parquet: No such file or directory"));
  const std::string text = dir.write("text.parquet", "not parquet at all, not even close");
  EXPECT_EQ(Table::read(text, std::nullopt, 1).error().kind, ErrorKind::kInvalidArgument);
  const auto narrow = Table::read(dir / "t.parquet", std::vector<std::string>{"name", "flog"}, 1);
  ASSERT_FALSE(narrow);
  EXPECT_NE(narrow.error().message.find("did you mean 'flag'?"), std::string::npos) << narrow.error().message;
}

TEST(Spine, ChoosesTheTimeColumn) {
  const Directory dir;
  const auto named = Table::read(dir.write("a.csv", "date,event_time\n2001-01-01,2001-01-01 00:01:00\n"), std::nullopt, 1);
  ASSERT_TRUE(named);
  EXPECT_EQ(*choose_time_column(**named, ""), 1u);
  EXPECT_EQ(*choose_time_column(**named, "date"), 0u);
  EXPECT_FALSE(choose_time_column(**named, "dat"));
  const auto only = Table::read(dir.write("b.csv", "n,asked\n1,2001-01-01 00:01:00\n"), std::nullopt, 1);
  EXPECT_EQ(*choose_time_column(**only, ""), 1u);
  const auto both = Table::read(dir.write("c.csv", "x,y\n2001-01-01 00:01:00,2001-01-01 00:01:00\n"), std::nullopt, 1);
  EXPECT_FALSE(choose_time_column(**both, ""));
  const auto number = Table::read(dir.write("d.csv", "time\n5\n"), std::nullopt, 1);
  EXPECT_FALSE(choose_time_column(**number, ""));
}

TEST(Spine, NamesTheRowThatHasNoTimeOrKey) {
  const Directory dir;
  const auto table = *Table::read(dir.write("a.csv", "k,n,time\na,1,2001-01-01\nb,,\n"), std::nullopt, 1);
  const auto times = read_times(*table, 2, 2, {});
  ASSERT_FALSE(times);
  EXPECT_NE(times.error().message.find("a.csv: row 2: the time 'time' is null"), std::string::npos) << times.error().message;
  const auto keys = read_keys(*table, {{"k", TypeKind::kString}, {"n", TypeKind::kInt64}}, 1, {});
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message.find("row 2: the key 'n' is null"), std::string::npos) << keys.error().message;
  EXPECT_FALSE(read_keys(*table, {{"airport", TypeKind::kString}}, 1, {}));
  const auto mistyped = read_keys(*table, {{"k", TypeKind::kInt64}}, 1, {});
  ASSERT_FALSE(mistyped);
  EXPECT_NE(mistyped.error().message.find("wanted int64"), std::string::npos) << mistyped.error().message;
}

TEST(Table, AFileThatIsNotThereIsTheAskersFaultADiskThatFailsIsNot) {
  const Directory dir;
  for (const char* name : {"no.csv", "no.parquet", "no/no.csv"}) {
    const auto missing = Table::read(dir / name, std::nullopt, 1);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, ErrorKind::kInvalidArgument) << missing.error().message;
  }
  std::filesystem::create_symlink("/proc/self/mem", dir / "broken.csv");  // its first page is nowhere: EIO
  const auto broken = Table::read(dir / "broken.csv", std::nullopt, 1);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind, ErrorKind::kInternal) << broken.error().message;
  EXPECT_TRUE(broken.error().message.ends_with("broken.csv: Input/output error")) << broken.error().message;
}

}  // namespace
}  // namespace ms::history
