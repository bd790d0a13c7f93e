// Who is given a partition while the last owner's offsets are on their way into a transaction waits for its end.
#include "kafka/offsets_under_way.h"

#include "kafka/held_disk_fixture.h"
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

TEST(OffsetsUnderWay, EachRequestHasItsOwn) {
  const log::OffsetKey zero{TopicId{random_uuid()}, 0}, one{zero.first, 1};
  OffsetsUnderWay all;
  const uint64_t first = all.begin("g", {zero}), second = all.begin("g", {zero, one});
  static_cast<void>(all.begin("h", {one}));
  EXPECT_EQ(all.of("g"), (std::set{zero, one}));
  all.end(second);
  EXPECT_EQ(all.of("g"), (std::set{zero}));
  all.end(first);
  EXPECT_TRUE(all.of("g").empty());
  EXPECT_EQ(all.of("h"), (std::set{one}));
}

class OffsetsOnASlowDiskTest : protected HeldDisk, public KafkaServerTest {
 protected:
  OffsetsOnASlowDiskTest() : KafkaServerTest(disk_) {}
  static OffsetFetchResponse::Group::Topic::Partition group_offset(Client& client, bool stable) {
    OffsetFetchRequest request;
    request.groups.push_back({.group_id = "g", .member_id = {}, .topics = {{{.name = "t", .topic_id = {}, .partition_indexes = {0}}}}});
    request.require_stable = stable;
    return client.call<OffsetFetchResponse>(request, 8).groups.at(0).topics.at(0).partitions.at(0);
  }
};

TEST_F(OffsetsOnASlowDiskTest, AreUnstable) {
  Client owner(server_->port()), next(server_->port());
  InitProducerIdRequest init;
  init.transactional_id = "a", init.transaction_timeout_ms = 60'000, init.producer_id = -1, init.producer_epoch = -1;
  const auto producer = owner.call<InitProducerIdResponse>(init, 4);
  TxnOffsetCommitRequest offsets;
  offsets.transactional_id = "a", offsets.group_id = "g", offsets.producer_id = producer.producer_id, offsets.producer_epoch = producer.producer_epoch;
  offsets.topics.push_back({"t", {{.partition_index = 0, .committed_offset = 3, .committed_metadata = ""}}});

  hold_next_ = true;
  owner.ask(offsets, 5);
  held_.wait();
  EXPECT_EQ(group_offset(next, true).error_code, code(ErrorCode::kUnstableOffsetCommit));
  EXPECT_EQ(group_offset(next, false).error_code, 0);
  go_on_.count_down();
  EXPECT_EQ(owner.receive<TxnOffsetCommitResponse>(5).topics.at(0).partitions.at(0).error_code, 0);

  EXPECT_EQ(group_offset(next, true).error_code, code(ErrorCode::kUnstableOffsetCommit));  // staged
  EndTxnRequest end;
  end.transactional_id = "a", end.producer_id = producer.producer_id, end.producer_epoch = producer.producer_epoch, end.committed = true;
  EXPECT_EQ(owner.call<EndTxnResponse>(end, 5).error_code, 0);
  EXPECT_EQ(group_offset(next, true).committed_offset, 3);
}

}  // namespace
}  // namespace ms::kafka
