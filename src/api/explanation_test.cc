// The explanations of a real engine, as JSON: proofs, gaps, what is lost, and what is refused.
#include "api/explanation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/view_description.h"
#include "engine/testing/world.h"
#include "online/online.h"

namespace ms::api {
namespace {

using engine::testing::World;

constexpr std::string_view kDefinitions = R"yaml(
sources:
  events: {topic: events, format: json, time: {field: at, unit: us}, fields: {user: string, amount: int64, name: string}}
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: events
    features:
      n: {count: {over: [1h, lifetime]}}
      amount: {sum: {of: amount, over: [1h]}, avg: {of: amount, over: [1h]}}
      name: {last: {of: name, over: [1h]}}
services:
  model: {features: [spending.*]}
)yaml";

class Explanation : public ::testing::Test {
 protected:
  Explanation() {
    EXPECT_TRUE(world_->log->create_topic("events", 1, {}));
    world_->define(kDefinitions);
    start();
    EXPECT_TRUE(world_->engine->refresh(60'000));
  }
  void start() {
    world_->start();
    online_ = std::make_unique<online::Online>(*world_->engine, *world_->catalog);
    const ApiParts parts{.dir = world_->dir,
                         .fs = &posix_file_system(),
                         .clock = &system_clock(),
                         .log = world_->log.get(),
                         .catalog = world_->catalog.get(),
                         .engine = world_->engine.get(),
                         .online = online_.get()};
    context_.reset(new Context{.parts = parts, .jobs = JobTable(system_clock())});
  }
  ~Explanation() override { context_.reset(), online_.reset(); }

  void produce(std::string_view user, int64_t amount, int64_t back_us = 1) {
    world_->produce(0, {fmt::format(R"({{"user":"{}","amount":{},"name":"a name of some length","at":{}}})", user, amount,
                                    system_clock().wall_us() - back_us)});
    world_->wait_until_applied();
  }
  Json ask(std::string_view body, int status = 200) {
    const auto answered = engine::testing::patiently([&]() -> Result<io::HttpReply> {
      io::HttpReply reply;
      explain_features(*context_, {.names = {"model"}, .body = std::string(body)}, reply);
      if (reply.status == 503) return fail(ErrorKind::kUnavailable, reply.body);
      return reply;
    });
    if (!answered) throw std::runtime_error(answered.error().message);
    EXPECT_EQ(answered->status, status) << answered->body;
    return Json::parse(answered->body);
  }
  static const Json& feature(const Json& reply, size_t entity, std::string_view name) {
    for (const Json& f : reply["explanations"][entity]["features"])
      if (f["name"] == name) return f;
    ADD_FAILURE() << name << " is not in " << reply.dump();
    return reply;
  }

  const engine::testing::Directory directory_;
  std::unique_ptr<World> world_ = std::make_unique<World>(directory_.path());
  std::unique_ptr<online::Online> online_;
  std::unique_ptr<Context> context_;
};

TEST_F(Explanation, LiveValuesAreProved) {
  produce("u1", 5), produce("u1", 7), produce("u1", 1, 3 * kMicrosPerHour);
  const Json reply = ask(R"({"entities": [{"user": "u1"}, {"user": "u9"}], "explain": true})");
  EXPECT_EQ(reply["mode"], "live");
  EXPECT_EQ(reply["rows"].size(), 2u);
  ASSERT_EQ(reply["explanations"].size(), 2u);
  EXPECT_EQ(reply["explanations"][0]["entity"], Json({{"user", "u1"}}));
  for (size_t e = 0; e < 2; ++e) {
    ASSERT_EQ(reply["explanations"][e]["features"].size(), reply["features"].size());
    for (size_t f = 0; f < reply["features"].size(); ++f) {
      const Json& explained = reply["explanations"][e]["features"][f];
      EXPECT_EQ(explained["name"], reply["features"][f]);
      EXPECT_EQ(explained["value"], reply["rows"][e]["values"][f]);
      EXPECT_EQ(explained["proof"], "equal");
    }
  }
  const Json& sum = feature(reply, 0, "amount_sum_1h");
  EXPECT_EQ(sum["value"], 12);
  EXPECT_EQ(sum["events"], 2);
  EXPECT_EQ(sum["first"]["offset"], 0);
  EXPECT_EQ(sum["last"]["offset"], 1);
  EXPECT_EQ(sum["left_out"][0]["reason"], "before_window");
  EXPECT_EQ(sum["tiles"].size(), 0u);  // so few rows stay rows
  EXPECT_EQ(sum["raw_rows"], 2);
  EXPECT_EQ(feature(reply, 0, "n_count_lifetime")["events"], 3);
  EXPECT_TRUE(feature(reply, 0, "n_count_lifetime")["window"]["tail"].is_null());
  EXPECT_EQ(reply["explanations"][1]["views"][0]["known"], false);
  EXPECT_EQ(reply["explanations"][1]["views"][0]["seen"]["events"], 0);
}

TEST_F(Explanation, ThePastIsWhatTheTimelineSays) {
  produce("u1", 5);
  const std::string then = ask(R"({"entities": [{"user": "u1"}], "explain": true})")["as_of"];
  produce("u1", 7, kMicrosPerMinute);
  const Json reply =
      ask(fmt::format(R"({{"entities": [{{"user": "u1"}}], "explain": true, "at": "{}", "features": ["amount_sum_1h"]}})", then));
  EXPECT_EQ(reply["mode"], "as_served");
  EXPECT_EQ(reply["as_of"], then);
  EXPECT_FALSE(reply.contains("rows"));
  ASSERT_EQ(reply["explanations"][0]["features"].size(), 1u);
  const Json& sum = feature(reply, 0, "amount_sum_1h");
  EXPECT_EQ(sum["value"], 5);
  EXPECT_EQ(sum["proof"], "derived");
  EXPECT_EQ(sum["left_out"][0]["reason"], "appended_later");
  EXPECT_TRUE(sum["tiles"].is_null());
}

TEST_F(Explanation, WhatIsLostIsAGapNotAGuess) {
  produce("u1", 5);
  const std::string then = ask(R"({"entities": [{"user": "u1"}], "explain": true})")["as_of"];
  const auto topic = *world_->log->find_topic("events");
  ASSERT_TRUE(world_->log->reconcile());
  produce("u1", 7);
  ASSERT_TRUE(world_->log->alter_config(topic.id, {{"retention.bytes", "1"}}));
  ASSERT_TRUE(world_->log->enforce_retention());
  ASSERT_EQ(world_->log->partition_state({topic.id, PartitionId{0}})->log_start, Offset{1});
  const Json now = ask(R"({"entities": [{"user": "u1"}], "explain": true})");
  EXPECT_EQ(feature(now, 0, "amount_sum_1h")["value"], 12);  // what is served needs no log
  EXPECT_EQ(feature(now, 0, "amount_sum_1h")["proof"], "not_checkable");
  EXPECT_TRUE(now["service_statuses"].empty());
  const Json past = ask(fmt::format(R"({{"entities": [{{"user": "u1"}}], "explain": true, "at": "{}"}})", then));
  EXPECT_EQ(past["service_statuses"], Json({"GAP"}));
  for (const Json& f : past["explanations"][0]["features"]) {
    EXPECT_TRUE(f["value"].is_null() && f["derived"].is_null()) << f.dump();
    EXPECT_EQ(f["status"], "GAP");
  }
  EXPECT_NE(past["explanations"][0]["views"][0]["lost"].get<std::string>().find("the log holds events-0 from offset 1 on"),
            std::string::npos);
}

TEST_F(Explanation, RefusalsSayWhatToDo) {
  const auto detail = [&](std::string_view body, int status) { return ask(body, status)["detail"].get<std::string>(); };
  EXPECT_NE(
      detail(R"({"entities": [{"user": "u"}], "explain": true, "features": ["amount_sun_1h"]})", 404).find("did you mean 'amount_sum_1h'"),
      std::string::npos);
  EXPECT_NE(
      detail(R"({"entities": [{"user": "u"}], "explain": true, "at": "2001-01-01"})", 404).find("view spending@1 serves only since 20"),
      std::string::npos);
  EXPECT_NE(detail(R"({"entities": [{"user": "u"}], "explain": true, "at": "2199-01-01"})", 400).find("lies in the future"),
            std::string::npos);
  EXPECT_NE(detail(R"({"entities": [{"user": "u"}], "explain": true, "at": "yesterday"})", 400).find("yesterday"), std::string::npos);
  EXPECT_NE(detail(R"({"entities": [{"card": "u"}], "explain": true})", 400).find("'user' of view 'spending' is missing"),
            std::string::npos);
  EXPECT_NE(detail(R"({"entities": [], "explain": true})", 400).find("1 to 100 entities"), std::string::npos);
}

TEST_F(Explanation, TooMuchToReadIsSaidBeforeItIsRead) {
  produce("u1", 5), produce("u1", 6);
  context_->parts.explain_records_max = 1;
  const Json problem = ask(R"({"entities": [{"user": "u1"}], "explain": true})", 422);
  EXPECT_EQ(problem["code"], "explanation_too_long");
  EXPECT_TRUE(problem["detail"].get<std::string>().starts_with("2 records of the log would have to be read, more than the 1"))
      << problem.dump();
  context_->parts.explain_records_max = 2;
  ask(R"({"entities": [{"user": "u1"}], "explain": true})");
}

TEST_F(Explanation, AViewSaysWhatItIsDoing) {
  produce("u1", 5), produce("u1", 6), produce("u2", 7, kMicrosPerMinute);
  world_->produce(0, {R"({"user":null,"amount":1,"at":1})", "not json"});
  world_->wait_until_applied();
  const auto view = view_description(*context_, "spending");
  ASSERT_TRUE(view) << view.error().message;
  const Json& live = (*view)["live"];
  EXPECT_EQ(live["entities"], 2);
  EXPECT_EQ(live["rows"], Json({{"applied", 3}, {"late", 1}, {"beyond_horizon", 0}, {"filtered", 0}, {"null_keys", 1}}));
  EXPECT_EQ(live["dead_letters"], Json({{"topic", "events"}, {"records", 1}}));
  EXPECT_EQ(live["hottest"]["keys"][0]["key"], Json({{"user", "u1"}}));
  EXPECT_EQ(live["hottest"]["keys"][0]["rows_at_least"], 2);
  EXPECT_EQ(live["ages"]["entities"], 2);
  EXPECT_GE(live["ages"]["max"], 60'000);
  EXPECT_EQ((*view)["features"].size(), 5u);
  const auto none = view_description(*context_, "spendin");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("did you mean 'spending'"), std::string::npos);
}

}  // namespace
}  // namespace ms::api
