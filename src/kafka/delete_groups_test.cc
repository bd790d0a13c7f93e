// A group that is being deleted takes no members until it is: they would lose what they commit.
#include <gtest/gtest.h>

#include <thread>

#include "kafka/broker.h"
#include "kafka/held_disk_fixture.h"
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

class DeleteGroupsOnASlowDiskTest : protected HeldDisk, public KafkaServerTest {
 protected:
  DeleteGroupsOnASlowDiskTest() : KafkaServerTest(disk_) {}
  ~DeleteGroupsOnASlowDiskTest() override {
    if (!go_on_.try_wait()) go_on_.count_down();
  }

  static int16_t commit(Client& client, const std::string& member, int32_t generation, int64_t offset, const std::string& group = "g") {
    OffsetCommitRequest request;
    request.group_id = group, request.member_id = member, request.generation_id_or_member_epoch = generation;
    request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .committed_offset = offset}}});
    return client.call<OffsetCommitResponse>(request, 8).topics.at(0).partitions.at(0).error_code;
  }
  static JoinGroupResponse join(Client& client, const std::string& group = "g") {
    JoinGroupRequest request;
    request.group_id = group, request.session_timeout_ms = request.rebalance_timeout_ms = 60'000, request.protocol_type = "consumer";
    request.protocols.push_back({"range", {}});
    return client.call<JoinGroupResponse>(request, 3);
  }
  static ConsumerGroupHeartbeatResponse join_as_consumer(Client& client) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = "g", request.rebalance_timeout_ms = 60'000;
    request.subscribed_topic_names.emplace().push_back("t");
    request.topic_partitions.emplace();
    return client.call<ConsumerGroupHeartbeatResponse>(request, 0);
  }
  // Asks twice in one request, and returns when the log waits for the disk.
  void begin_to_delete(Client& admin) {
    hold_next_ = true;
    DeleteGroupsRequest request;
    request.groups_names = {"g", "g", "nobody's"};
    admin.ask(request, 2);
    held_.wait();
  }
  std::vector<ErrorCode> end_of_deletion(Client& admin) {
    go_on_.count_down();
    std::vector<ErrorCode> out;
    for (const auto& result : admin.receive<DeleteGroupsResponse>(2).results) out.push_back(static_cast<ErrorCode>(result.error_code));
    return out;
  }
};

TEST_F(DeleteGroupsOnASlowDiskTest, MembersComeAfterwards) {
  Client admin(server_->port()), member(server_->port());
  ASSERT_EQ(commit(admin, "", -1, 1), 0);
  begin_to_delete(admin);
  EXPECT_EQ(join(member).error_code, code(ErrorCode::kCoordinatorNotAvailable));
  EXPECT_EQ(join_as_consumer(member).error_code, code(ErrorCode::kCoordinatorNotAvailable));
  EXPECT_EQ(end_of_deletion(admin), (std::vector{ErrorCode::kNone, ErrorCode::kGroupIdNotFound, ErrorCode::kGroupIdNotFound}));
  EXPECT_TRUE(log_->committed_offsets("g").empty());

  const auto joined = join(member);
  ASSERT_EQ(joined.error_code, 0);
  SyncGroupRequest sync;
  sync.group_id = "g", sync.generation_id = joined.generation_id, sync.member_id = joined.member_id;
  ASSERT_EQ(member.call<SyncGroupResponse>(sync, 3).error_code, 0);
  EXPECT_EQ(commit(member, joined.member_id, joined.generation_id, 7), 0);
  EXPECT_EQ(log_->committed_offsets("g").size(), 1u);
}

// A deletion for which there is no room has not begun.
TEST_F(DeleteGroupsOnASlowDiskTest, MembersComeAfterOneThatWasTurnedAway) {
  Client admin(server_->port()), another(server_->port()), member(server_->port());
  ASSERT_EQ(commit(member, "", -1, 1), 0);
  ASSERT_EQ(commit(member, "", -1, 1, "h"), 0);
  begin_to_delete(admin);
  const int64_t before = refused("dropped");
  std::vector<std::unique_ptr<Client>> crowd;
  DeleteRecordsRequest waits;
  waits.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .offset = 0}}});
  for (size_t asked = 0; asked <= kWorkerQueueMax; ++asked) {
    if (asked % 50 == 0) crowd.push_back(std::make_unique<Client>(server_->port()));
    crowd.back()->ask(waits, 2);
  }
  while (refused("dropped") == before) std::this_thread::yield();  // one of them found the queue full, which it then stays
  DeleteGroupsRequest one_more;
  one_more.groups_names = {"h"};
  another.ask(one_more, 2);
  EXPECT_TRUE(another.closed());
  EXPECT_EQ(join(member, "h").error_code, 0);
  EXPECT_EQ(end_of_deletion(admin).at(0), ErrorCode::kNone);
  EXPECT_EQ(log_->committed_offsets("h").size(), 1u);
}

}  // namespace
}  // namespace ms::kafka
