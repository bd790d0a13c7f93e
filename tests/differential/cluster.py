"""Steps that ask what there is: APIs, disks, configurations of groups; and logins where nobody has to log in."""

from topics import cluster

GROUP, CLIENT_METRICS = 32, 16
UNKNOWN_VERSION = 99
GROUP_CONFIGS = [("consumer.session.timeout.ms", "50000"), ("consumer.session.timeout.ms", "60001"), ("consumer.heartbeat.interval.ms", "6000"),
                 ("consumer.heartbeat.interval.ms", "15001"), ("consumer.heartbeat.interval.ms", "often"), ("no.such.key", "1")]


def versions(m):
    software = m.random.choice(["differential", "differential", "-bad-", ""])
    return "ApiVersions", {"ClientSoftwareName": software, "ClientSoftwareVersion": "1.0"}, None, (UNKNOWN_VERSION,) * 2 if m.chance(4) else (0, 99)


def log_dirs(m):
    asked = m.random.choice([None, [{"Topic": name, "Partitions": [0, m.partition()]} for name in sorted({m.topic(), m.topic()})]])
    return "DescribeLogDirs", {"Topics": asked}


def config_resources(m):
    return "ListConfigResources", {"ResourceTypes": m.random.choice([[], [2], [4], [GROUP], [2, CLIENT_METRICS], [8], [77]])}


def group_name(m):
    return f"{m.group()}-consumer"


def describe_group_configs(m):
    keys = sorted({name for name, _ in GROUP_CONFIGS})
    resource = {"ResourceType": GROUP, "ResourceName": m.random.choice([group_name(m), group_name(m), "nobody's group", ""]), "ConfigurationKeys": keys}
    return "DescribeConfigs", {"Resources": [resource], "IncludeSynonyms": m.chance(2), "IncludeDocumentation": False}


def alter_group_configs(m):
    chosen = dict(m.random.sample(GROUP_CONFIGS, m.random.choice([0, 1, 1, 2])))
    changes = [{"Name": name, "ConfigOperation": 0, "Value": value} for name, value in chosen.items()]
    if m.chance(3):
        changes = [{"Name": GROUP_CONFIGS[0][0], "ConfigOperation": 1, "Value": None}]
    resource = {"ResourceType": GROUP, "ResourceName": group_name(m), "Configs": changes}
    return "IncrementalAlterConfigs", {"Resources": [resource], "ValidateOnly": m.chance(5)}


def handshake(m):
    return "SaslHandshake", {"Mechanism": m.random.choice(["PLAIN", "SCRAM-SHA-256", "GUESS"])}


def authenticate(m):
    return "SaslAuthenticate", {"AuthBytes": b"\0nobody\0secret"}


STEPS = [(1, cluster), (2, versions), (2, log_dirs), (2, config_resources), (2, describe_group_configs), (3, alter_group_configs), (1, handshake), (1, authenticate)]
