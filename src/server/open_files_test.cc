#include "server/open_files.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ms::server {
namespace {

TEST(ConnectionLimits, LeaveTheLogItsFiles) {
  EXPECT_EQ(connection_limits(UINT64_MAX, 2), (ConnectionLimits{kConnectionsMax, kConnectionsMax}));
  EXPECT_EQ(connection_limits(kOpenFilesWanted, 1).kafka, kConnectionsMax);
  EXPECT_EQ(connection_limits(1'024, 1), (ConnectionLimits{384, 128}));
  for (const uint64_t files : {0ul, 1ul, 3ul, 256ul, 1'024ul, 4'096ul, 20'000ul, 1'000'000ul})
    for (const size_t listeners : {1uz, 2uz}) {
      const ConnectionLimits limits = connection_limits(files, listeners);
      EXPECT_LE(limits.kafka * listeners + limits.http, files - std::min<uint64_t>(1'024, files / 2)) << files;
    }
}

}  // namespace
}  // namespace ms::server
