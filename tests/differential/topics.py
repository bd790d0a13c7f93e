"""Steps that create, change, describe and delete topics. A step is a function of the model that returns what to ask:
(API, fields of the request[, what to learn from the answer[, (lowest version, highest version)]])."""

from sides import UNKNOWN_ID

CONFIGS = [("retention.ms", "100000"), ("retention.ms", "soon"), ("no.such.key", "1"), ("cleanup.policy", "delete"), ("max.message.bytes", "5000"),
           ("cleanup.policy", "compact"), ("cleanup.policy", "compact,delete"), ("compression.type", "lz4"), ("compression.type", "zstd"), ("compression.type", "rar"), ("message.timestamp.type", "LogAppendTime"), ("retention.bytes", "-2")]
COMPACTED = [{"Name": "cleanup.policy", "Value": "compact"}]
READ_CONFIGS = ["retention.ms", "cleanup.policy", "max.message.bytes", "compression.type", "message.timestamp.type", "retention.bytes",
                "min.insync.replicas", "no.such.key"]
CHANGES = {"CreateTopics", "DeleteTopics", "CreatePartitions"}
TOPIC = 2


def configs(m, name, most=2):
    chosen = dict(m.random.sample(CONFIGS, m.random.choice([0, 0, 1, most])))
    if "compression.type" in chosen:
        m.sized_apart.add(name)
    return [{"Name": name, "Value": value} for name, value in chosen.items()]


def create(m):
    name = m.random.choice([*m.topics] * 3 + [m.topics[0].replace("-", "."), m.topics[0].replace("-", "_")] + ["", ".", "no good!", "x" * 250])
    by_hand = m.random.choice([[], [], [], [[1]], [[1], [1]], [[2]], [[1, 1]], [[]]])
    assignments = [{"PartitionIndex": i, "BrokerIds": ids} for i, ids in enumerate(by_hand)]
    topic = {"Name": name, "NumPartitions": -1 if by_hand else m.random.choice([1, 2, 3, 3, 0, -1]),
             "ReplicationFactor": -1 if by_hand else m.random.choice([1, 1, -1, 2, 0]), "Assignments": assignments, "Configs": COMPACTED if m.chance(5) else configs(m, name)}
    only = m.chance(6)
    # from version 7 on, Kafka's answer to a creation that only validates has an id that no topic will have
    return "CreateTopics", {"Topics": [topic] * (2 if m.chance(12) else 1), "timeoutMs": 30_000, "validateOnly": only}, None, (0, 6 if only else 99)


def delete(m):
    name = m.topic()

    def learn(m, answer):
        if answer["Responses"][0]["ErrorCode"] == 0:  # with its offsets
            m.kept = {group: {place for place in kept if place[0] != name} for group, kept in m.kept.items()}

    if m.chance(2):
        return "DeleteTopics", {"TopicNames": [name], "TimeoutMs": 30_000}, learn, (0, 5)
    by_id = m.topic_ids.get(name, UNKNOWN_ID)
    return "DeleteTopics", {"Topics": [{"Name": None, "TopicId": by_id} if m.chance(2) else {"Name": name}], "TimeoutMs": 30_000}, learn, (6, 99)


def add_partitions(m):
    by_hand = m.random.choice([None, None, None, [], [[1]], [[9]]])
    assignments = by_hand if by_hand is None else [{"BrokerIds": ids} for ids in by_hand]
    topic = {"Name": m.topic(), "Count": m.random.choice([1, 2, 3, 4, 0, -1]), "Assignments": assignments}
    return "CreatePartitions", {"Topics": [topic], "TimeoutMs": 30_000, "ValidateOnly": m.chance(4)}


def metadata(m):
    name = m.topic()
    names = m.random.choice([[{"Name": name}], [{"Name": name}, {"Name": "unknown"}], [], None])
    there = all(topic["Name"] in m.topic_ids for topic in names or ())  # before version 4 Kafka makes what is not
    return "Metadata", {"Topics": names, "AllowAutoTopicCreation": False}, None, (4 if not there else 1 if names is None else 0, 99)


def metadata_that_makes(m):
    return "Metadata", {"Topics": [{"Name": m.random.choice(m.topics)}], "AllowAutoTopicCreation": True}


def metadata_by_id(m):
    known = m.topic_ids.get(m.topic(), UNKNOWN_ID)
    return "Metadata", {"Topics": [{"TopicId": known, "Name": None}], "AllowAutoTopicCreation": False}, None, (12, 99)


def describe_partitions(m):
    return "DescribeTopicPartitions", {"Topics": [{"Name": name} for name in sorted({m.topic(), m.topic()})], "ResponsePartitionLimit": m.random.choice([2000, 1, 2])}


def describe_configs(m):
    keys = sorted(m.random.sample(READ_CONFIGS, 3))
    resource = {"ResourceType": TOPIC, "ResourceName": m.topic(), "ConfigurationKeys": keys}
    return "DescribeConfigs", {"Resources": [resource], "IncludeSynonyms": m.chance(2), "IncludeDocumentation": False}


def alter_some(m):
    changes, name = [], m.topic()
    for config in configs(m, name):
        operation = m.random.choice([0, 0, 1]) if config["Name"] != "no.such.key" else 0  # Kafka forgets what is not there, too
        changes.append({"Name": config["Name"], "ConfigOperation": operation, "Value": None if operation == 1 else config["Value"]})
    resource = {"ResourceType": m.random.choice([TOPIC, TOPIC, TOPIC, 99]), "ResourceName": name, "Configs": changes}
    return "IncrementalAlterConfigs", {"Resources": [resource], "ValidateOnly": m.chance(5)}


def alter_all(m):
    name = m.topic()
    return "AlterConfigs", {"Resources": [{"ResourceType": TOPIC, "ResourceName": name, "Configs": configs(m, name)}], "ValidateOnly": m.chance(5)}


def cluster(m):
    return "DescribeCluster", {"IncludeClusterAuthorizedOperations": False, "EndpointType": 1}


def elect(m):
    return "ElectLeaders", {"ElectionType": m.random.choice([0, 1]), "TopicPartitions": [{"Topic": m.topic(), "Partitions": [m.partition()]}], "TimeoutMs": 30_000}


def reassign(m):
    partition = {"PartitionIndex": m.partition(), "Replicas": m.random.choice([[1], None, [2], []])}
    return "AlterPartitionReassignments", {"TimeoutMs": 30_000, "Topics": [{"Name": m.topic(), "Partitions": [partition]}]}


def list_reassignments(m):
    return "ListPartitionReassignments", {"TimeoutMs": 30_000, "Topics": [{"Name": m.topic(), "PartitionIndexes": [0, 1]}]}


STEPS = [(8, create), (3, delete), (3, add_partitions), (4, metadata), (1, metadata_that_makes), (2, metadata_by_id), (2, describe_partitions), (4, describe_configs), (3, alter_some),
         (2, alter_all), (1, elect), (1, reassign), (1, list_reassignments)]
