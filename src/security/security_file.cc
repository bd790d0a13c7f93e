#include "security/security_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <initializer_list>

#include "base/nearest.h"
#include "base/types.h"

namespace ms::security {

namespace {

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  template <class... Args>
  Unexpected bad(const YAML::Node& node, fmt::format_string<Args...> format, Args&&... args) const {
    return invalid(fmt::format("{}:{}:{}: {}", name_, node.Mark().line + 1, node.Mark().column + 1, fmt::format(format, std::forward<Args>(args)...)));
  }
  Unexpected at(const YAML::Node& node, const Error& error) const { return bad(node, "{}", error.message); }

  Result<> only(const YAML::Node& map, std::initializer_list<std::string_view> known) const {
    if (!map.IsMap()) return bad(map, "KEY: VALUE is expected here");
    const std::vector<std::string> names(known.begin(), known.end());
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string key = entry.first.Scalar();
      if (std::ranges::find(names, key) == names.end()) return bad(entry.first, "unknown key '{}'{}", key, did_you_mean(key, names));
      if (!seen.insert(key).second) return bad(entry.first, "'{}' is given twice", key);
    }
    return {};
  }
  Result<std::string> text(const YAML::Node& node) const {
    if (!node.IsScalar() || node.Scalar().empty()) return bad(node, "a text is expected here");
    return node.Scalar();
  }
  Result<std::vector<std::string>> texts(const YAML::Node& node) const {
    std::vector<std::string> out;
    if (node.IsSequence()) {
      for (const auto& one : node) {
        TRY_ASSIGN(std::string item, text(one));
        out.push_back(std::move(item));
      }
      return out;
    }
    TRY_ASSIGN(std::string item, text(node));
    return std::vector{std::move(item)};
  }
  Result<int64_t> milliseconds(const YAML::Node& node) const {
    TRY_ASSIGN(const std::string written, text(node));
    const auto us = parse_duration(written);
    if (!us) return at(node, us.error());
    return *us / kMicrosPerMilli;
  }

 private:
  std::string name_;
};

Result<> read_users(const Reader& read, const YAML::Node& node, SecurityFile& file) {
  if (!node.IsMap()) return read.bad(node, "users are written as NAME: CREDENTIAL; 'millstream credential NAME' prints such a line");
  for (const auto& entry : node) {
    const std::string user = entry.first.Scalar();
    if (user.empty() || user == "*" || user == "ANONYMOUS") return read.bad(entry.first, "'{}' cannot be the name of a user", user);
    if (file.users.contains(user)) return read.bad(entry.first, "user '{}' is given twice", user);
    ScramCredentials& credentials = file.users[user];
    TRY_ASSIGN(const auto written, read.texts(entry.second));
    for (const std::string& one : written) {
      auto credential = parse_user_credential(one);
      if (!credential) return read.at(entry.second, credential.error());
      credentials[credential->first] = std::move(credential->second);
    }
    if (credentials.empty()) return read.bad(entry.second, "user '{}' needs a credential; 'millstream credential {}' prints one", user, user);
  }
  return {};
}

// Which resource an ACL is about: one of these keys.
struct ResourceKey {
  std::string_view key;
  ResourceType type;
  PatternType pattern;
};
constexpr ResourceKey kResourceKeys[] = {
    {"topic", ResourceType::kTopic, PatternType::kLiteral},
    {"topic_prefix", ResourceType::kTopic, PatternType::kPrefixed},
    {"group", ResourceType::kGroup, PatternType::kLiteral},
    {"group_prefix", ResourceType::kGroup, PatternType::kPrefixed},
    {"transactional_id", ResourceType::kTransactionalId, PatternType::kLiteral},
    {"transactional_id_prefix", ResourceType::kTransactionalId, PatternType::kPrefixed},
};

Result<> read_acl(const Reader& read, const YAML::Node& node, SecurityFile& file) {
  TRY(read.only(node, {"allow", "deny", "from", "operations", "topic", "topic_prefix", "group", "group_prefix", "transactional_id", "transactional_id_prefix", "cluster"}));
  if (node["allow"].IsDefined() == node["deny"].IsDefined()) return read.bad(node, "an ACL has either 'allow' or 'deny', with the user it is about");
  const bool allow = node["allow"].IsDefined();
  Acl acl{.permission = allow ? Permission::kAllow : Permission::kDeny};
  std::vector<Acl> resources;
  const auto add = [&](ResourceType type, PatternType pattern, std::string name) {
    acl.type = type, acl.pattern = pattern, acl.name = std::move(name);
    resources.push_back(acl);
  };
  for (const ResourceKey& key : kResourceKeys) {
    const YAML::Node named = node[std::string(key.key)];
    if (!named.IsDefined()) continue;
    TRY_ASSIGN(const auto names, read.texts(named));
    for (const std::string& name : names) add(key.type, key.pattern, name);
  }
  if (node["cluster"].IsDefined()) {
    if (node["cluster"].Scalar() != "true") return read.bad(node["cluster"], "write 'cluster: true' for an ACL about the whole server");
    add(ResourceType::kCluster, PatternType::kLiteral, std::string(kClusterName));
  }
  if (resources.empty()) return read.bad(node, "an ACL says what it is about: topic, topic_prefix, group, group_prefix, transactional_id, transactional_id_prefix or cluster: true");
  if (!node["operations"].IsDefined()) return read.bad(node, "an ACL needs 'operations', such as [READ, DESCRIBE] or ALL");
  TRY_ASSIGN(const auto users, read.texts(node[allow ? "allow" : "deny"]));
  TRY_ASSIGN(const auto operations, read.texts(node["operations"]));
  std::vector<std::string> hosts{"*"};
  if (node["from"].IsDefined()) {
    TRY_ASSIGN(hosts, read.texts(node["from"]));
  }
  for (Acl& one : resources)
    for (const std::string& user : users)
      for (const std::string& host : hosts)
        for (const std::string& word : operations) {
          const auto operation = operation_named(word);
          if (!operation) return read.bad(node["operations"], "'{}' is no operation; there are READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, CLUSTER_ACTION, IDEMPOTENT_WRITE and ALL", word);
          one.principal = principal_named(user), one.host = host, one.operation = *operation;
          if (const auto good = check_acl(one); !good) return read.at(node, good.error());
          file.acls.insert(one);
        }
  return {};
}

Result<> read_oauth(const Reader& read, const YAML::Node& node, SecurityFile& file) {
  TRY(read.only(node, {"jwks", "jwks_ca", "issuer", "audience", "user_claim", "clock_skew", "jwks_refresh"}));
  OauthSettings& oauth = file.oauth.emplace();
  for (const auto& [key, into] : {std::pair{"jwks", &oauth.jwks}, std::pair{"issuer", &oauth.issuer}, std::pair{"audience", &oauth.audience}}) {
    if (!node[key].IsDefined()) return read.bad(node, "oauth needs '{}': without it any token could be good", key);
    TRY_ASSIGN(*into, read.text(node[key]));
  }
  if (node["jwks_ca"].IsDefined()) {
    if (!oauth.jwks.starts_with("https://"))
      return read.bad(node["jwks_ca"], "jwks_ca says whom an https:// address is believed, and '{}' is none", oauth.jwks);
    TRY_ASSIGN(oauth.jwks_ca, read.text(node["jwks_ca"]));
  }
  if (node["user_claim"].IsDefined()) {
    TRY_ASSIGN(oauth.user_claim, read.text(node["user_claim"]));
  }
  if (node["clock_skew"].IsDefined()) {
    TRY_ASSIGN(oauth.clock_skew_ms, read.milliseconds(node["clock_skew"]));
  }
  if (node["jwks_refresh"].IsDefined()) {
    TRY_ASSIGN(oauth.jwks_refresh_ms, read.milliseconds(node["jwks_refresh"]));
  }
  return {};
}

Result<> read_mapping(const Reader& read, const YAML::Node& node, SecurityFile& file) {
  TRY(read.only(node, {"subject", "user", "attribute", "under"}));
  MappingRule rule;
  const auto name = [&](const char* key) -> Result<NameParts> {
    auto parts = parse_distinguished_name(node[key].Scalar());
    if (!parts) return read.at(node[key], parts.error());
    return parts;
  };
  if (node["subject"].IsDefined() == node["attribute"].IsDefined() || node["subject"].IsDefined() != node["user"].IsDefined())
    return read.bad(node, "a rule has 'subject' and 'user', or 'attribute' and perhaps 'under'");
  if (node["subject"].IsDefined()) {
    TRY_ASSIGN(rule.subject, name("subject"));
    TRY_ASSIGN(rule.user, read.text(node["user"]));
  } else {
    TRY_ASSIGN(rule.attribute, read.text(node["attribute"]));
    std::ranges::transform(rule.attribute, rule.attribute.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  }
  if (node["under"].IsDefined()) {
    TRY_ASSIGN(rule.under, name("under"));
  }
  file.principal_mapping.push_back(std::move(rule));
  return {};
}

Result<> read_mechanisms(const Reader& read, const YAML::Node& node, SecurityFile& file) {
  TRY_ASSIGN(const auto names, read.texts(node));
  file.plain = file.scram = false;
  for (const std::string& name : names) {
    if (name == "PLAIN") file.plain = true;
    else if (name == "SCRAM") file.scram = true;
    else return read.bad(node, "'{}' is no mechanism; there are PLAIN and SCRAM (OAUTHBEARER is there when 'oauth' is)", name);
  }
  return {};
}

template <class F>
Result<> each(const Reader& read, const YAML::Node& list, const F& f, SecurityFile& file) {
  if (!list.IsSequence()) return read.bad(list, "a list is expected here");
  for (const auto& one : list) TRY(f(read, one, file));
  return {};
}

Result<> read_file(const Reader& read, const YAML::Node& root, SecurityFile& file) {
  TRY(read.only(root, {"super_users", "mechanisms", "users", "acls", "session_max", "oauth", "principal_mapping"}));
  if (root["super_users"].IsDefined()) {
    TRY_ASSIGN(const auto names, read.texts(root["super_users"]));
    for (const std::string& name : names) file.super_users.insert(principal_named(name));
  }
  if (root["mechanisms"].IsDefined()) TRY(read_mechanisms(read, root["mechanisms"], file));
  if (root["users"].IsDefined()) TRY(read_users(read, root["users"], file));
  if (root["acls"].IsDefined()) TRY(each(read, root["acls"], read_acl, file));
  if (root["session_max"].IsDefined()) {
    TRY_ASSIGN(file.session_ms_max, read.milliseconds(root["session_max"]));
  }
  if (root["oauth"].IsDefined()) TRY(read_oauth(read, root["oauth"], file));
  if (root["principal_mapping"].IsDefined()) TRY(each(read, root["principal_mapping"], read_mapping, file));
  if (file.super_users.empty()) return read.bad(root, "name at least one of super_users: nobody else could give permissions");
  return {};
}

}  // namespace

Result<std::pair<ScramMechanism, ScramCredential>> parse_user_credential(std::string_view text) {
  const size_t colon = text.find(':');
  const auto mechanism = scram_mechanism_named(text.substr(0, colon));
  if (!mechanism || colon == std::string_view::npos)
    return invalid("a user's credential begins with SCRAM-SHA-256: or SCRAM-SHA-512:; 'millstream credential NAME' prints one. Passwords do not belong here");
  TRY_ASSIGN(ScramCredential credential, parse_credential(*mechanism, text.substr(colon + 1)));
  return std::pair{*mechanism, std::move(credential)};
}

std::string user_line(const std::string& user, const ScramCredentials& credentials) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << YAML::DoubleQuoted << user << YAML::Value << YAML::Flow << YAML::BeginSeq;
  for (const auto& [mechanism, credential] : credentials) out << YAML::DoubleQuoted << fmt::format("{}:{}", to_string(mechanism), format_credential(credential));
  out << YAML::EndSeq << YAML::EndMap;
  return std::string("  ") + out.c_str();
}

Result<SecurityFile> parse_security_file(const std::string& name, const std::string& text) {
  try {
    SecurityFile file;
    const Reader read(name);
    const YAML::Node root = YAML::Load(text);
    TRY(read_file(read, root, file));
    return file;
  } catch (const YAML::Exception& e) {
    return invalid(fmt::format("{}:{}:{}: {}", name, e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

}  // namespace ms::security
