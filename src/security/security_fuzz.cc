// Everything outside bytes are parsed as by this folder: the first byte says what they are. What is taken means what it says.
//
// 's' security file, 'k' JWKS, 't' token, 'c' SCRAM as the server (first and final message, a newline between), 'a' SCRAM as the
// client (the server's first message), 'u' a user's credential, 'n' a certificate's subject, 'b' base64.
#include "base/check.h"
#include "security/acl.h"
#include "security/fuzz_keys.h"
#include "security/principal_mapping.h"
#include "security/scram.h"
#include "security/security_file.h"

namespace {

using namespace ms;
using namespace ms::security;

constexpr int64_t kNowMs = 1'800'000'000'000;
constexpr auto kMechanism = ScramMechanism::kSha256;

// Whatever a file says, it names super users, and what it allows could also be kept.
void read_security_file(std::string_view text) {
  const auto file = parse_security_file("security.yaml", std::string(text));
  if (!file) return CHECK(!file.error().message.empty());
  CHECK(!file->super_users.empty());
  for (const Acl& acl : file->acls) CHECK(check_acl(acl));
  for (const auto& [user, credentials] : file->users) {
    CHECK(!credentials.empty());
    for (const auto& [mechanism, credential] : credentials) CHECK(parse_credential(mechanism, format_credential(credential)) == credential);
  }
  if (file->oauth) CHECK(!file->oauth->issuer.empty() && !file->oauth->audience.empty() && !file->oauth->jwks.empty());
}

void read_jwks(std::string_view text) {
  const auto keys = JwksKeys::parse(text);
  if (keys) CHECK(keys->size() > 0);
}

// Only what the issuer has signed is good, and it has signed tokens of alice alone.
void read_token(std::string_view text) {
  static const JwksKeys keys = JwksKeys::parse(kFuzzJwks).value();
  static_cast<void>(key_id_of(text));
  const auto token = verify_token(text, keys, fuzz_settings(), kNowMs);
  if (token) CHECK(token->user == "alice" && token->expires_ms == 4'102'444'800'000);
}

// With one nonce for all, so that the corpus can have a proof that is right. Whoever has it is alice.
void serve_scram(std::string_view text) {
  static const ScramCredential of_alice = make_credential(kMechanism, "secret", "0123456789abcdef", kIterationsMin);
  const size_t end = std::min(text.find('\n'), text.size());
  ScramServer server(kMechanism, "server");
  const auto user = server.begin(text.substr(0, end));
  if (!user) return;
  const std::string challenge = server.challenge(of_alice);
  CHECK(challenge.find("server,s=") != std::string::npos);
  const auto done = server.finish(text.substr(std::min(end + 1, text.size())));
  if (done) CHECK(done->starts_with("v="));
}

void answer_scram(std::string_view text) {
  ScramClient client(kMechanism, "alice", "secret", "client");
  const auto answer = client.answer(text);
  if (answer) CHECK(answer->starts_with("c=biws,r=client"));
  CHECK(!client.verifies(text));
}

void read_credential(std::string_view text) {
  const auto credential = parse_user_credential(text);
  if (credential) CHECK(parse_credential(credential->first, format_credential(credential->second)) == credential->second);
}

void read_subject(std::string_view text) {
  static const std::vector<MappingRule> rules = {
      {.subject = parse_distinguished_name("CN=root,O=Acme").value(), .user = "admin", .attribute = "", .under = {}},
      {.subject = std::nullopt, .user = "", .attribute = "CN", .under = parse_distinguished_name("OU=apps,O=Acme").value()}};
  const auto principal = principal_of(text, rules);
  if (!principal) return;
  CHECK(principal->starts_with("User:"));
  const auto parts = parse_distinguished_name(text);
  CHECK(parts);
  if (*principal == "User:admin") CHECK(*parts == *rules[0].subject || parts->back() == rules[1].under.back());
}

void read_base64(std::string_view text) {
  if (const auto bytes = from_base64(text)) CHECK(base64(*bytes) == text);
  if (const auto bytes = from_base64_url(text)) CHECK(base64_url(*bytes) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 's': read_security_file(text); break;
    case 'k': read_jwks(text); break;
    case 't': read_token(text); break;
    case 'c': serve_scram(text); break;
    case 'a': answer_scram(text); break;
    case 'u': read_credential(text); break;
    case 'n': read_subject(text); break;
    case 'b': read_base64(text); break;
    default: break;
  }
  return 0;
}
