// Groups whose members change protocols: clients of both kinds around one group, played by hand and at random.
#include "kafka/group.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/rng.h"

namespace ms::kafka {
namespace {

using Owned = std::set<std::pair<std::string, int32_t>>;

TopicId id_of(uint8_t n) {
  TopicId id;
  id.uuid.bytes[15] = n;
  return id;
}
PartitionsByName by_name(const Owned& owned) {
  PartitionsByName out;
  for (const auto& [topic, p] : owned) out[topic].insert(p);
  return out;
}
Owned flat(const PartitionsByName& partitions) {
  Owned out;
  for (const auto& [topic, numbers] : partitions)
    for (const int32_t p : numbers) out.emplace(topic, p);
  return out;
}
Owned minus(const Owned& a, const Owned& b) {
  Owned out;
  std::ranges::set_difference(a, b, std::inserter(out, out.end()));
  return out;
}

// The group, its topics and offsets, and the time.
struct World {
  explicit World(bool is_cooperative) : cooperative(is_cooperative) { set_topics({{"a", 5}, {"b", 3}}); }
  void set_topics(const std::map<std::string, int32_t>& counts) {
    auto image = std::make_shared<TopicsImage>();
    uint8_t n = 0;
    for (const auto& [name, partitions] : counts) image->add(name, {id_of(++n), partitions});
    topics = image, shape = counts;
  }
  size_t partitions() const {
    size_t sum = 0;
    for (const auto& [name, count] : shape) sum += static_cast<size_t>(count);
    return sum;
  }

  bool cooperative;
  std::map<std::string, int32_t> shape;
  Group::Topics topics;
  Group group{0};
  int64_t now = 0;
  Ticket last_ticket = 0;
  int ids = 0;
  std::map<Ticket, JoinAnswer> joined;
  std::map<Ticket, SyncAnswer> synced;
  std::map<std::pair<std::string, int32_t>, int64_t> committed;

  void take(GroupAnswers answers) {
    for (JoinAnswer& a : answers.joins) {
      const Ticket ticket = a.ticket;
      EXPECT_TRUE(joined.emplace(ticket, std::move(a)).second);
    }
    for (SyncAnswer& a : answers.syncs) {
      const Ticket ticket = a.ticket;
      EXPECT_TRUE(synced.emplace(ticket, std::move(a)).second);
    }
  }
};

// A consumer: what it believes to own, and how far it has read there.
class Consumer {
 public:
  Consumer(World& world, std::optional<std::string> instance) : world_(world), instance_(std::move(instance)) {}
  virtual ~Consumer() = default;
  virtual void act() = 0;    // the next request of its life
  virtual void lose() = 0;   // its next answer
  virtual void leave() = 0;
  virtual bool is_settled() const = 0;
  virtual int16_t commit_version() const = 0;

  const std::optional<std::string>& instance() const { return instance_; }
  const Owned& owned() const { return owned_; }
  std::string name() const { return id_ + " (" + instance_.value_or("") + ") at " + std::to_string(generation_); }
  int32_t generation() const { return generation_; }
  bool is_fenced() const { return fenced_; }
  ErrorCode may_commit(Group& group) const { return group.may_commit({id_, instance_, generation_, commit_version()}, world_.now); }
  // Does the group still take it for a member, whatever it is about to hear? A static member that a classic group went on
  // without is fenced by its generation, and owns nothing that counts until it has another assignment.
  bool is_member() {
    if (const ConsumerGroup* group = world_.group.consumer()) return !left_behind_ && group->members().contains(id_);
    Group probe = world_.group;
    const ErrorCode error = may_commit(probe);
    left_behind_ = error != ErrorCode::kNone && error != ErrorCode::kRebalanceInProgress;
    return !left_behind_;
  }
  void read_and_commit() {
    for (auto& [key, position] : positions_) ++position;
    if (owned_.empty() || may_commit(world_.group) != ErrorCode::kNone) return;
    for (const auto& [key, position] : positions_) {
      EXPECT_GE(position, world_.committed[key]) << id_ << " takes back what another has done";
      world_.committed[key] = position;
    }
  }

 protected:
  void own(const Owned& all) {
    std::erase_if(positions_, [&](const auto& entry) { return !all.contains(entry.first); });
    for (const auto& key : all) positions_.try_emplace(key, world_.committed[key]);
    owned_ = all;
    left_behind_ = false;
  }
  World& world_;
  std::optional<std::string> instance_;
  std::string id_;
  int32_t generation_ = -1;
  Owned owned_;
  std::map<std::pair<std::string, int32_t>, int64_t> positions_;
  bool fenced_ = false, left_behind_ = false;
};

class ConsumerClient final : public Consumer {
 public:
  ConsumerClient(World& world, std::optional<std::string> instance) : Consumer(world, std::move(instance)) { id_ = "consumer-" + std::to_string(++world.ids), generation_ = 0; }
  int16_t commit_version() const override { return 9; }
  bool is_settled() const override { return generation_ > 0; }
  void lose() override { lost_ = true; }
  void act() override {
    if (fenced_) return;
    ConsumerHeartbeat in = beat(generation_);
    if (generation_ == 0 || says_all_) in.rebalance_timeout_ms = 60'000, in.topics = {"a", "b"};
    in.owned = world_.topics->existing(by_name(owned_));
    GroupAnswers dismissed;
    const ConsumerAnswer answer = world_.group.consumer_heartbeat(in, {}, world_.topics, world_.now, dismissed);
    world_.take(std::move(dismissed));
    says_all_ = std::exchange(lost_, false);
    if (says_all_) return;
    if (answer.error == ErrorCode::kFencedInstanceId) return fenced_ = true, own({});
    if (answer.error != ErrorCode::kNone) return generation_ = 0, own({});
    generation_ = answer.epoch;
    if (!answer.assignment) return;
    Owned all;
    for (const auto& [topic, numbers] : *answer.assignment)
      for (const int32_t p : numbers) all.emplace(world_.topics->names.at(topic), p);
    own(all);
  }
  void leave() override {
    if (generation_ <= 0) return;
    GroupAnswers dismissed;
    const ConsumerHeartbeat in = beat(instance_ ? kLeaveForNowEpoch : kLeaveEpoch);
    own({});
    world_.group.consumer_heartbeat(in, {}, world_.topics, world_.now, dismissed);
    world_.take(std::move(dismissed));
  }

 private:
  ConsumerHeartbeat beat(int32_t epoch) const {
    ConsumerHeartbeat in;
    in.member_id = id_;
    in.instance_id = instance_;
    in.epoch = epoch;
    return in;
  }
  bool lost_ = false, says_all_ = false;
};

class ClassicClient final : public Consumer {
 public:
  using Consumer::Consumer;
  int16_t commit_version() const override { return 8; }
  bool is_settled() const override { return doing_ == Doing::kReading; }
  void lose() override { doing_ = doing_ == Doing::kWaitingToJoin || doing_ == Doing::kWaitingForAssignment ? Doing::kJoining : doing_; }
  void act() override {
    if (fenced_) return;
    switch (doing_) {
      case Doing::kJoining: return join();
      case Doing::kWaitingToJoin: return take_join();
      case Doing::kWaitingForAssignment: return take_assignment();
      case Doing::kGivingUp: return own(assigned_), void(doing_ = Doing::kJoining);
      case Doing::kReading:
        if (led_ && led_ != world_.topics) return join();  // a leader watches the topics
        return on_error(world_.group.heartbeat(id_, instance_, generation_, world_.topics, world_.now));
    }
  }
  void leave() override {
    own({});
    if (instance_) return;  // as clients do: its place is kept
    ErrorCode result;
    world_.take(world_.group.leave(id_, instance_, world_.now, result));
  }

 private:
  enum class Doing { kJoining, kWaitingToJoin, kWaitingForAssignment, kGivingUp, kReading };

  void join() {
    if (!world_.cooperative) own({});
    JoinInput in;
    in.member_id = id_;
    in.fresh_id = "classic-" + std::to_string(++world_.ids);
    in.instance_id = instance_;
    in.session_timeout_ms = 45'000;
    in.rebalance_timeout_ms = 60'000;
    in.protocol_type = "consumer";
    const Subscription subscription{2, {"a", "b"}, by_name(owned_), generation_, {}};
    in.protocols = {{world_.cooperative ? "cooperative-sticky" : "range", encode_subscription(subscription)}};
    in.must_know_id = in.can_skip_assignment = true;
    ticket_ = ++world_.last_ticket;
    doing_ = Doing::kWaitingToJoin;
    world_.take(world_.group.join(ticket_, std::move(in), world_.topics, world_.now));
  }
  void take_join() {
    auto answer = world_.joined.extract(ticket_);
    if (!answer) return;
    const JoinAnswer& a = answer.mapped();
    if (a.error == ErrorCode::kMemberIdRequired) id_ = a.member_id;
    if (a.error != ErrorCode::kNone) return on_error(a.error);
    id_ = a.member_id;
    generation_ = a.generation;
    SyncInput in{.member_id = id_, .instance_id = instance_, .generation = generation_, .protocol_type = a.protocol_type, .protocol_name = a.protocol_name, .assignments = {}};
    led_ = a.leader == id_ ? world_.topics : nullptr;
    if (led_ && a.skip_assignment) led_ = std::make_shared<TopicsImage>();  // who knows which ones were assigned
    else if (led_) in.assignments = assignments_of(a);
    ticket_ = ++world_.last_ticket;
    doing_ = Doing::kWaitingForAssignment;
    world_.take(world_.group.sync(ticket_, std::move(in), world_.now));
  }
  void take_assignment() {
    auto answer = world_.synced.extract(ticket_);
    if (!answer) return;
    if (answer.mapped().error != ErrorCode::kNone) return on_error(answer.mapped().error);
    assigned_ = flat(decode_assignment(answer.mapped().assignment).value_or(PartitionsByName{}));
    if (!world_.cooperative) return own(assigned_), void(doing_ = Doing::kReading);
    Owned all = owned_;
    all.insert(assigned_.begin(), assigned_.end());
    own(all);
    doing_ = minus(owned_, assigned_).empty() ? Doing::kReading : Doing::kGivingUp;
  }
  void on_error(ErrorCode error) {
    if (error == ErrorCode::kNone) return;
    doing_ = Doing::kJoining;
    if (error == ErrorCode::kRebalanceInProgress || error == ErrorCode::kMemberIdRequired) return;
    own({});
    generation_ = -1;
    if (error == ErrorCode::kFencedInstanceId) fenced_ = true;
    if (error == ErrorCode::kUnknownMemberId) id_.clear();
  }
  // What the leader makes of it: as even as can be, and a cooperative one takes nothing away and gives it at once.
  std::vector<std::pair<std::string, std::string>> assignments_of(const JoinAnswer& a) const {
    MembersToAssign members;
    std::map<std::pair<TopicId, int32_t>, std::string> owner;
    for (const auto& m : a.members) {
      members[m.id].topics = {id_of(1), id_of(2)};
      if (!world_.cooperative) continue;
      members[m.id].had = world_.topics->existing(decode_subscription(m.metadata)->owned);
      for (const auto& [topic, numbers] : members[m.id].had)
        for (const int32_t p : numbers) owner[{topic, p}] = m.id;
    }
    PartitionCounts counts;
    for (const auto& [name, count] : world_.shape) counts[world_.topics->by_name.at(name).id] = count;
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [id, partitions] : assign_uniformly(members, counts)) {
      PartitionsByName named;
      for (const auto& [topic, numbers] : partitions)
        for (const int32_t p : numbers)
          if (const auto at = owner.find({topic, p}); at == owner.end() || at->second == id) named[world_.topics->names.at(topic)].insert(p);
      out.emplace_back(id, encode_assignment(2, named));
    }
    return out;
  }

  Doing doing_ = Doing::kJoining;
  Ticket ticket_ = 0;
  Group::Topics led_;  // those that it assigned as the leader
  Owned assigned_;
};

struct Play {
  explicit Play(bool cooperative) : world(cooperative) {}
  World world;
  std::vector<std::unique_ptr<Consumer>> consumers;
  std::vector<std::unique_ptr<Consumer>> silent;  // killed, and not yet missed

  Consumer& add_classic(std::optional<std::string> instance = {}) { return *consumers.emplace_back(std::make_unique<ClassicClient>(world, std::move(instance))); }
  Consumer& add_consumer(std::optional<std::string> instance = {}) { return *consumers.emplace_back(std::make_unique<ConsumerClient>(world, std::move(instance))); }
  void stop(size_t i) {
    consumers[i]->leave();
    consumers.erase(consumers.begin() + static_cast<ptrdiff_t>(i));
  }
  void kill(size_t i) {
    silent.push_back(std::move(consumers[i]));
    consumers.erase(consumers.begin() + static_cast<ptrdiff_t>(i));
  }
  void pass(int64_t ms) {
    world.now += ms;
    if (world.group.next_deadline_ms() <= world.now) world.take(world.group.on_time(world.now));
  }
  void check_owners() const {
    std::map<std::pair<std::string, int32_t>, const Consumer*> owner;
    for (const auto* all : {&consumers, &silent})
      for (const auto& c : *all)
        if (!c->is_fenced() && c->is_member())
          for (const auto& key : c->owned()) ASSERT_TRUE(owner.emplace(key, c.get()).second) << key.first << "/" << key.second << " has two owners: " << owner[key]->name() << " and " << c->name();
  }
  // Everybody goes on without trouble for long enough that whoever fell silent is missed.
  void settle() {
    for (int round = 0; round < 200; ++round) {
      pass(1'000);
      for (const auto& c : consumers) c->act(), c->read_and_commit();
      check_owners();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  void expect_settled(bool consumer_group) const {
    const Group& group = world.group;
    ASSERT_EQ(group.consumer() != nullptr, consumer_group);
    if (group.consumer()) EXPECT_EQ(group.consumer()->phase(), ConsumerGroupPhase::kStable);
    else EXPECT_EQ(group.classic()->phase(), GroupPhase::kStable);
    size_t owned = 0, most = 0, least = SIZE_MAX;
    for (const auto& c : consumers) {
      EXPECT_TRUE(c->is_settled());
      EXPECT_EQ(c->generation(), consumer_group ? group.consumer()->epoch() : group.classic()->generation());
      owned += c->owned().size(), most = std::max(most, c->owned().size()), least = std::min(least, c->owned().size());
    }
    EXPECT_EQ(owned, world.partitions());
    EXPECT_LE(most, least + 1);
  }
};

// One after the other goes over to the consumer protocol, and back.
void move_there_and_back(bool cooperative, bool with_names) {
  Play play(cooperative);
  const auto name = [&](int i) { return with_names ? std::optional("name-" + std::to_string(i)) : std::nullopt; };
  for (int i = 0; i < 3; ++i) play.add_classic(name(i));
  play.settle();
  play.expect_settled(false);
  for (int i = 0; i < 3; ++i) {
    play.stop(0);
    play.add_consumer(name(i));
    play.settle();
    play.expect_settled(true);
  }
  for (int i = 0; i < 3; ++i) {
    play.stop(0);
    play.add_classic(name(i));
    play.settle();
    play.expect_settled(i < 2);
  }
}

TEST(GroupMoves, EagerMembersGoOverOneByOneAndBack) { move_there_and_back(false, false); }
TEST(GroupMoves, CooperativeMembersGoOverOneByOneAndBack) { move_there_and_back(true, false); }
TEST(GroupMoves, StaticMembersGoOverOneByOneAndBack) {
  move_there_and_back(false, true);
  move_there_and_back(true, true);
}

TEST(GroupMoves, WhoMayNotJoinChangesNothing) {
  Play play(false);
  play.add_classic();
  play.settle();
  const int32_t generation = play.world.group.classic()->generation();
  ConsumerHeartbeat in;
  in.member_id = "x";
  in.rebalance_timeout_ms = 1'000;
  in.topics.emplace();
  in.regex = "(";
  in.owned.emplace();
  GroupAnswers dismissed;
  const auto send = [&] { return play.world.group.consumer_heartbeat(in, {}, play.world.topics, play.world.now, dismissed).error; };
  EXPECT_EQ(send(), ErrorCode::kInvalidRegularExpression);
  in.regex.reset();
  in.epoch = 3;
  EXPECT_EQ(send(), ErrorCode::kUnknownMemberId);
  play.settle();
  play.expect_settled(false);
  EXPECT_EQ(play.world.group.classic()->generation(), generation);
}

TEST(GroupMoves, AClassicMemberKeepsItsGenerationUntilItJoinsTheClassicGroupAgain) {
  Play play(true);
  Consumer& classic = play.add_classic();
  play.settle();
  play.add_consumer();
  play.consumers[1]->act();
  const int32_t before = classic.generation();  // it has not noticed
  play.stop(1);
  ASSERT_TRUE(play.world.group.classic());
  EXPECT_GT(play.world.group.classic()->generation(), before);
  EXPECT_EQ(classic.may_commit(play.world.group), ErrorCode::kNone);
  play.settle();
  play.expect_settled(false);
}

// Consumers of both protocols come, go, are killed, miss answers, restart under their names with another protocol, while topics grow.
void run_world(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  Play play(rng.below(2) == 0);
  World& world = play.world;
  const auto add = [&](std::optional<std::string> instance) { rng.below(2) == 0 ? play.add_classic(instance) : play.add_consumer(instance); };
  const auto is_running = [&](const std::string& instance) {
    return std::ranges::any_of(play.consumers, [&](const auto& c) { return c->instance() == instance; });
  };
  for (int step = 0; step < 300; ++step) {
    play.pass(static_cast<int64_t>(rng.below(3'000)));
    const size_t i = play.consumers.empty() ? 0 : rng.below(play.consumers.size());
    switch (rng.below(25)) {
      case 0:
        if (play.consumers.size() < 5) add({});
        break;
      case 1:
        if (const std::string name = "name-" + std::to_string(rng.below(2)); !is_running(name)) {
          std::erase_if(play.silent, [&](const auto& c) { return c->instance() == name; });  // its process is gone
          add(name);
        }
        break;
      case 2:
        if (!play.consumers.empty()) play.stop(i);
        break;
      case 3:
        if (!play.consumers.empty()) play.kill(i);
        break;
      case 4:
        if (rng.below(8) == 0) world.set_topics({{"a", world.shape.at("a") + 1}, {"b", world.shape.at("b")}});
        break;
      case 5:
        for (const auto& c : play.silent) c->read_and_commit();  // a process that was only stopped for a while
        break;
      default:
        if (play.consumers.empty()) break;
        if (rng.below(10) == 0) play.consumers[i]->lose();
        play.consumers[i]->act();
        if (rng.below(3) == 0) play.consumers[i]->read_and_commit();
    }
    play.check_owners();
    if (::testing::Test::HasFatalFailure()) return;
  }
  play.settle();
  if (::testing::Test::HasFatalFailure() || play.consumers.empty()) return;
  play.expect_settled(std::ranges::any_of(play.consumers, [](const auto& c) { return dynamic_cast<ConsumerClient*>(c.get()) != nullptr; }));
}

TEST(GroupWorlds, NoPartitionHasTwoOwnersAndEverybodyConverges) {
  for (uint64_t seed = 0; seed < 1'000 && !::testing::Test::HasFailure(); ++seed) run_world(seed);
}

}  // namespace
}  // namespace ms::kafka
