// A server with users, admin (a super user) and bob, whose password is "secret"; and clients that have logged in.
#pragma once

#include "kafka/server_fixture.h"
#include "security/authority.h"

namespace ms::kafka {

class SecureServerTest : public KafkaServerTest {
 protected:
  SecureServerTest() {
    security::SecurityFile file;
    file.super_users = {"User:admin"};
    for (const char* user : {"admin", "bob"})
      file.users[user][security::ScramMechanism::kSha256] = security::make_credential(security::ScramMechanism::kSha256, "secret", "0123456789abcdef", 4096);
    authority_ = *security::Authority::open(std::move(file), *log_, nullptr);
    serve({.authority = authority_.get()});
  }
  ~SecureServerTest() override { server_->stop(); }

  std::unique_ptr<Client> client_of(const std::string& user) {
    auto client = std::make_unique<Client>(server_->port());
    SaslHandshakeRequest handshake{.mechanism = "PLAIN"};
    EXPECT_EQ(client->call<SaslHandshakeResponse>(handshake, 1).error_code, 0);
    SaslAuthenticateRequest authenticate{.auth_bytes = Slice::copy(std::string("\0", 1) + user + std::string("\0secret", 7))};
    EXPECT_EQ(client->call<SaslAuthenticateResponse>(authenticate, 2).error_code, 0);
    return client;
  }

  std::unique_ptr<security::Authority> authority_;
};

}  // namespace ms::kafka
