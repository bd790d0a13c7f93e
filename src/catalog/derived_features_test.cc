#include "catalog/derived_features.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "base/sha256.h"
#include "catalog/catalog_document.h"
#include "catalog/definitions.h"
#include "catalog/planner.h"

namespace ms::catalog {
namespace {

constexpr const char* kPayments = R"yaml(sources:
  payments: {time: {field: at}, fields: {user: string, amount: double}}
entities:
  user: {key: [user]}
views:
  payments_by_user:
    entity: user
    from: payments
    features:
      amount: {avg: {of: amount, over: 24h}, count: {over: 10m}}
services:
  risk:
    features: [payments_by_user.*]
    request: {amount: double, currency: string, limit: "decimal(10,2)"}
    derived:
      amount_vs_avg: "request.amount / amount_avg_24h"
      hot: "amount_count_10m > 5 and request.currency != 'EUR'"
      alarm: "hot and coalesce(amount_vs_avg, 0) > 3 and request.limit < 10.50"
)yaml";

std::optional<TopicId> topics(std::string_view name) {
  TopicId id;
  id.uuid.bytes[0] = static_cast<uint8_t>(name.size());
  return id;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Planned planned(const std::string& text, const CatalogSnapshot& now = {}) {
  const DefinitionFile file{"f.yaml", text};
  return plan_definitions(now, parse_definitions({&file, 1}), topics);
}

TEST(DerivedFeatures, ThePlanTypesAndShowsThem) {
  const Planned plan = planned(kPayments);
  ASSERT_TRUE(plan.report.ok()) << plan.report.text();
  EXPECT_NE(plan.report.text().find(R"(+ service risk@1  (new)
    request field amount (float64)
    request field currency (string)
    request field limit (decimal(10,2))
    derived amount_vs_avg (float64) = request.amount / amount_avg_24h
    derived hot (bool) = amount_count_10m > 5 and request.currency != 'EUR'
    derived alarm (bool) = hot and coalesce(amount_vs_avg, 0) > 3 and request.limit < 10.50
    5 features: amount_avg_24h amount_count_10m amount_vs_avg hot alarm
)"),
            std::string::npos)
      << plan.report.text();
  const auto service = plan.next->find_service("risk");
  EXPECT_EQ(service->columns.size(), 2u);
  const auto described = nlohmann::json::parse(service_json(*service));
  EXPECT_EQ(described["request"], (nlohmann::json{{"amount", "float64"}, {"currency", "string"}, {"limit", "decimal(10,2)"}}));
  EXPECT_EQ(described["derived"][1]["expression"], "amount_count_10m > 5 and request.currency != 'EUR'");
  EXPECT_EQ(described["derived"][1]["type"], "bool");
}

TEST(DerivedFeatures, MistakesAreRefusedWithTheirPlace) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"request.amount / amount_avg_24h", "request.amount / amount_avg_24", "f.yaml:16:40: service 'risk': derived.amount_vs_avg, column 18: there is no field 'amount_avg_24'; did you mean 'amount_avg_24h'?"},
      {"request.currency !=", "request.curency !=", "did you mean 'request.currency'?"},
      {"request.amount / amount", "amount / amount", "f.yaml:16:23: service 'risk': derived.amount_vs_avg, column 1: there is no feature 'amount'; the field of the request is 'request.amount'"},
      {"request.currency != 'EUR'", "request.amount != 'EUR'", "f.yaml:17:53: service 'risk': derived.hot, column 41: '<>' mixes float64 and string"},
      {"request.amount / amount_avg_24h", "case when hot then 1.5 end", "f.yaml:16:33: service 'risk': derived.amount_vs_avg, column 11: 'hot' comes later; put it before 'amount_vs_avg', which uses it"},
      {"hot: \"amount_count_10m", "hot: \"hot and amount_count_10m", "f.yaml:17:13: service 'risk': derived.hot, column 1: 'hot' cannot be computed from itself"},
      {"      hot: ", "      amount_avg_24h: ", "f.yaml:17:7: service 'risk': derived feature 'amount_avg_24h' has the name of another feature"},
      {"currency: string", "currency: text", "f.yaml:14:41: there is no type 'text'"},
      {"currency: string", "a.b: string", "f.yaml:14:31: 'a.b' cannot name a field of the request"},
      {"      hot: ", "      ho-t: ", "f.yaml:17:7: 'ho-t' cannot name a derived feature"},
      {"    derived:", "    dreived:", "did you mean 'derived'?"},
      {"    derived:", "    labels: {payments_by_user: {x: {count: {over: \"next(1h)\"}}}}\n    derived:\n      x_count_next_1h: \"1\"",
       "f.yaml:17:7: service 'risk': derived feature 'x_count_next_1h' has the name of a label"},
  };
  for (const auto& [from, to, message] : cases) {
    const Planned plan = planned(replaced(kPayments, from, to));
    EXPECT_FALSE(plan.report.ok()) << to;
    EXPECT_NE(plan.report.text().find(message), std::string::npos) << plan.report.text() << "\nwant: " << message;
  }
}

TEST(DerivedFeatures, AFieldThatNothingUsesIsAWarning) {
  const Planned plan = planned(replaced(kPayments, "limit: ", "other: bool, limit: "));
  ASSERT_TRUE(plan.report.ok()) << plan.report.text();
  EXPECT_NE(plan.report.text().find("warning: request field 'other' is used by no derived feature"), std::string::npos) << plan.report.text();
}

TEST(DerivedFeatures, WhatIsComputedMakesTheVersion) {
  const Planned first = planned(kPayments);
  const auto version_of = [&](const std::string& text) {
    const Planned plan = planned(text, *first.next);
    EXPECT_TRUE(plan.report.ok()) << plan.report.text();
    return plan.next->find_service("risk")->version;
  };
  EXPECT_EQ(version_of(kPayments), 1u);
  EXPECT_EQ(version_of(replaced(kPayments, "request.amount / amount_avg_24h", "( request.amount )/amount_avg_24h")), 1u);
  EXPECT_EQ(version_of(replaced(kPayments, "request.amount / amount_avg_24h", "request.amount / (amount_avg_24h + 1)")), 2u);
  EXPECT_EQ(version_of(replaced(kPayments, "hot: ", "warm: 'true'\n      hot: ")), 2u);
  EXPECT_EQ(version_of(replaced(kPayments, "decimal(10,2)", "decimal(11,2)")), 2u);
  EXPECT_EQ(version_of(replaced(kPayments, "limit: ", "other: bool, limit: ")), 2u);
  // Of the same text over another computation.
  const Planned other = planned(replaced(kPayments, "avg: {of: amount,", "avg: {of: amount + 1,"), *first.next);
  EXPECT_NE(other.next->find_service("risk")->derived_hashes[0], first.next->find_service("risk")->derived_hashes[0]);
  EXPECT_EQ(other.next->find_service("risk")->derived_hashes[1], first.next->find_service("risk")->derived_hashes[1]);
}

TEST(DerivedFeatures, TheDocumentKeepsThem) {
  const Planned plan = planned(kPayments);
  const std::string document = write_document(*plan.next);
  const auto again = read_document(document);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(write_document(**again), document);
  const auto service = (*again)->find_service("risk");
  EXPECT_EQ(service->definition.derived[2].first, "alarm");
  EXPECT_EQ(service->program->results()[2].type, TypeKind::kBool);
  EXPECT_EQ(service->derived_hashes, plan.next->find_service("risk")->derived_hashes);

  const auto tampered = read_document(replaced(document, "amount_count_10m > 5", "amount_count_10m > 6"));
  ASSERT_FALSE(tampered);
  EXPECT_EQ(tampered.error().kind, ErrorKind::kCorruption);
  EXPECT_NE(tampered.error().message.find("derived feature 'hot' of service 'risk' is not the computation it was"), std::string::npos);
}

TEST(DerivedFeatures, FormatsOfTheDocument) {
  const std::string now = write_document(*planned(kPayments).next);
  const auto newer = read_document(replaced(now, "\"format\": 2", "\"format\": 3"));
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(newer.error().message, "the catalog has format 3, this program reads up to 2; use the newer program");
  // What a program of format 1 has written.
  std::ifstream in(MS_SOURCE_DIR "/src/catalog/testing/catalog_format_1.json");
  const std::string old(std::istreambuf_iterator<char>(in), {});
  const auto read = read_document(old);
  ASSERT_TRUE(read) << read.error().message;
  const auto service = (*read)->find_service("risk");
  ASSERT_TRUE(service);
  EXPECT_EQ(service->columns.size(), 2u);
  EXPECT_FALSE(service->program);
  EXPECT_EQ(write_document(**read), replaced(old, "\"format\": 1", "\"format\": 2"));
}

TEST(DerivedFeatures, IdentityExample) {
  std::ifstream in(MS_SOURCE_DIR "/docs/formats/catalog.md");
  const std::string page(std::istreambuf_iterator<char>(in), {});
  const auto service = planned(kPayments).next->find_service("risk");
  const std::string example = fmt::format(
      R"({{"derived":{},"features":{{"amount_avg_24h":"{}"}},"language":2}})", service->program->canonical(0), service->views[0]->feature_hashes[0]);
  EXPECT_EQ(service->derived_hashes[0], sha256_hex(example));
  EXPECT_NE(page.find(example), std::string::npos) << example;
  EXPECT_NE(page.find("has the hash `" + service->derived_hashes[0] + "`"), std::string::npos) << service->derived_hashes[0];
}

}  // namespace
}  // namespace ms::catalog
