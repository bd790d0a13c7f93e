// What is shown of users that do not exist, so that nobody can tell them from those that do: each is made like one that exists,
// always like the same one while there are as many of each kind. Immutable.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "security/scram.h"

namespace ms::security {

class UnknownUsers {
 public:
  UnknownUsers() = default;
  explicit UnknownUsers(const std::map<std::string, const ScramCredentials*>& real);

  // One that nobody has. `secret` is what keeps others from making it, too.
  ScramCredential credential(std::string_view secret, std::string_view user, ScramMechanism mechanism) const;
  // The one that a password is checked against.
  ScramMechanism mechanism(std::string_view secret, std::string_view user) const;

 private:
  // What a challenge shows of a credential.
  struct Shape {
    size_t salt_bytes = kSaltBytesUsual;
    int iterations = kIterationsUsual;
    bool java = false;  // the salt is a number, as Kafka's own tools make it
    auto operator<=>(const Shape&) const = default;
  };
  using Kind = std::map<ScramMechanism, Shape>;  // of user: what it has
  static Shape shape_of(const ScramCredential& credential);
  static std::string salt_of(const Shape& shape, std::string_view secret, std::string_view whose);
  const Kind* draw(std::string_view secret, std::string_view whose, const ScramMechanism* has = nullptr) const;

  std::map<Kind, int> kinds_;  // how many users are of it
};

}  // namespace ms::security
