#include "security/principal_mapping.h"

#include <gtest/gtest.h>

namespace ms::security {
namespace {

NameParts parts(std::string_view text) { return *parse_distinguished_name(text); }
const std::vector<MappingRule> kRules = {{.subject = parts("CN=root,O=Acme"), .user = "admin"}, {.attribute = "CN", .under = parts("OU=apps,O=Acme")}};

TEST(PrincipalMapping, TheFirstRuleThatFits) {
  EXPECT_EQ(principal_of("CN=root,O=Acme", kRules), "User:admin");
  EXPECT_EQ(principal_of("CN=payments,OU=apps,O=Acme", kRules), "User:payments");
  EXPECT_EQ(principal_of("CN=payments,O=Other", kRules), "User:CN=payments,O=Other");
  EXPECT_EQ(principal_of("CN=payments", {}), "User:CN=payments");
}

// Names made to look like others.
TEST(PrincipalMapping, CraftedNames) {
  EXPECT_EQ(principal_of(R"(CN=admin\,OU=apps\,O=Acme)", kRules), R"(User:CN=admin\,OU=apps\,O=Acme)");
  EXPECT_EQ(principal_of(R"(O=Evil,CN=x\,OU=apps,O=Acme)", kRules), R"(User:O=Evil,CN=x\,OU=apps,O=Acme)");
  EXPECT_EQ(principal_of("CN=admin,CN=payments,OU=apps,O=Acme", kRules), std::nullopt);
  EXPECT_EQ(principal_of("CN=admin+CN=payments,OU=apps,O=Acme", kRules), std::nullopt);
  EXPECT_EQ(principal_of("CN=,OU=apps,O=Acme", kRules), std::nullopt);
  EXPECT_EQ(principal_of("CN=*,OU=apps,O=Acme", kRules), std::nullopt);
  for (const char* bad : {"", "payments", "CN=a,", ",CN=a", "=a", R"(CN=a\)", R"(CN=a\q)", "C N=a"}) EXPECT_EQ(principal_of(bad, kRules), std::nullopt) << bad;
}

// "CN=root+O=Acme" is one part, and not "CN=root" under "O=Acme".
TEST(PrincipalMapping, APartOfSeveralAttributesIsNotSeveralParts) {
  EXPECT_EQ(principal_of("CN=root+O=Acme", kRules), "User:CN=root+O=Acme");
  EXPECT_EQ(principal_of("CN=payments,OU=apps+O=Acme", kRules), "User:CN=payments,OU=apps+O=Acme");
  EXPECT_EQ(principal_of("CN=payments+OU=apps,O=Acme", kRules), "User:CN=payments+OU=apps,O=Acme");
  EXPECT_EQ(principal_of("CN=payments+UID=7,OU=apps,O=Acme", kRules), "User:payments");
  const std::vector<MappingRule> several = {{.subject = parts("CN=root+UID=0,O=Acme"), .user = "admin"}};
  EXPECT_EQ(principal_of("CN=root+UID=0,O=Acme", several), "User:admin");
  EXPECT_EQ(principal_of("UID=0+CN=root,O=Acme", several), "User:admin");
  EXPECT_EQ(principal_of("CN=root,UID=0,O=Acme", several), "User:CN=root,UID=0,O=Acme");
}

TEST(PrincipalMapping, Escapes) { EXPECT_EQ(parts(R"(cn=a\2Cb\,c,O=x)"), (NameParts{{{"CN", "a,b,c"}}, {{"O", "x"}}})); }

}  // namespace
}  // namespace ms::security
