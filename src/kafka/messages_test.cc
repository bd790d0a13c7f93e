#include "kafka/messages/all.h"

#include <gtest/gtest.h>

#include "kafka/request.h"
#include "kafka/sampler.h"

namespace ms::kafka {
namespace {

template <class Message>
std::string encode(Message& message, int16_t version) {
  Encoder out(version, Message::kApi.is_flexible(version));
  message.code(out);
  return out.take_bytes();
}

template <class Message>
bool decode(const std::string& bytes, int16_t version, Message& into) {
  Decoder in(Slice::copy(bytes), version, Message::kApi.is_flexible(version));
  into.code(in);
  return in.ok() && in.at_end();
}

template <class Message>
void round_trip() {
  for (int16_t version = Message::kApi.min_version; version <= Message::kApi.max_version; ++version) {
    for (uint64_t seed = 0; seed < 30; ++seed) {
      SCOPED_TRACE(std::string(Message::kApi.name) + " v" + std::to_string(version) + " seed " + std::to_string(seed));
      Message sample;
      Sampler sampler(seed * 1000 + static_cast<uint64_t>(version), version);
      sample.code(sampler);
      const std::string bytes = encode(sample, version);
      Message back;
      ASSERT_TRUE(decode(bytes, version, back));
      ASSERT_TRUE(encode(back, version) == bytes);
      // Every cut is malformed, and no flipped byte does more harm than that.
      for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 40) {
        Message part;
        EXPECT_FALSE(decode(bytes.substr(0, cut), version, part));
        std::string flipped = bytes;
        flipped[cut] = static_cast<char>(flipped[cut] ^ 0xFF);
        decode(flipped, version, part);
      }
    }
  }
}

TEST(Messages, RoundTripInEveryVersion) {
  for_each_api([]<class Request, class Response>() {
    round_trip<Request>();
    round_trip<Response>();
  });
}

// Bytes worked out by hand from the protocol's description.
TEST(Messages, GoldenBytes) {
  MetadataRequest metadata;
  metadata.topics.emplace().push_back({.topic_id = {}, .name = "ab"});
  EXPECT_EQ(encode(metadata, 4), std::string("\0\0\0\1\0\2ab\1", 9));
  EXPECT_EQ(encode(metadata, 9), std::string("\2\3ab\0\1\0\0\0", 9));
  metadata.topics.reset();
  EXPECT_EQ(encode(metadata, 1), "\xff\xff\xff\xff");
  EXPECT_EQ(encode(metadata, 9), std::string("\0\1\0\0\0", 5));

  HeartbeatResponse heartbeat;
  heartbeat.error_code = 25;
  EXPECT_EQ(encode(heartbeat, 0), std::string("\0\x19", 2));
  EXPECT_EQ(encode(heartbeat, 4), std::string("\0\0\0\0\0\x19\0", 7));

  InitProducerIdResponse producer;
  producer.producer_id = 0x0102030405060708;
  EXPECT_EQ(encode(producer, 2), std::string("\0\0\0\0\0\0\1\2\3\4\5\6\7\x08\0\0\0", 17));
}

TEST(Messages, UnknownTaggedFieldsAreSkipped) {
  HeartbeatRequest request;
  // group "g", generation 1, member "m", no instance; tagged fields 5 (3 bytes) and 300 (none)
  const std::string bytes("\2g\0\0\0\1\2m\0\2\5\3abc\xac\2\0", 18);
  ASSERT_TRUE(decode(bytes, 4, request));
  EXPECT_EQ(request.member_id, "m");
  EXPECT_FALSE(decode(bytes.substr(0, bytes.size() - 2), 4, request));
}

// Names that clients have sent come back within messages, which may then be longer than the format can say.
TEST(Messages, TextsTooLongForTheFormatAreCut) {
  for (const int16_t version : {int16_t{4}, int16_t{9}}) {
    MetadataResponse response, back;
    response.cluster_id = std::string(40'000, 'x');
    ASSERT_TRUE(decode(encode(response, version), version, back));
    EXPECT_EQ(back.cluster_id->size(), static_cast<size_t>(INT16_MAX));
    response.cluster_id = std::string(INT16_MAX - 2, 'x') + "\xe2\x82\xac" + "more";
    ASSERT_TRUE(decode(encode(response, version), version, back));
    EXPECT_EQ(*back.cluster_id, std::string(INT16_MAX - 2, 'x'));
  }
  EXPECT_EQ(cut_text("\xc3\xa4\xc3\xa4", 3), "\xc3\xa4");
  EXPECT_EQ(cut_text(std::string(10, '\x80'), 5).size(), 2u);  // not UTF-8 at all
}

// A count costs nothing to write; it must cost nothing to refuse.
TEST(Messages, AbsurdCountsReserveNothing) {
  MetadataRequest request;
  EXPECT_FALSE(decode(std::string("\x7f\xff\xff\xff", 4), 1, request));
  EXPECT_FALSE(decode(std::string("\xff\xff\xff\xff\x0f", 5), 9, request));
  const std::string many = std::string("\x00\x7f\xff\xff", 4) + std::string(0x800000, '\0');  // 8 M topics in 8 MB
  EXPECT_FALSE(decode(many, 1, request));
  EXPECT_LT(request.topics ? request.topics->capacity() : 0, 1000u);
}

TEST(Request, HeaderVersions) {
  const std::string v1("\0\3\0\1\0\0\0\7\0\2me!", 13), v2("\0\3\0\x09\0\0\0\7\0\2me\1\0\1x!", 17);
  const auto old = parse_request(Slice::copy(v1), false);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->header.client_id, "me");
  EXPECT_EQ(old->header.correlation, 7);
  EXPECT_EQ(old->body.view(), "!");
  const auto flexible = parse_request(Slice::copy(v2), true);
  ASSERT_TRUE(flexible);
  EXPECT_EQ(flexible->body.view(), "!");
  EXPECT_FALSE(parse_request(Slice::copy(v1.substr(0, 11)), false));
  EXPECT_FALSE(peek_header(Slice::copy(v1.substr(0, 7))));
}

}  // namespace
}  // namespace ms::kafka
