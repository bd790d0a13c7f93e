#include "io/http_message.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms::io {
namespace {

int fault_of(std::string_view text) {
  HttpHead head;
  return parse_request_head(text, head).status;
}

TEST(HttpMessage, ReadsARequestHead) {
  HttpHead head;
  const std::string text = "POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\ncontent-LENGTH: 12\r\nX-Y:  z \r\nExpect: 100-continue\r\n\r\n";
  ASSERT_EQ(parse_request_head(text, head).status, 0);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/x?a=b");
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_EQ(head.header("x-y"), "z");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  ASSERT_EQ(parse_request_head("GET / HTTP/1.0\r\n\r\n", head).status, 0);
  EXPECT_FALSE(head.keep_alive);
  EXPECT_FALSE(head.content_length);
  ASSERT_EQ(parse_request_head("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", head).status, 0);
  EXPECT_FALSE(head.keep_alive);
}

TEST(HttpMessage, RefusesWhatTwoServersCouldReadDifferently) {
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET http://x/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(fault_of("GET / SPDY\r\n\r\n"), 400);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 64; ++i) many += "a: b\r\n";
  EXPECT_EQ(fault_of(many + "\r\n"), 431);
}

TEST(HttpMessage, ReadsAResponseHead) {
  HttpHead head;
  ASSERT_EQ(parse_response_head("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", head).status, 0);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.content_length, 3u);
  EXPECT_NE(parse_response_head("HTTP/1.1 4x4 Not Found\r\n\r\n", head).status, 0);
}

// Feeds `wire` in pieces of random size, as a connection does; returns the body, or nullopt.
std::optional<std::string> unchunk(const std::string& wire, uint64_t seed, size_t body_max = 1'000) {
  Rng rng(seed);
  ChunkDecoder decoder;
  std::string buffer;
  size_t at = 0, given = 0;
  while (given < wire.size()) {
    const size_t n = std::min<size_t>(1 + rng.below(7), wire.size() - given);
    buffer.append(wire, given, n);
    given += n;
    const auto state = decoder.feed(buffer, at, body_max);
    if (state == ChunkDecoder::State::kBad) return std::nullopt;
    if (state == ChunkDecoder::State::kDone) return buffer.substr(0, decoder.decoded());
    buffer.erase(decoder.decoded(), at - decoder.decoded());
    at = decoder.decoded();
  }
  return std::nullopt;
}

TEST(HttpMessage, DecodesChunksHoweverTheyArrive) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    EXPECT_EQ(unchunk("4\r\nWiki\r\n6;x=y\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n", seed), "Wikipedia in \r\n\r\nchunks.");
    EXPECT_EQ(unchunk("1\r\na\r\n0\r\nTrailer: x\r\n\r\n", seed), "a");
    EXPECT_EQ(unchunk("1\r\nab\r\n0\r\n\r\n", seed), std::nullopt);
    EXPECT_EQ(unchunk("1;" + std::string(254, 'x') + "\r\na\r\n0\r\n\r\n", seed), "a");  // the longest line
    EXPECT_EQ(unchunk("1;" + std::string(255, 'x') + "\r\na\r\n0\r\n\r\n", seed), std::nullopt);
    EXPECT_EQ(unchunk("-1\r\na\r\n0\r\n\r\n", seed), std::nullopt);
    EXPECT_EQ(unchunk("fffffffffffffffff\r\na\r\n0\r\n\r\n", seed), std::nullopt);
    EXPECT_EQ(unchunk("4\r\nWiki\r\n4\r\nWiki\r\n0\r\n\r\n", seed, 7), std::nullopt);
  }
}

TEST(HttpMessage, DecodesTargets) {
  EXPECT_EQ(percent_decode("a%20b+%e2%82%ac"), "a b+€");
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("%zz"), std::nullopt);
  EXPECT_EQ(percent_decode(percent_encode("a/b c?&=%€")), "a/b c?&=%€");
  EXPECT_EQ(query_value("numbers=string&x=1+2", "x"), "1 2");
  EXPECT_EQ(query_value("numbers=string&flag", "flag"), "");
  EXPECT_EQ(query_value("numbers=string", "number"), std::nullopt);
}

}  // namespace
}  // namespace ms::io
