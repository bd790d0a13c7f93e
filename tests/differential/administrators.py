"""Steps about users: ACLs, credentials and quotas, which an administrator sets, and what somebody else may then do."""

import groups
import logs
import topics
import transactions

ADMIN, ALICE, ANYONE = "admin", "alice", None  # anyone has not logged in
PASSWORDS = {ADMIN: "admin-secret", ALICE: "alice-secret"}
CLUSTER = "kafka-cluster"
TYPES, PATTERNS = [2, 2, 2, 3, 4, 5], [3, 3, 3, 4]  # topic, group, cluster, transactional id; literal, prefixed
# Resource types and the operations on them that mean something. Kafka takes others, too.
OPERATIONS = {2: (2, 3, 4, 5, 6, 7, 8, 10, 11), 3: (2, 3, 6, 8, 10, 11), 4: (2, 5, 7, 8, 9, 10, 11, 12), 5: (2, 4, 8)}
DENY, ALLOW = 2, 3
ANY, MATCH = 1, 2  # of filters
EVERY_ACL = {"ResourceTypeFilter": ANY, "ResourceNameFilter": None, "PatternTypeFilter": ANY, "PrincipalFilter": None, "HostFilter": None, "Operation": ANY,
             "PermissionType": ANY}
CHANGES = {"CreateAcls", "DeleteAcls"}
ENTITIES = [["user"], ["client-id"], ["user", "client-id"], ["ip"], ["planet"], ["ip", "user"], []]
QUOTAS = ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "connection_creation_rate", "no.such.quota"]
SHA_256, SHA_512 = 1, 2


def resource_name(m, kind):
    if m.chance(20):
        return m.random.choice(["", "*"])
    return {2: m.random.choice(m.topics), 3: m.group(), 4: CLUSTER, 5: m.transactional[0]}.get(kind, "thing")


def acl(m):
    kind = m.random.choice(TYPES)
    pattern = m.random.choice(PATTERNS) if kind != 4 else 3
    name = resource_name(m, kind)
    return {"ResourceType": kind, "ResourceName": name[:-1] if pattern == 4 and kind in (2, 3) else name, "ResourcePatternType": pattern,
            "Principal": m.random.choice(["User:alice"] * 5 + ["User:bob", "User:*"]), "Host": m.random.choice(["*", "*", "*", "127.0.0.1", "10.0.0.1"]),
            "Operation": m.random.choice(OPERATIONS[kind]), "PermissionType": m.random.choice([ALLOW] * 4 + [DENY])}


def create_acls(m):
    creations = [acl(m) for _ in range(m.random.choice([1, 2, 3]))]
    m.cluster_action |= any(one["ResourceType"] == 4 and one["Operation"] in (2, 9) for one in creations)  # ALL or CLUSTER_ACTION
    return "CreateAcls", {"Creations": creations}


def create_wrong_acl(m):
    """One at a time: Kafka refuses a request as a whole, and closes the connection where it does not know a number."""
    wrong = m.random.choice([("ResourceType", ANY), ("ResourcePatternType", ANY), ("ResourcePatternType", MATCH), ("Operation", ANY),
                             ("PermissionType", ANY), ("Principal", "alice"), ("Principal", ""), ("ResourceName", ""), ("Host", "")])
    return "CreateAcls", {"Creations": [acl(m) | dict([wrong])]}


def acl_filter(m):
    """Some parts of an ACL, and of the others any."""
    one = acl(m)
    kept = [name for name in one if m.chance(3)]
    renamed = {"ResourceType": "ResourceTypeFilter", "ResourceName": "ResourceNameFilter", "ResourcePatternType": "PatternTypeFilter",
               "Principal": "PrincipalFilter", "Host": "HostFilter"}
    return EVERY_ACL | {"PatternTypeFilter": m.random.choice([ANY, MATCH])} | {renamed.get(name, name): one[name] for name in kept}


def describe_acls(m):
    return "DescribeAcls", acl_filter(m)


def delete_acls(m):
    return "DeleteAcls", {"Filters": [acl_filter(m) for _ in range(m.random.choice([1, 1, 2]))]}


def user(m):
    return f"u{m.tag}-{m.random.choice('ab')}"


def entity(m):
    names = {"user": [user(m), None], "client-id": [f"c{m.tag}-a", None], "ip": ["127.0.0.9", None, "nowhere"], "planet": ["mars"]}
    return [{"EntityType": kind, "EntityName": m.random.choice(names[kind])} for kind in m.random.choice(ENTITIES)]


def alter_quotas(m):
    """High ones: nobody is to wait."""
    keys = m.random.sample(QUOTAS, m.random.choice([1, 1, 2]))
    operations = [{"Key": key, "Value": m.random.choice([1e9, 2e9, 0.0, -1.0]), "Remove": m.chance(3)} for key in keys]
    return "AlterClientQuotas", {"Entries": [{"Entity": entity(m), "Ops": operations}], "ValidateOnly": m.chance(5)}


def describe_quotas(m):
    kinds = m.random.choice([*ENTITIES, ["user", "user"], [""]])
    components = []
    for kind in kinds:
        how = m.random.choice([0, 1, 2]) if not m.chance(12) else 7
        components.append({"EntityType": kind, "MatchType": how, "Match": user(m) if (how == 0) != m.chance(12) else None})
    return "DescribeClientQuotas", {"Components": components, "Strict": m.chance(2)}


def mechanism(m):
    return m.random.choice([SHA_256, SHA_512]) if not m.chance(8) else m.random.choice([0, 3])


def alter_credentials(m):
    deletions = [{"Name": user(m), "Mechanism": mechanism(m)} for _ in range(m.random.choice([0, 0, 1, 2]))]
    upsertions = []
    for _ in range(m.random.choice([0, 1, 1, 2])):
        kind = mechanism(m)
        iterations = m.random.choice([4095, 16385]) if m.chance(6) else m.random.choice([4096, 8192, 16384])
        upsertions.append({"Name": user(m) if not m.chance(12) else "", "Mechanism": kind, "Iterations": iterations,
                           "Salt": b"salt of some bytes", "SaltedPassword": bytes(64 if kind == SHA_512 else 32)})
    return "AlterUserScramCredentials", {"Deletions": deletions, "Upsertions": upsertions}


def describe_credentials(m):
    names = m.random.choice([None, [], [user(m)], [user(m), "nobody"], [user(m), user(m)]])
    return "DescribeUserScramCredentials", {"Users": names if names is None else [{"Name": name} for name in names]}


def describe_named_credentials(m):
    """Kafka never answers who may not ask for everybody."""
    return "DescribeUserScramCredentials", {"Users": [{"Name": user(m)}]}


def handshake(m):
    def learn(m, answer):
        m.handshake = answer["ErrorCode"] == 0

    return "SaslHandshake", {"Mechanism": m.random.choice(["PLAIN", "PLAIN", "SCRAM-SHA-256", "GUESS"])}, learn


def authenticate(m):
    """With the mechanism of the handshake; seldom without one."""
    if not m.handshake and not m.chance(6):
        return handshake(m)
    m.handshake = False
    name = m.random.choice([ALICE, ALICE, "bob"])
    return "SaslAuthenticate", {"AuthBytes": b"\0%b\0%b" % (name.encode(), b"wrong" if m.chance(3) else b"alice-secret")}


def of_alice(m):
    """Whatever a step of another history is."""
    weights, steps = zip(*topics.STEPS, *logs.STEPS, *groups.STEPS, *transactions.STEPS)
    (step,) = m.random.choices(steps, weights)
    return step(m)


STEPS = [(10, create_acls, ADMIN), (2, create_wrong_acl, ADMIN), (3, describe_acls, ADMIN), (3, delete_acls, ADMIN), (3, alter_quotas, ADMIN),
         (3, describe_quotas, ADMIN), (4, alter_credentials, ADMIN), (3, describe_credentials, ADMIN), (2, handshake, ANYONE), (2, authenticate, ANYONE),
         (50, of_alice, ALICE), (5, of_alice, ADMIN), (1, describe_acls, ALICE), (1, create_acls, ALICE), (1, delete_acls, ALICE), (1, describe_quotas, ALICE),
         (1, alter_quotas, ALICE), (1, alter_credentials, ALICE), (1, describe_named_credentials, ALICE)]


def forget(side):
    """What a history has set: defaults and ACLs of everything would bind the next one, too."""
    side.ask("DeleteAcls", 3, {"Filters": [EVERY_ACL]})
    quotas = side.ask("DescribeClientQuotas", 1, {"Components": [], "Strict": False})["Entries"]
    lifted = [{"Entity": entry["Entity"], "Ops": [{"Key": value["Key"], "Value": 0.0, "Remove": True} for value in entry["Values"]]} for entry in quotas]
    side.ask("AlterClientQuotas", 1, {"Entries": lifted, "ValidateOnly": False})
    users = [user for user in side.ask("DescribeUserScramCredentials", 0, {"Users": None})["Results"] if user["User"] not in PASSWORDS]
    deletions = [{"Name": user["User"], "Mechanism": one["Mechanism"]} for user in users for one in user["CredentialInfos"]]
    side.ask("AlterUserScramCredentials", 0, {"Deletions": deletions, "Upsertions": []})
