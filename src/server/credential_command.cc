// millstream credential
#include <fmt/format.h>

#include "security/security_file.h"
#include "server/cli.h"
#include "server/password.h"

namespace ms::server {
namespace {

struct CredentialOptions {
  std::string user, password_file;
  int iterations = security::kIterationsUsual;
};

int run_credential(const CredentialOptions& options) {
  const auto password = read_password({.file = options.password_file, .twice = true});
  if (!password) return report(password.error());
  security::ScramCredentials credentials;
  for (const auto mechanism : {security::ScramMechanism::kSha256, security::ScramMechanism::kSha512})
    credentials[mechanism] =
        security::make_credential(mechanism, *password, security::random_bytes(security::kSaltBytesUsual), options.iterations);
  fmt::print("{}\n", security::user_line(options.user, credentials));
  return kDone;
}

}  // namespace

void add_credential_command(Cli& cli) {
  const auto options = std::make_shared<CredentialOptions>();
  CLI::App* sub = add_command(cli, cli.app, "credential", "print the line of a user for the security file; the password is not in it", [options] { return run_credential(*options); });
  sub->add_option("user", options->user, "the name of the user")->required()->type_name("USER");
  sub->add_option("--password-file", options->password_file, "file with the password, - for stdin (default: MILLSTREAM_PASSWORD, then the terminal)")->type_name("FILE");
  sub->add_option("--iterations", options->iterations, "how much work a guess costs (default 8192)")->check(CLI::Range(security::kIterationsMin, security::kIterationsMax))->type_name("NUMBER");
}

}  // namespace ms::server
