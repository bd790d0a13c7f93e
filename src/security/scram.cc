#include "security/scram.h"

#include <fmt/format.h>

#include <charconv>

namespace ms::security {

namespace {

// "a=...": takes it off the front of `text`, up to the next comma. nullopt: there is none of that name.
std::optional<std::string_view> take(std::string_view& text, char name) {
  if (text.size() < 2 || text[0] != name || text[1] != '=') return std::nullopt;
  const size_t end = std::min(text.find(','), text.size());
  const std::string_view value = text.substr(2, end - 2);
  text.remove_prefix(std::min(end + 1, text.size()));
  return value;
}

// "=2C" is a comma, "=3D" an equals sign, and no other '=' is legal.
std::optional<std::string> user_name(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool comma = text.starts_with("=2C"), equals = text.starts_with("=3D");
    if (text.front() == '=' && !comma && !equals) return std::nullopt;
    out += comma ? ',' : equals ? '=' : text.front();
    text.remove_prefix(comma || equals ? 3 : 1);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::string escaped(std::string_view user) {
  std::string out;
  for (const char c : user) out += c == ',' ? "=2C" : c == '=' ? "=3D" : std::string(1, c);
  return out;
}

bool is_nonce(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text)
    if (c < 0x21 || c > 0x7E || c == ',') return false;
  return true;
}

std::string exclusive_or(std::string_view a, std::string_view b) {
  std::string out(a);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

}  // namespace

std::string_view to_string(ScramMechanism mechanism) { return mechanism == ScramMechanism::kSha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512"; }

std::optional<ScramMechanism> scram_mechanism_named(std::string_view name) {
  for (const auto mechanism : {ScramMechanism::kSha256, ScramMechanism::kSha512})
    if (name == to_string(mechanism)) return mechanism;
  return std::nullopt;
}

Digest digest_of(ScramMechanism mechanism) { return mechanism == ScramMechanism::kSha256 ? Digest::kSha256 : Digest::kSha512; }

ScramCredential credential_of_salted(ScramMechanism mechanism, std::string_view salted_password, std::string salt, int iterations) {
  const Digest digest = digest_of(mechanism);
  return {.salt = std::move(salt),
          .stored_key = hash(digest, hmac(digest, salted_password, "Client Key")),
          .server_key = hmac(digest, salted_password, "Server Key"),
          .iterations = iterations};
}

ScramCredential make_credential(ScramMechanism mechanism, std::string_view password, std::string salt, int iterations) {
  const std::string salted = pbkdf2(digest_of(mechanism), password, salt, iterations);
  return credential_of_salted(mechanism, salted, std::move(salt), iterations);
}

bool has_password(ScramMechanism mechanism, const ScramCredential& credential, std::string_view password) {
  const ScramCredential made = make_credential(mechanism, password, credential.salt, credential.iterations);
  return equal_in_constant_time(made.stored_key, credential.stored_key);
}

std::string format_credential(const ScramCredential& c) {
  return fmt::format("salt={},stored_key={},server_key={},iterations={}", base64(c.salt), base64(c.stored_key), base64(c.server_key), c.iterations);
}

Result<ScramCredential> parse_credential(ScramMechanism mechanism, std::string_view text) {
  ScramCredential out;
  const auto part = [&](std::string_view name) -> Result<std::string_view> {
    if (!text.starts_with(name) || !text.substr(name.size()).starts_with('='))
      return invalid(fmt::format("a credential is salt=...,stored_key=...,server_key=...,iterations=..., and {} is missing; 'millstream credential' makes one", name));
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view value = text.substr(name.size() + 1, end - name.size() - 1);
    text.remove_prefix(std::min(end + 1, text.size()));
    return value;
  };
  const auto bytes = [&](std::string_view name, size_t size, std::string& into) -> Result<> {
    TRY_ASSIGN(const std::string_view value, part(name));
    auto decoded = from_base64(value);
    if (!decoded || decoded->empty() || (size != 0 && decoded->size() != size))
      return invalid(fmt::format("{} of the credential is not what {} needs; 'millstream credential' makes one", name, to_string(mechanism)));
    into = std::move(*decoded);
    return {};
  };
  const size_t size = digest_bytes(digest_of(mechanism));
  TRY(bytes("salt", 0, out.salt));
  TRY(bytes("stored_key", size, out.stored_key));
  TRY(bytes("server_key", size, out.server_key));
  TRY_ASSIGN(const std::string_view iterations, part("iterations"));
  const auto [end, error] = std::from_chars(iterations.data(), iterations.data() + iterations.size(), out.iterations);
  if (error != std::errc() || end != iterations.data() + iterations.size() || out.iterations < kIterationsMin || out.iterations > kIterationsMax)
    return invalid(fmt::format("iterations of a credential are {} to {}, not '{}'", kIterationsMin, kIterationsMax, iterations));
  return out;
}

ScramClient::ScramClient(ScramMechanism mechanism, std::string_view user, std::string password, std::string nonce)
    : mechanism_(mechanism), password_(std::move(password)), nonce_(std::move(nonce)), first_bare_(fmt::format("n={},r={}", escaped(user), nonce_)) {}

Result<std::string> ScramClient::answer(std::string_view challenge) {
  std::string_view rest = challenge;
  const auto nonce = take(rest, 'r'), salt_text = take(rest, 's'), count = take(rest, 'i');
  const auto salt = from_base64(salt_text.value_or(""));
  int iterations = 0;
  if (count) std::from_chars(count->data(), count->data() + count->size(), iterations);
  if (!nonce || !nonce->starts_with(nonce_) || !salt || salt->empty()) return corruption("the server's SCRAM challenge is malformed");
  if (iterations < kIterationsMin || iterations > kIterationsMax)
    return invalid(fmt::format("the server asks for {} iterations, which are {} to {}: do not trust it", iterations, kIterationsMin, kIterationsMax));
  const Digest digest = digest_of(mechanism_);
  const std::string salted = pbkdf2(digest, password_, *salt, iterations);
  const std::string client_key = hmac(digest, salted, "Client Key");
  const std::string without_proof = fmt::format("c=biws,r={}", *nonce);
  const std::string message = fmt::format("{},{},{}", first_bare_, challenge, without_proof);
  expected_ = "v=" + base64(hmac(digest, hmac(digest, salted, "Server Key"), message));
  return fmt::format("{},p={}", without_proof, base64(exclusive_or(client_key, hmac(digest, hash(digest, client_key), message))));
}

bool ScramClient::verifies(std::string_view server_final) const { return !expected_.empty() && equal_in_constant_time(server_final, expected_); }

std::optional<std::string> ScramServer::begin(std::string_view text) {
  // gs2-header: "n," (no channel binding) or "y," (the client thinks that we have none), an authorization id, ",".
  const std::string_view all = text;
  if (!text.starts_with("n,") && !text.starts_with("y,")) return std::nullopt;
  text.remove_prefix(2);
  const auto authorization = take(text, 'a');
  if (!authorization && !text.starts_with(',')) return std::nullopt;
  if (!authorization) text.remove_prefix(1);
  gs2_header_ = all.substr(0, all.size() - text.size());
  client_first_bare_ = text;
  const auto name = take(text, 'n');  // "m=" in front of it, a mandatory extension, is not known
  const auto nonce = take(text, 'r');
  if (!name || !nonce || !is_nonce(*nonce)) return std::nullopt;
  auto user = user_name(*name);
  if (!user || (authorization && !authorization->empty() && user_name(*authorization) != user)) return std::nullopt;
  nonce_ = std::string(*nonce) + nonce_;
  return user;
}

std::string ScramServer::challenge(ScramCredential credential) {
  credential_ = std::move(credential);
  server_first_ = fmt::format("r={},s={},i={}", nonce_, base64(credential_.salt), credential_.iterations);
  return server_first_;
}

std::optional<std::string> ScramServer::finish(std::string_view text) {
  const size_t proof_at = text.rfind(",p=");
  if (server_first_.empty() || proof_at == std::string_view::npos) return std::nullopt;
  const std::string_view without_proof = text.substr(0, proof_at);
  std::string_view rest = without_proof;
  const auto binding = take(rest, 'c'), nonce = take(rest, 'r');
  if (!binding || !nonce || from_base64(*binding) != gs2_header_ || *nonce != nonce_) return std::nullopt;
  const auto proof = from_base64(text.substr(proof_at + 3));
  const Digest digest = digest_of(mechanism_);
  if (!proof || proof->size() != digest_bytes(digest)) return std::nullopt;
  const std::string message = client_first_bare_ + "," + server_first_ + "," + std::string(without_proof);
  server_first_.clear();  // one attempt
  const std::string client_key = exclusive_or(*proof, hmac(digest, credential_.stored_key, message));
  if (!equal_in_constant_time(hash(digest, client_key), credential_.stored_key)) return std::nullopt;
  return "v=" + base64(hmac(digest, credential_.server_key, message));
}

}  // namespace ms::security
