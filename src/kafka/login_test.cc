// Connections that have not said who they are.
#include "kafka/login.h"

#include "kafka/secure_server_fixture.h"

namespace ms::kafka {
namespace {

using LoginTest = SecureServerTest;

std::string length_prefix(size_t bytes) {
  const uint32_t size = htonl(static_cast<uint32_t>(bytes));
  return {reinterpret_cast<const char*>(&size), 4};
}

// The length alone decides: nothing of the frame has been sent, and no memory is held for it.
TEST_F(LoginTest, AFrameThatIsTooLargeIsRefusedByItsLength) {
  const int64_t before = refused("login_too_large"), late = refused("login_timeout");
  for (const size_t bytes : {kLoginFrameBytesMax + 1, size_t{1} << 20}) {
    Client stranger(server_->port());
    stranger.send_raw(length_prefix(bytes));
    EXPECT_TRUE(stranger.closed());
  }
  EXPECT_EQ(refused("login_too_large"), before + 2);
  EXPECT_EQ(refused("login_timeout"), late);
}

TEST_F(LoginTest, AFrameOfTheLargestSizeIsRead) {
  Client stranger(server_->port());
  SaslAuthenticateRequest authenticate;  // without a handshake: refused, but read
  const size_t around = Client::request_bytes(authenticate, 0, 1).size();
  authenticate.auth_bytes = Slice::copy(std::string(kLoginFrameBytesMax - around, 'x'));
  EXPECT_EQ(stranger.call<SaslAuthenticateResponse>(authenticate, 0).error_code, static_cast<int16_t>(ErrorCode::kIllegalSaslState));
}

TEST_F(LoginTest, WhoHasLoggedInMaySendMore) {
  const auto admin = client_of("admin");
  EXPECT_EQ(produce(*admin, batch_of(std::string(kLoginFrameBytesMax + 1000, 'x'))).error_code, 0);
}

}  // namespace
}  // namespace ms::kafka
