// The worked examples of the feature semantics, one row each.
#include <gtest/gtest.h>

#include "feature/state_testing.h"

namespace ms::feature::testing {
namespace {

constexpr int64_t kHour = kMicrosPerHour, kMinute = kMicrosPerMinute;

int64_t at(std::string_view time) { return *parse_time("2026-01-01T" + std::string(time) + "Z"); }

Event event(std::string_view time, int64_t offset, int64_t amount, std::string_view appended = "") {
  return {.key = "u", .et = at(time), .at = at(appended.empty() ? time : appended), .offset = offset, .arguments = {amount}, .filters = {}};
}

const std::vector<Event> kOnTime = {event("09:58:30", 1, 10), event("10:00:00", 2, 20), event("10:04:59", 3, 30),
                                    event("10:05:00", 4, 40), event("10:05:00", 5, 50), event("10:06:00", 6, 60)};
const Event kLate = event("10:03:00", 7, 5, "10:20:00");

// What was appended by `time` is applied, each at its append time; then the question.
std::vector<std::string> answers(std::vector<FeatureSpec> specs, std::vector<Event> events, std::string_view time, bool after_event = false) {
  auto state = ViewState::make(specs);
  for (const Event& e : events) {
    if (e.at <= at(time)) apply_events(*state, {TypeKind::kInt64}, {&e, 1}, e.at);
  }
  EXPECT_EQ(reference(specs, events, "u", at(time), after_event), ask(*state, specs, "u", at(time), after_event));
  auto out = ask(*state, specs, "u", at(time), after_event);
  out.erase(out.begin());
  for (auto& text : out) text = text.substr(0, text.find(" @"));
  return out;
}

std::vector<FeatureSpec> three(Window w) { return {spec(AggregateKind::kSum, w, 0), spec(AggregateKind::kCount, w), spec(AggregateKind::kLast, w, 0)}; }

using Texts = std::vector<std::string>;

TEST(WorkedExamples, SlidingTails) {
  EXPECT_EQ(answers({spec(AggregateKind::kSum, exact(kHour), 0)}, kOnTime, "11:02:10"), Texts{"PRESENT 180"});
  EXPECT_EQ(answers({spec(AggregateKind::kSum, sliding(kHour), 0)}, kOnTime, "11:02:10"), Texts{"PRESENT 200"});
  EXPECT_EQ(answers({spec(AggregateKind::kSum, sliding(kHour, kMinute), 0)}, kOnTime, "11:02:10"), Texts{"PRESENT 180"});
}

TEST(WorkedExamples, TheBoundaryIsStrictUnlessAsked) {
  for (const Window w : {sliding(kHour), exact(kHour)}) {
    EXPECT_EQ(answers(three(w), kOnTime, "10:05:00"), (Texts{"PRESENT 60", "PRESENT 3", "PRESENT 30"}));
    EXPECT_EQ(answers(three(w), kOnTime, "10:05:00", true), (Texts{"PRESENT 150", "PRESENT 5", "PRESENT 50"}));
  }
}

TEST(WorkedExamples, ALateRowIsKnownWhenItArrives) {
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kSum, sliding(kHour), 0)};
  EXPECT_EQ(answers(specs, kOnTime, "10:10:00"), Texts{"PRESENT 210"});  // as served
  std::vector<Event> known = kOnTime;
  known.push_back(kLate);
  known.back().at = known.front().at;  // as known: the offset vector holds it
  EXPECT_EQ(answers(specs, known, "10:10:00"), Texts{"PRESENT 215"});
  known.back() = kLate;
  EXPECT_EQ(answers(specs, known, "10:30:00"), Texts{"PRESENT 215"});
}

TEST(WorkedExamples, AnEmptyWindow) {
  EXPECT_EQ(answers(three(sliding(kHour)), kOnTime, "11:20:00"), (Texts{"EMPTY_WINDOW null", "EMPTY_WINDOW 0", "EMPTY_WINDOW null"}));
}

TEST(WorkedExamples, Overflow) {
  const std::vector<Event> events = {event("09:00:00", 1, INT64_MAX), event("09:00:01", 2, 1), event("09:00:02", 3, -1)};
  const std::vector<FeatureSpec> specs = {spec(AggregateKind::kSum, sliding(kHour), 0)};
  EXPECT_EQ(answers(specs, {events.begin(), events.begin() + 2}, "09:30:00"), Texts{"OVERFLOW null"});
  EXPECT_EQ(answers(specs, events, "09:30:00"), Texts{"PRESENT " + std::to_string(INT64_MAX)});
}

}  // namespace
}  // namespace ms::feature::testing
