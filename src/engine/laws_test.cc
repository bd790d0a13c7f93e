// The laws of live answers as properties, over definitions that hold every aggregate of every type in every window.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>

#include "engine/testing/replies.h"

namespace ms::engine {
namespace {

using testing::Reply, testing::World;

// A property of few runs, each of which starts engines over real directories.
void check_a_few(void (*property)(uint64_t)) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = std::min(params.maxSuccess, 4);
  const auto result = rc::detail::checkTestable([=] { property(*rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<uint64_t>()))); }, rc::detail::TestMetadata{}, params);
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  FAIL() << message.str();
}

// Takes back some records of a partition, as whoever produced them would: a copy with the offset that was acknowledged.
class Reversals {
 public:
  void add(int32_t partition, std::vector<std::string>& events, Rng& rng) {
    std::vector<std::string>& all = produced_[partition];
    std::vector<std::string> out;
    for (std::string& event : events) {
      append(all, out, std::move(event));
      while (rng.below(4) == 0) {
        const size_t named = all.size() - 1 - rng.below(std::min<size_t>(all.size(), 30));
        if (!all[named].ends_with('}')) continue;
        append(all, out, all[named].substr(0, all[named].size() - 1) + fmt::format(",\"takes_back\":{}}}", named + (rng.below(16) == 0 ? 1 : 0)));
      }
    }
    events = std::move(out);
  }

 private:
  static void append(std::vector<std::string>& all, std::vector<std::string>& out, std::string event) {
    all.push_back(event);
    out.push_back(std::move(event));
  }
  std::map<int32_t, std::vector<std::string>> produced_;  // from offset 0 on
};

void produce_and_ask(World& world, Rng& rng, int rounds, int32_t partitions, std::vector<Reply>& replies, Reversals* reversals = nullptr) {
  for (int round = 0; round < rounds; ++round) {
    const auto partition = static_cast<int32_t>(rng.below(static_cast<uint64_t>(partitions)));
    std::vector<std::string> events = testing::random_events(rng, 1 + rng.below(12));
    if (reversals != nullptr) reversals->add(partition, events, rng);
    world.produce(partition, events);
    if (rng.below(4) == 0) world.wait_until_applied();
    replies.push_back(testing::ask(world, "spending", rng.below(9)));
  }
}

// The answers of all keys are what the whole log says at their instant (as_known): once all is applied, as_served is as_known (L2).
std::string not_as_known(World& world) {
  world.wait_until_applied();
  for (uint64_t user = 0; user < 9; ++user) {
    const Reply r = testing::ask(world, "spending", user);
    if (const auto known = testing::derive(world, "spending", r.key, r.as_of, world.ends()); known != r.bits) return "served " + r.bits + ", known " + known;
  }
  return "";
}

// Laws L1 and L2, whatever the number of shards and partitions, also after a restart in between.
void every_reply_of(uint64_t seed, bool retracts) {
  Rng rng(seed);
  Reversals reversals;
  Reversals* const taken_back = retracts ? &reversals : nullptr;
  const testing::Directory directory;
  const uint32_t shards = 1u << rng.below(4);
  const auto partitions = static_cast<int32_t>(1 + rng.below(3));
  std::vector<Reply> replies;
  {
    World world(directory.path(), shards);
    RC_ASSERT(world.log->create_topic("events", partitions, {}).has_value());
    world.define(testing::every_cell_definitions(rng, retracts));
    world.start();
    RC_ASSERT(world.engine->refresh(60'000).has_value());
    produce_and_ask(world, rng, 6, partitions, replies, taken_back);
    RC_ASSERT(testing::not_as_served(world, "spending", replies) == "");
  }
  World world(directory.path(), shards);
  world.start();
  RC_ASSERT(world.engine->refresh(60'000).has_value());
  world.wait_until_applied();
  produce_and_ask(world, rng, 6, partitions, replies, taken_back);
  RC_ASSERT(testing::not_as_served(world, "spending", replies) == "");
  RC_ASSERT(not_as_known(world) == "");
}

void every_reply_is_as_served_and_in_the_end_as_known(uint64_t seed) { every_reply_of(seed, false); }
void replies_with_rows_taken_back_are_too(uint64_t seed) { every_reply_of(seed, true); }

// Law L4: a version whose state is dropped and built again from the log, by any number of shards, gives the same answers; and
// what was served before is still derived to the bit.
void state_that_is_built_again_gives_the_same_answers(uint64_t seed) {
  Rng rng(seed);
  const testing::Directory directory;
  std::vector<Reply> replies;
  {
    World world(directory.path(), 2);
    RC_ASSERT(world.log->create_topic("events", 2, {}).has_value());
    world.define(testing::every_cell_definitions(rng));
    world.start();
    RC_ASSERT(world.engine->refresh(60'000).has_value());
    produce_and_ask(world, rng, 8, 2, replies);
    RC_ASSERT(not_as_known(world) == "");
  }
  for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/state"))
    if (file.path().extension() == ".checkpoint") std::filesystem::remove(file.path());
  World world(directory.path(), 1u << rng.below(3));
  world.start();
  RC_ASSERT(world.engine->refresh(60'000).has_value());
  RC_ASSERT(not_as_known(world) == "");
  RC_ASSERT(testing::not_as_served(world, "spending", replies) == "");
}

TEST(Laws, EveryReplyIsAsServedAndInTheEndAsKnown) { check_a_few(every_reply_is_as_served_and_in_the_end_as_known); }
TEST(Laws, RepliesWithRowsTakenBackAreToo) { check_a_few(replies_with_rows_taken_back_are_too); }
TEST(Laws, StateThatIsBuiltAgainGivesTheSameAnswers) { check_a_few(state_that_is_built_again_gives_the_same_answers); }

}  // namespace
}  // namespace ms::engine
