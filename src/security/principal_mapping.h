// Whom the subject of a client certificate stands for. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ms::security {

// The parts of a distinguished name as RFC 4514 writes it ("CN=alice,O=Acme\, Inc."), unescaped, in its order. A part may have several
// attributes ("CN=a+UID=b"), which have no order: they are sorted. Errors: InvalidArgument.
using NamePart = std::vector<std::pair<std::string, std::string>>;  // attribute in upper case, value
using NameParts = std::vector<NamePart>;
Result<NameParts> parse_distinguished_name(std::string_view text);

// Either one subject by name, or an attribute of every subject that ends in `under`. The first rule that fits decides.
struct MappingRule {
  std::optional<NameParts> subject;  // exactly this one is `user`
  std::string user;
  std::string attribute;  // without a subject: its value is the user
  NameParts under;        // the last parts of the subject; empty: any
};

// "User:alice". A subject that no rule fits is its own name ("User:CN=..."), one that is no distinguished name or has the
// attribute twice is nobody (nullopt).
std::optional<std::string> principal_of(std::string_view subject, const std::vector<MappingRule>& rules);

}  // namespace ms::security
