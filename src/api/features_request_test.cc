#include "api/features_request.h"

#include <gtest/gtest.h>

#include "api/routes.h"

namespace ms::api {
namespace {

std::string error_of(std::string_view body) {
  FeaturesRequest request;
  const auto parsed = request.parse(body);
  return parsed ? "" : parsed.error().message;
}

TEST(FeaturesRequest, ReadsKeysOfEveryTypeAndReusesItself) {
  FeaturesRequest request;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(request.parse(R"( {"entities": [{"a": "O\u0052D\n", "n": -9223372036854775808, "b": true, "z": null}, {}], "request": {}, "explain": false} )"));
    ASSERT_EQ(request.entities().size(), 2u);
    const auto& fields = request.entities()[0].fields;
    ASSERT_EQ(fields.size(), 4u);
    EXPECT_EQ(fields[0].first, "a");
    EXPECT_EQ(std::get<std::string_view>(fields[0].second), "ORD\n");
    EXPECT_EQ(std::get<int64_t>(fields[1].second), INT64_MIN);
    EXPECT_EQ(std::get<bool>(fields[2].second), true);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(fields[3].second));
    EXPECT_TRUE(request.entities()[1].fields.empty());
    ASSERT_TRUE(request.parse(R"({"entities":[]})"));
    EXPECT_TRUE(request.entities().empty());
  }
}

TEST(FeaturesRequest, ReadsWhatIsToBeExplainedAndForgetsIt) {
  FeaturesRequest request;
  ASSERT_TRUE(request.parse(R"({"entities": [{}], "features": ["a\u0062", "c"], "at": "2026-01-01", "explain": true})"));
  EXPECT_TRUE(request.explain());
  EXPECT_EQ(request.at(), "2026-01-01");
  ASSERT_EQ(request.features().size(), 2u);
  EXPECT_EQ(request.features()[0], "ab");
  ASSERT_TRUE(request.parse(R"({"entities": [{}]})"));
  EXPECT_FALSE(request.explain());
  EXPECT_TRUE(request.at().empty() && request.features().empty());
}

TEST(FeaturesRequest, LeavesTheRequestFieldsToTheService) {
  FeaturesRequest request;
  ASSERT_TRUE(request.parse(R"({"request":  {"a": [1, {"b": "}"}], "c": 1e400} , "entities": [{}]})"));
  EXPECT_EQ(request.request(), R"({"a": [1, {"b": "}"}], "c": 1e400})");
  ASSERT_TRUE(request.parse(R"({"entities": [{}]})"));
  EXPECT_EQ(request.request(), "");
  ASSERT_TRUE(request.parse_explanation(R"({"service": "risk", "entities": [{}], "request": [{}], "at": "2026-01-01"})"));
  EXPECT_EQ(request.service(), "risk");
  EXPECT_TRUE(request.explain());
  EXPECT_FALSE(request.parse_explanation(R"({"entities": [{}]})"));
  EXPECT_FALSE(request.parse_explanation(R"({"service": "risk", "entities": [{}], "explain": false})"));
}

TEST(FeaturesRequest, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(error_of(R"({"entitys": []})"), R"(unknown member "entitys"; did you mean 'entities'?)");
  EXPECT_NE(error_of("{}").find("needs \"entities\""), std::string::npos);
  EXPECT_NE(error_of("").find("expected '{' at line 1, column 1"), std::string::npos) << error_of("");
  EXPECT_NE(error_of(R"({"entities": [{"a": 1.5}]})").find("64-bit integer"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [{"a": 9223372036854775808}]})").find("64-bit integer"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [{"a": [1]}]})").find("must be a string"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [{"a": 1} {"a": 2}]})").find("expected ',' or ']'"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": []} x)").find("text after the end"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [], "explain": 1})").find("expected true or false"), std::string::npos)
      << error_of(R"({"entities": [], "explain": 1})");
  EXPECT_NE(error_of(R"({"entities": [], "at": "2026-01-01"})").find("\"explain\": true"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [], "features": ["x"], "explain": false})").find("\"explain\": true"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [], "features": [1], "explain": true})").find("line 1, column 31"), std::string::npos)
      << error_of(R"({"entities": [], "features": [1], "explain": true})");
  EXPECT_NE(error_of(R"({"entities": [], "request": 1})").find("must be an object of request fields"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [], "request": {}, "request": {}})").find("\"request\" is given twice"), std::string::npos);
  EXPECT_NE(error_of(R"({"entities": [], "request": {"x": }})").find("line 1, column 35"), std::string::npos)
      << error_of(R"({"entities": [], "request": {"x": }})");
  EXPECT_NE(error_of(R"({"entities": [], "entities": []})").find("twice"), std::string::npos);
  std::string many = R"({"entities": [{})";
  for (int i = 0; i < 10'000; ++i) many += ",{}";
  EXPECT_NE(error_of(many + "]}").find("10000"), std::string::npos);
}

TEST(Routes, MatchPathsMethodsAndNames) {
  const auto match = match_route("GET", "/v1/topics/a%2Fb/records");
  ASSERT_TRUE(match.route);
  EXPECT_EQ(match.names, std::vector<std::string>{"a/b"});
  EXPECT_EQ(match_route("PUT", "/v1/topics").allowed, "GET, POST");
  EXPECT_FALSE(match_route("GET", "/v1/topics/").route);
  EXPECT_FALSE(match_route("GET", "/v1").route);
  EXPECT_FALSE(match_route("GET", "/v1/topics/a/b/c").route);
  EXPECT_TRUE(match_route("GET", "/v1/topics/%zz").bad_escape);
}

}  // namespace
}  // namespace ms::api
