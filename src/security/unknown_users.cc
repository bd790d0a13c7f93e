#include "security/unknown_users.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ms::security {

namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
// Kafka's tools write a random number of 130 bits in base 36 and take the text for the salt: what is below this, without zeros in front.
constexpr std::string_view kJavaEnd = "1omfro7zwmumr3umxudzyj6scg";
constexpr size_t kJavaBytesMin = 16;

bool is_java(std::string_view salt) {
  const auto is_digit = [](char c) { return kDigits.find(c) != std::string_view::npos; };
  return salt.size() >= kJavaBytesMin && salt.size() <= kJavaEnd.size() && salt.front() != '0' && std::ranges::all_of(salt, is_digit) &&
         (salt.size() < kJavaEnd.size() || salt < kJavaEnd);
}

// Bytes without end that nobody can tell from random ones.
class Keystream {
 public:
  Keystream(std::string_view secret, std::string label) : secret_(secret), label_(std::move(label)) {}
  uint8_t byte() {
    if (at_ == block_.size()) block_ = hmac(Digest::kSha512, secret_, fmt::format("{}:{}", count_++, label_)), at_ = 0;
    return static_cast<uint8_t>(block_[at_++]);
  }
  std::string bytes(size_t count) {
    std::string out;
    while (out.size() < count) out += static_cast<char>(byte());
    return out;
  }
  size_t below(size_t bound) {  // nearly uniform; bound <= 36
    const size_t high = byte();
    return (high << 8 | byte()) % bound;
  }
  double unit() {  // in (0, 1]
    uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | byte();
    return static_cast<double>((bits >> 11) + 1) * 0x1p-53;
  }

 private:
  const std::string secret_, label_;
  std::string block_;
  size_t at_ = 0, count_ = 0;
};

std::string java_salt(Keystream& from, size_t bytes) {
  const bool longest = bytes == kJavaEnd.size();
  std::string salt;
  do {
    salt = longest ? kDigits[1] : kDigits[1 + from.below(kDigits.size() - 1)];
    while (salt.size() < bytes) salt += kDigits[from.below(kDigits.size())];
  } while (longest && salt >= kJavaEnd);
  return salt;
}

}  // namespace

UnknownUsers::UnknownUsers(const std::map<std::string, const ScramCredentials*>& real) {
  for (const auto& [user, credentials] : real) {
    Kind kind;
    for (const auto& [mechanism, credential] : *credentials) kind[mechanism] = shape_of(credential);
    if (!kind.empty()) ++kinds_[kind];
  }
}

UnknownUsers::Shape UnknownUsers::shape_of(const ScramCredential& credential) {
  return {.salt_bytes = credential.salt.size(), .iterations = credential.iterations, .java = is_java(credential.salt)};
}

// Weighted rendezvous: each kind gets its share of the names, and a kind that grows or shrinks moves no name between others.
// `has`: among the kinds that have this mechanism alone. Null: there are none.
const UnknownUsers::Kind* UnknownUsers::draw(std::string_view secret, std::string_view whose, const ScramMechanism* has) const {
  const Kind* best = nullptr;
  double best_score = 0;
  for (const auto& [kind, count] : kinds_) {
    if (has && !kind.contains(*has)) continue;
    std::string label = has ? "other:" : "kind:";
    for (const auto& [mechanism, shape] : kind)
      label += fmt::format("{},{},{},{};", to_string(mechanism), shape.salt_bytes, shape.iterations, shape.java);
    const double score = -std::log(Keystream(secret, fmt::format("{}:{}", label, whose)).unit()) / count;
    if (!best || score < best_score) best = &kind, best_score = score;
  }
  return best;
}

std::string UnknownUsers::salt_of(const Shape& shape, std::string_view secret, std::string_view whose) {
  Keystream from(secret, fmt::format("salt:{},{},{}:{}", shape.salt_bytes, shape.iterations, shape.java, whose));
  return shape.java ? java_salt(from, shape.salt_bytes) : from.bytes(shape.salt_bytes);
}

ScramCredential UnknownUsers::credential(std::string_view secret, std::string_view user, ScramMechanism mechanism) const {
  const Kind* kind = draw(secret, user);
  if (kind && !kind->contains(mechanism)) kind = draw(secret, user, &mechanism);
  const Shape shape = kind ? kind->at(mechanism) : Shape();
  const std::string whose = fmt::format("{}:{}", to_string(mechanism), user);
  const std::string key = hmac(digest_of(mechanism), secret, "key:" + whose);
  return credential_of_salted(mechanism, key, salt_of(shape, secret, whose), shape.iterations);
}

ScramMechanism UnknownUsers::mechanism(std::string_view secret, std::string_view user) const {
  const Kind* kind = draw(secret, user);
  return kind ? kind->begin()->first : ScramMechanism::kSha256;
}

}  // namespace ms::security
