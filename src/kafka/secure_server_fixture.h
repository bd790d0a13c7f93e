// A server with users, admin (a super user) and bob, whose password is "secret"; and clients that have logged in.
#pragma once

#include <algorithm>
#include <sstream>

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
    audit_ = *security::Audit::open({.file = audit_file(), .fs = &posix_file_system(), .clock = &system_clock()});
    authority_ = *security::Authority::open(std::move(file), *log_, audit_.get());
    serve({.authority = authority_.get()});
  }
  ~SecureServerTest() override { server_->stop(); }

  std::unique_ptr<Client> client_of(const std::string& user, int family = AF_INET) {
    auto client = std::make_unique<Client>(server_->port(), family);
    SaslHandshakeRequest handshake{.mechanism = "PLAIN"};
    EXPECT_EQ(client->call<SaslHandshakeResponse>(handshake, 1).error_code, 0);
    SaslAuthenticateRequest authenticate{.auth_bytes = Slice::copy(std::string("\0", 1) + user + std::string("\0secret", 7))};
    EXPECT_EQ(client->call<SaslAuthenticateResponse>(authenticate, 2).error_code, 0);
    return client;
  }

  // The lines of the audit file that have all these parts.
  std::vector<std::string> audited(std::initializer_list<std::string_view> parts) const {
    audit_->flush();
    std::istringstream file(read_file(posix_file_system(), audit_file()).value());
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
      if (std::ranges::all_of(parts, [&](std::string_view part) { return line.find(part) != std::string::npos; })) lines.push_back(line);
    return lines;
  }

  std::unique_ptr<security::Audit> audit_;
  std::unique_ptr<security::Authority> authority_;

 private:
  std::string audit_file() const { return (dir_ / "audit" / "audit.jsonl").string(); }
};

}  // namespace ms::kafka
