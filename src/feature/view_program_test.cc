#include <gtest/gtest.h>

#include "base/testing/doc_example.h"
#include "feature/view_program.h"

namespace ms::feature {
namespace {

const SourceDefinition kSource{.name = "arrivals", .topic = "arrivals",
                               .fields = {{"origin", TypeKind::kString}, {"delay", TypeKind::kInt64}, {"cancelled", TypeKind::kBool}, {"unused", TypeKind::kString}},
                               .time_field = "landed_at", .derived = {{"late", "delay > 15"}, {"twice", "delay * 2"}}};
const EntityDefinition kAirport{"airport", {"origin"}};

ViewDefinition view() {
  const Window hour{WindowKind::kSliding, kMicrosPerHour, 5 * kMicrosPerMinute};
  return {.name = "v", .entity = "airport", .source = "arrivals", .where = "not cancelled",
          .features = {{.name = "n_count_1h", .aggregate = AggregateKind::kCount, .window = hour},
                       {.name = "late_count_if_1h", .aggregate = AggregateKind::kCountIf, .of = "late", .window = hour},
                       {.name = "d_avg_1h", .aggregate = AggregateKind::kAvg, .of = "twice", .where = "delay < 1000", .window = hour},
                       {.name = "d_sum_1h", .aggregate = AggregateKind::kSum, .of = "delay*2", .where = "delay<1000", .window = hour}}};
}

// Columns: origin, delay, cancelled, event time.
ColumnBatch batch() {
  ColumnBatch b;
  b.rows = 5;
  b.columns.resize(4);
  b.columns[0].reset(TypeKind::kString, 5), b.columns[1].reset(TypeKind::kInt64, 5), b.columns[2].reset(TypeKind::kBool, 5), b.columns[3].reset(TypeKind::kTimestamp, 5);
  b.columns[0].strings = {"ORD", "JFK", "", "ORD", "LAX"};
  b.columns[1].ints = {10, 20, 30, INT64_MAX, INT64_MIN};
  b.columns[2].bools = {0, 1, 0, 0, 0};
  for (size_t r = 0; r < 5; ++r) {
    for (size_t c = 0; c < 4; ++c) if (!(c == 0 && r == 2)) b.columns[c].set_valid(r);
    b.columns[3].ints[r] = static_cast<int64_t>(100 + r);
    b.offsets.push_back({static_cast<int64_t>(7 + r)}), b.append_times.push_back({static_cast<int64_t>(1000 + r)});
  }
  return b;
}

TEST(ViewProgram, PreparesRows) {
  const auto program = ViewProgram::compile(kSource, kAirport, view());
  ASSERT_TRUE(program) << program.error().message;
  const ViewProgram& p = **program;
  ASSERT_EQ(p.input_fields().size(), 3u);  // `unused` is not decoded
  EXPECT_EQ(p.specs()[2].argument, p.specs()[3].argument);  // `twice` is delay*2
  EXPECT_EQ(p.specs()[2].filter, p.specs()[3].filter);
  EXPECT_EQ(p.features()[2].type, TypeKind::kFloat64);
  EXPECT_EQ(p.longest_reach_us(), 65 * kMicrosPerMinute);

  PreparedRows out;
  const ColumnBatch b = batch();
  const std::vector<uint8_t> keep(5, 1);
  p.prepare(b, keep, out);
  // Row 1 is filtered, row 2 has no key, row 3 overflows only where delay < 1000 does not hold, row 4 where it does.
  EXPECT_EQ(out.rows, 2u);
  EXPECT_EQ(out.filtered, 1u);
  EXPECT_EQ(out.null_keys, 1u);
  ASSERT_EQ(out.failed.size(), 1u);
  EXPECT_EQ(out.failed[0].row, 4u);
  EXPECT_EQ(out.failed[0].reason, "derived.twice, column 7: int64 overflow in '*'");
  EXPECT_EQ(out.offsets, (std::vector<int64_t>{7, 10}));
  EXPECT_EQ(out.event_times_us, (std::vector<int64_t>{100, 103}));
  EXPECT_EQ(out.filters[0], (std::vector<uint8_t>{1, 0}));
  const Column& twice = out.arguments[static_cast<size_t>(p.specs()[2].argument)];
  EXPECT_EQ(twice.ints[0], 20);
  EXPECT_FALSE(twice.valid(1));
  std::string key;
  append_key_part(key, std::string_view("ORD"));
  EXPECT_EQ(out.keys[0], key);
  EXPECT_EQ(out.shard_hashes[0], shard_hash(key));

  // A second batch with its columns in another place appends.
  ColumnBatch moved = batch();
  std::swap(moved.columns[0], moved.columns[3]);
  const std::vector<uint32_t> columns = {3, 1, 2, 0};
  p.prepare(moved, columns, keep, out);
  EXPECT_EQ(out.rows, 4u);
  EXPECT_EQ(out.event_times_us, (std::vector<int64_t>{100, 103, 100, 103}));
  EXPECT_EQ(out.arguments[static_cast<size_t>(p.specs()[2].argument)].ints[2], 20);
  out.clear();
  p.prepare(b, keep, out);
  EXPECT_EQ(out.rows, 2u);
}

// Of a retraction nothing is asked but its key and the offset that it names.
TEST(ViewProgram, RetractionsNameAnEarlierOffset) {
  SourceDefinition source = kSource;
  source.retract = {.when = "cancelled", .offset = "delay"};
  ViewDefinition v = view();
  v.where = "origin <> 'LAX'";
  const auto program = ViewProgram::compile(source, kAirport, v);
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_TRUE((*program)->retracts());
  ColumnBatch b = batch();
  b.columns[0].strings = {"ORD", "LAX", "", "ORD", "LAX"};
  b.columns[1].ints = {10, 3, 4, 10, -1};
  b.columns[2].bools = {0, 1, 1, 1, 1};
  PreparedRows out;
  const std::vector<uint8_t> keep(5, 1);
  (*program)->prepare(b, keep, out);
  // Row 1 passes no filter and is here, row 2 has no key, row 3 has offset 10 itself, row 4 a negative one.
  EXPECT_EQ(out.offsets, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(out.retracts, (std::vector<int64_t>{PreparedRows::kEvent, 3}));
  EXPECT_EQ(out.null_keys, 1u);
  ASSERT_EQ(out.failed.size(), 2u);
  EXPECT_EQ(out.failed[0].reason, "its offset is not lower than the record's own");
  EXPECT_EQ(out.failed[1].reason, "its offset is negative");
  EXPECT_TRUE(out.failed[0].of_retraction && out.failed[1].of_retraction);
  b.columns[1].set_null(1);
  out.clear();
  (*program)->prepare(b, keep, out);
  EXPECT_EQ(out.failed[0].reason, "its offset is null");
  EXPECT_EQ(out.retracts.size(), out.rows);
}

TEST(ViewProgram, IdentityIsTheComputation) {
  const auto a = ViewProgram::compile(kSource, kAirport, view());
  EXPECT_EQ((*a)->canonical_feature(2),
            R"({"aggregate":"avg","boundary":"strict","cap":null,"default":null,"event_time":{"field":"landed_at","unit":"ms"},)"
            R"("filter":["<","bool",["field","int64","delay"],["literal","int64","1000"]],"format":"json","key":[["field","string","origin"]],)"
            R"("language":2,"max_ahead_us":"300000000","of":["*","int64",["field","int64","delay"],["literal","int64","2"]],"ttl_us":null,)"
            R"("where":["not","bool",["field","bool","cancelled"]],"window":{"hop_us":"300000000","kind":"sliding","length_us":"3600000000"}})");
  ViewDefinition renamed = view();
  renamed.owner = "somebody", renamed.features[2].of = " delay * 2", renamed.where = "not (cancelled)";
  EXPECT_EQ((*ViewProgram::compile(kSource, kAirport, renamed))->canonical_feature(2), (*a)->canonical_feature(2));
  renamed.features[2].window.hop_us = kMicrosPerMinute;
  EXPECT_NE((*ViewProgram::compile(kSource, kAirport, renamed))->canonical_feature(2), (*a)->canonical_feature(2));
}

TEST(ViewProgram, MistakesNameThePart) {
  const auto error = [](const ViewDefinition& v, const SourceDefinition& s = kSource, const EntityDefinition& e = kAirport) {
    DefinitionPlace place;
    const auto p = ViewProgram::compile(s, e, v, &place);
    return place.part + ":" + std::to_string(place.column) + " " + (p ? "fine" : p.error().message);
  };
  ViewDefinition v = view();
  v.where = "not canceled";
  EXPECT_EQ(error(v), "where:5 where, column 5: there is no field 'canceled'; did you mean 'cancelled'?");
  v = view(), v.where = "delay";
  EXPECT_EQ(error(v), "where:1 where, column 1: the expression is int64, not bool; convert it with cast(... as bool)");
  v = view(), v.features[3].of = "origin";
  EXPECT_EQ(error(v), "features[3].of:0 feature 'd_sum_1h': sum takes a number or a vector, not string");
  v = view(), v.features[3].of = "";
  EXPECT_EQ(error(v), "features[3].of:0 feature 'd_sum_1h': sum needs 'of'");
  v = view(), v.features[2].default_value = std::string("none");
  EXPECT_EQ(error(v), "features[2].default:0 feature 'd_avg_1h' is float64, its default is a string");
  v = view(), v.features[2].default_value = int64_t{0};
  EXPECT_EQ(error(v), ":0 fine");
  v = view(), v.features[1].window.hop_us = 7;
  EXPECT_TRUE(error(v).starts_with("features[1].over:0"));
  EXPECT_EQ(error(view(), kSource, {"airport", {"origim"}}),
            "entity.key[0]:0 source 'arrivals' has no field 'origim', a key of entity 'airport'; did you mean 'origin'?");
  SourceDefinition s = kSource;
  s.derived.push_back({"worse", "late + 1"});
  EXPECT_EQ(error(view(), s), "source.derived[2]:6 derived.worse, column 6: '+' mixes bool and int64; convert one with cast(... as bool)");
}

TEST(EntityKey, SortsAsItsValuesAndReadsBack) {
  const std::string texts[] = {"", std::string(1, '\0'), std::string("\0a", 2), "a", std::string("a\0", 2), "a\1", "ab", "b", "\xFF"};
  std::string before;
  for (const std::string& text : texts) {
    std::string key;
    append_key_part(key, std::string_view(text));
    append_key_part(key, int64_t{-5});
    EXPECT_LT(before, key);
    const auto parts = parse_key(key);
    ASSERT_TRUE(parts);
    EXPECT_EQ(std::get<std::string>((*parts)[0]), text);
    EXPECT_EQ(std::get<int64_t>((*parts)[1]), -5);
    before = key;
    for (size_t cut = 1; cut < key.size(); ++cut) EXPECT_TRUE(cut == key.size() - 9 || !parse_key(key.substr(0, cut)));
  }
  std::string last;
  for (const int64_t i : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}, INT64_MAX}) {
    std::string key;
    append_key_part(key, i);
    EXPECT_LT(last, key);
    last = key;
  }
  EXPECT_FALSE(parse_key("\x07"));

  std::string example;
  append_key_part(example, std::string_view("a\0b", 3));
  append_key_part(example, int64_t{-2});
  append_key_part(example, true);
  EXPECT_EQ(example, testing::doc_example(MS_SOURCE_DIR "/docs/formats/entity-key.md", "entity-key"));
}

}  // namespace
}  // namespace ms::feature
