// What millstream doctor makes of what it was told.
#include <gtest/gtest.h>

#include "server/doctor_findings.h"

namespace ms::server {
namespace {

TEST(Doctor, GroupsThatAreBehindAndAlone) {
  EXPECT_EQ(judge_groups({}).verdict, Verdict::kOk);
  EXPECT_EQ(judge_groups({{"a", 10, true}, {"b", 0, false}}).verdict, Verdict::kOk);
  const Finding found = judge_groups({{"a", 10, true}, {"b", 12'345, false}});
  EXPECT_EQ(found.verdict, Verdict::kWarning);
  EXPECT_NE(found.text.find("b (lag 12,345)"), std::string::npos) << found.text;
  EXPECT_EQ(found.text.find("a (lag"), std::string::npos);
  const Finding many = judge_groups(std::vector<GroupState>(9, {"g", 1, false}));
  EXPECT_NE(many.text.find("and 4 more"), std::string::npos) << many.text;
}

TEST(Doctor, TransactionsBeyondTheirTimeout) {
  EXPECT_EQ(judge_transactions({{"x", 69'000, 60'000}}).verdict, Verdict::kOk);
  const Finding found = judge_transactions({{"x", 71'000, 60'000}, {"y", 1, 60'000}});
  EXPECT_EQ(found.verdict, Verdict::kProblem);
  EXPECT_NE(found.text.find("x (for 1 min, timeout 1 min)"), std::string::npos) << found.text;
}

TEST(Doctor, AppendsThatTheDiskRefused) {
  const std::string name = "\nmillstream_kafka_batches_refused_total";
  EXPECT_EQ(judge_appends(name + "{error_code=\"3\"} 9\n").verdict, Verdict::kOk);
  const Finding found = judge_appends(name + "{error_code=\"3\"} 9" + name + "{error_code=\"56\"} 1200\n");
  EXPECT_EQ(found.verdict, Verdict::kWarning);
  EXPECT_NE(found.text.find("1,200"), std::string::npos);
}

TEST(Doctor, WhatIsInNoObjectYet) {
  EXPECT_EQ(judge_upload("").verdict, Verdict::kOk);
  EXPECT_EQ(judge_upload("\nmillstream_log_wal_live_bytes 1048576\n").verdict, Verdict::kOk);
  EXPECT_EQ(judge_upload("\nmillstream_log_wal_live_bytes 9000000000\n").verdict, Verdict::kWarning);
}

TEST(Doctor, TheCertificate) {
  EXPECT_EQ(judge_certificate("", 0).verdict, Verdict::kOk);
  const std::string metrics = "\nmillstream_tls_certificate_expires_seconds 2000000\n";
  EXPECT_EQ(judge_certificate(metrics, 0).verdict, Verdict::kOk);
  EXPECT_EQ(judge_certificate(metrics, 1'000'000).verdict, Verdict::kWarning);
  EXPECT_EQ(judge_certificate(metrics, 2'000'000).verdict, Verdict::kProblem);
}

}  // namespace
}  // namespace ms::server
