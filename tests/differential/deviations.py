"""The differences that are meant, each in the state in which it is expected. The table in docs/kafka-compatibility.md gives the reason of each
by its name."""

import functools
import re
from collections import Counter

from compare import MISSING, Deviation
from millstream import ROOT
from protocol import NO_ID
from sides import NOT_GIVEN, error_codes

OWN_CONFIGS = ("message.timestamp.difference.max.ms", "millstream.durability")
KAFKAS_CONFIGS = ("leader.replication.throttled.", "follower.replication.throttled.", "remote.", "local.retention.", "compression.gzip.",
                  "compression.lz4.", "compression.zstd.")
DYNAMIC_DEFAULT_BROKER, STATIC_BROKER, DEFAULT = 3, 4, 5  # where the value of a configuration comes from
BROKER_LOGGER = 8  # a type of resources
FEATURES = ("group.version", "transaction.version")

ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND = 22, 23, 25, 68, 69
UNKNOWN_SERVER_ERROR, TOPIC_DENIED, GROUP_DENIED, CLUSTER_DENIED, ILLEGAL_SASL_STATE, INVALID_REQUEST = -1, 29, 30, 31, 34, 42
UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_TXN_STATE, DUPLICATE_RESOURCE, UNKNOWN_TOPIC_ID, TRANSACTION_ABORTABLE = 3, 10, 48, 92, 100, 120
MAX_TIMESTAMP = -3
SMALLEST_LIMIT = 5000  # of max.message.bytes in a history
UNSUPPORTED_ASSIGNOR = 112
TOPIC_IDS = 13  # version of Fetch, and of Produce, from which on a request names topics by their ids
REBALANCES = ("PreparingRebalance", "CompletingRebalance")
DENIED = (GROUP_DENIED, CLUSTER_DENIED)
ENDED = ("Empty", "CompleteCommit", "CompleteAbort")


def codes(kafka, ours):
    return lambda d, s: (d.kafka, d.ours) == (kafka, ours)


def both(*rules):
    return lambda d, s: all(rule(d, s) for rule in rules)


def kafka_alone(d, s):
    return d.ours == MISSING


def failed(d, s):
    """Our answer is an error, as a whole or for what the field is of."""
    return any(code for _, ours in d.around for name, code in ours.items() if name.endswith("ErrorCode"))


def group_of(d, s):
    held = [value for value in (d.kafka, d.ours) if isinstance(value, dict)] + [kafka for kafka, _ in reversed(d.around)]
    return next((value["GroupId"] for value in held if "GroupId" in value), s.asked.get("GroupId"))


def without_members(d, s):
    return not s.model.joined(group_of(d, s))


def forgotten(d, s):
    """The group has neither members nor offsets."""
    return without_members(d, s) and not s.model.kept.get(group_of(d, s))


def only_here(d, s):
    """A configuration that one of both has and the other one does not know."""
    return d.kafka["Name"].startswith(KAFKAS_CONFIGS) if kafka_alone(d, s) else d.kafka == MISSING and d.ours["Name"] in OWN_CONFIGS


def of_a_broker(d, s):
    """A broker's own configurations are no synonyms here, and the default goes by the name of the topic's or group's configuration."""
    if d.path.endswith(".Source"):
        return codes(DYNAMIC_DEFAULT_BROKER, DEFAULT)(d, s)
    if kafka_alone(d, s):
        return d.kafka["Source"] in (DYNAMIC_DEFAULT_BROKER, STATIC_BROKER, DEFAULT)
    return d.kafka == MISSING and d.ours["Source"] == DEFAULT and d.ours["Name"] == d.around[-1][1]["Name"]


@functools.cache
def served():
    """{API key: (lowest version, highest version)} as the page for users says."""
    page = (ROOT / "docs" / "kafka-compatibility.md").read_text().split("\n## ")[0]
    return {int(key): (int(low), int(high or low)) for key, low, high in re.findall(r"^\| (\d+) \| \w+ \| (\d+)(?:-(\d+))? \|", page, re.M)}


def is_served(d, s):
    """An API that is not served, or a version: ours are those of the page."""
    if kafka_alone(d, s):
        return d.kafka["ApiKey"] not in served()
    ours = d.around[-1][1]
    return (ours["MinVersion"], ours["MaxVersion"]) == served()[ours["ApiKey"]] and (d.kafka < d.ours if d.path.endswith("MinVersion") else d.kafka > d.ours)


def asked_batch(d, s):
    (topic,) = s.asked["TopicData"]
    return topic["Name"], topic["PartitionData"][0]["Index"], topic["PartitionData"][0]["Records"]


def comes_again(d, s):
    name, partition, batch = asked_batch(d, s)
    return batch.sequence < s.model.sequences.get((batch.producer, batch.epoch, name, partition), 0)


def is_large(d, s):
    """What came or, decompressed, would be stored is more than a topic may take."""
    return sum(map(len, asked_batch(d, s)[2].values)) > SMALLEST_LIMIT


def denied_as_a_whole(d, s):
    """Both deny it, and one says so for each part, too."""
    whole = [(kafka["ErrorCode"], ours["ErrorCode"]) for kafka, ours in d.around if "ErrorCode" in kafka]
    both_deny = any(theirs == ours in DENIED for theirs, ours in whole)
    part = d.kafka if d.ours == MISSING else d.ours
    return MISSING in (d.kafka, d.ours) and both_deny and set(error_codes(part)) <= {0, *DENIED}


def two_mechanisms(d, s):
    """A request that names a user for both mechanisms, once for each; of several faults we tell another one."""
    named = [one["Mechanism"] for one in s.asked["Deletions"] + s.asked["Upsertions"] if one["Name"] == d.around[-1][1]["User"]]
    return d.kafka == DUPLICATE_RESOURCE and len(named) > 1 and (d.ours != 0 or len(named) == len(set(named)))


def lifts_no_quota(entry):
    of_ip = [part["EntityType"] for part in entry["Entity"]] == ["ip"]
    there = ("connection_creation_rate",) if of_ip else ("producer_byte_rate", "consumer_byte_rate", "request_percentage")
    return any(op["Remove"] and op["Key"] not in there for op in entry["Ops"])


def was_given(d, s):
    """This producer has or had the epoch."""
    return (d.around[-1][0]["ProducerId"], d.ours) in s.model.epochs


def latest_of_deleted(d, s):
    """Kafka names a record from before ours, or ours is none."""
    (topic,) = s.asked["Topics"]
    kafka, ours = (answer["Offset"] for answer in d.around[-1])
    return (ours == -1 or kafka < ours) and topic["Partitions"][0]["Timestamp"] == MAX_TIMESTAMP and topic["Name"] in s.model.sized_apart


def outside_transaction(d, s):
    """Of a group that was not added: from version 5 on, Kafka and we add it then."""
    added = (s.asked["TransactionalId"], s.asked["GroupId"]) in s.model.added
    return d.version < 5 and not added and (d.kafka, d.ours) == (0, TRANSACTION_ABORTABLE if d.version == 4 else INVALID_TXN_STATE)


def asked_and_forgotten(d, s):
    """Partitions that one request of a session asks for and forgets, and no others: Kafka forgets last, ours first."""
    key = "Topic" if d.version < TOPIC_IDS else "TopicId"
    asked, gone = [{(t[key], p["Partition"] if isinstance(p, dict) else p) for t in s.asked[field] for p in t["Partitions"]}
                   for field in ("Topics", "ForgottenTopicsData")]
    if d.kafka != MISSING or not asked & gone:
        return False
    topic = d.ours if d.path == "Responses" else d.around[1][1]
    here = topic["Partitions"] if d.path == "Responses" else [d.ours]
    return all((topic[key], p["PartitionIndex"]) in asked & gone for p in here)


def is_next_of_kafka(d, s):
    """It is what Kafka answers when it is asked for what follows, which it did not give before its segment ended."""
    topic, partition = d.around[1][1], d.around[2][1]
    before = [batch for batch in partition["Records"] if batch["BaseOffset"] < d.ours["BaseOffset"]]
    if d.kafka != MISSING or not before or any(wanted["PartitionMaxBytes"] == 1 for asked in s.asked["Topics"] for wanted in asked["Partitions"]):
        return False
    follows = {"Partition": partition["PartitionIndex"], "CurrentLeaderEpoch": -1, "FetchOffset": before[-1]["BaseOffset"] + before[-1]["LastOffsetDelta"] + 1,
               "LastFetchedEpoch": -1, "LogStartOffset": -1, "PartitionMaxBytes": 1}
    topic = {"Topic": topic.get("Topic", ""), "TopicId": topic.get("TopicId", NO_ID), "Partitions": [follows]}
    answer = s.kafka.ask("Fetch", d.version, s.asked | {"SessionId": 0, "SessionEpoch": -1, "Topics": [topic], "ForgottenTopicsData": []})
    return answer["Responses"][0]["Partitions"][0]["Records"] == [d.ours]


DEVIATIONS = (
    Deviation("texts", ".*", r"(.*\.)?(BatchIndex)?ErrorMessage", lambda d, s: d.ours is None or failed(d, s)),
    Deviation("configurations", "CreateTopics", r"Topics\.Configs", only_here),
    Deviation("configurations", "CreateTopics|DescribeConfigs", r"(Topics|Results)\.Configs\.ConfigSource", codes(DYNAMIC_DEFAULT_BROKER, DEFAULT)),
    Deviation("configurations", "DescribeConfigs", r"Results\.Configs\.Synonyms(\..*)?", of_a_broker),
    Deviation("internal topics", "DescribeTransactions", r"TransactionStates\.Topics",
              lambda d, s: kafka_alone(d, s) and d.kafka["Topic"] == "__consumer_offsets"),
    Deviation("deleted topics", "DescribeTransactions", r"TransactionStates\.Topics",
              lambda d, s: kafka_alone(d, s) and d.kafka["Topic"] not in s.model.topic_ids),
    Deviation("empty groups", "ListGroups", "Groups", both(kafka_alone, forgotten)),
    Deviation("empty groups", "ListGroups", "Groups", lambda d, s: d.kafka == MISSING and not d.ours["ProtocolType"] and without_members(d, s)),
    Deviation("empty groups", "ListGroups|DescribeGroups", r"Groups\.ProtocolType",
              lambda d, s: {d.kafka, d.ours} == {"consumer", ""} and without_members(d, s)),
    Deviation("empty groups", "JoinGroup", "ErrorCode", both(codes(INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID), without_members)),
    Deviation("empty groups", "ConsumerGroupDescribe", r"Groups\.(GroupState|AssignorName)", lambda d, s: not d.ours and forgotten(d, s)),
    Deviation("empty groups", "ConsumerGroupDescribe", r"Groups\.(GroupEpoch|AssignmentEpoch)", lambda d, s: d.ours is None and forgotten(d, s)),
    Deviation("empty groups", "DescribeGroups", r"Groups\.GroupState", both(codes("Empty", "Dead"), forgotten)),
    Deviation("empty groups", "DeleteGroups", r"Results\.ErrorCode", both(codes(0, GROUP_ID_NOT_FOUND), forgotten)),
    Deviation("empty groups", "OffsetDelete|ConsumerGroupDescribe|DescribeGroups", r"(Groups\.)?ErrorCode", both(codes(0, GROUP_ID_NOT_FOUND), forgotten)),
    Deviation("empty groups", "OffsetDelete", "Topics",
              lambda d, s: kafka_alone(d, s) and d.around[0][1]["ErrorCode"] == GROUP_ID_NOT_FOUND and forgotten(d, s)),
    Deviation("members from before", "OffsetCommit", r"Topics\.Partitions\.ErrorCode",
              lambda d, s: d.kafka in (GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION) and d.ours == UNKNOWN_MEMBER_ID and without_members(d, s)),
    Deviation("members from before", "ConsumerGroupHeartbeat", "ErrorCode",
              lambda d, s: d.kafka == GROUP_ID_NOT_FOUND and d.ours == (UNKNOWN_MEMBER_ID if s.asked["MemberId"] else INVALID_REQUEST) and forgotten(d, s)),
    Deviation("members from before", "ConsumerGroupHeartbeat", "ErrorCode",
              lambda d, s: codes(UNSUPPORTED_ASSIGNOR, INVALID_REQUEST)(d, s) and not s.asked["MemberId"] and s.asked["MemberEpoch"] != 0),
    Deviation("batches that come again", "Produce", r"Responses\.PartitionResponses\.LogAppendTimeMs", lambda d, s: d.ours == -1 and comes_again(d, s)),
    Deviation("assignments", "DescribeGroups", r"Groups\.Members\.MemberAssignment", lambda d, s: d.ours == b"" and d.around[1][0]["GroupState"] in REBALANCES),
    Deviation("no aborted transactions", "Fetch", r"Responses\.Partitions\.AbortedTransactions",
              lambda d, s: not d.kafka and d.ours == ([] if s.asked["IsolationLevel"] else None) and failed(d, s)),
    Deviation("more at a time", "Fetch", r"Responses\.Partitions\.Records", is_next_of_kafka),
    Deviation("deleted topics", "Fetch", r"Responses\.Partitions\.ErrorCode",
              lambda d, s: codes(UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID)(d, s) and s.asked["SessionEpoch"] > 0),
    Deviation("deleted records", "ListOffsets", r"Topics\.Partitions\.(LeaderEpoch|Offset|Timestamp)", latest_of_deleted),
    Deviation("empty sessions", "Fetch", "SessionId",
              lambda d, s: d.kafka == 0 and d.ours == s.asked["SessionId"] and s.asked["ForgottenTopicsData"] and not d.around[0][1]["Responses"]),
    Deviation("forgotten at once", "Fetch", r"Responses(\.Partitions)?", asked_and_forgotten),
    Deviation("named twice", "Metadata", "Topics", lambda d, s: d.kafka == MISSING and Counter(t["Name"] for t in s.asked["Topics"])[d.ours["Name"]] > 1),
    Deviation("offsets outside transactions", "TxnOffsetCommit", r"Topics\.Partitions\.ErrorCode", outside_transaction),
    Deviation("refused batches", "Produce", r"Responses\.PartitionResponses\.ErrorCode",
              lambda d, s: d.kafka != 0 and d.ours == MESSAGE_TOO_LARGE and is_large(d, s)),
    Deviation("refused batches", "Produce", r"Responses\.PartitionResponses\.LogStartOffset", lambda d, s: d.ours == -1 and failed(d, s)),
    Deviation("ended transactions", "DescribeTransactions", r"TransactionStates\.TransactionStartTimeMs",
              lambda d, s: d.ours == -1 and d.around[-1][1]["TransactionState"] in ENDED),
    Deviation("coordinator epochs", "DescribeProducers", r"Topics\.Partitions\.ActiveProducers\.CoordinatorEpoch", codes(-1, 0)),
    Deviation("epochs of markers", "DescribeProducers", r"Topics\.Partitions\.ActiveProducers\.ProducerEpoch",
              lambda d, s: d.kafka == NOT_GIVEN and was_given(d, s)),
    Deviation("versions", "ApiVersions", r"ApiKeys(\.MinVersion|\.MaxVersion)?", is_served),
    Deviation("versions", "ApiVersions", "(Supported|Finalized)Features", lambda d, s: kafka_alone(d, s) and d.kafka["Name"] not in FEATURES),
    Deviation("versions", "ApiVersions", "FinalizedFeaturesEpoch", lambda d, s: d.kafka > d.ours == 0),
    Deviation("log directories", "DescribeLogDirs", r"Results\.(TotalBytes|UsableBytes)", lambda d, s: d.kafka > 0 and d.ours == -1),
    Deviation("log directories", "DescribeLogDirs", r"Results\.Topics\.Partitions\.PartitionSize", lambda d, s: d.around[2][0]["Name"] in s.model.sized_apart),
    Deviation("loggers", "ListConfigResources", "ConfigResources", lambda d, s: kafka_alone(d, s) and d.kafka["ResourceType"] == BROKER_LOGGER),
    Deviation("logins out of turn", "SaslHandshake", "Mechanisms", lambda d, s: d.kafka == MISSING and d.around[0][1]["ErrorCode"] == ILLEGAL_SASL_STATE),
    Deviation("logins out of turn", "SaslAuthenticate", "", lambda d, s: d.kafka is None and d.ours["ErrorCode"] == ILLEGAL_SASL_STATE),
    Deviation("denials", "OffsetFetch|(List|Alter)PartitionReassignments|DescribeUserScramCredentials", ".*", denied_as_a_whole),
    Deviation("denials", "CreateTopics", r"Topics\.ErrorCode", lambda d, s: codes(INVALID_REQUEST, TOPIC_DENIED)(d, s) and len(s.asked["Topics"]) > 1),
    Deviation("denials", "CreateTopics", r"Topics\.Configs",
              lambda d, s: d.kafka == [] and d.ours is None and d.around[1][1]["TopicConfigErrorCode"] == TOPIC_DENIED),
    Deviation("denials", "CreateAcls", r"Results\.ErrorCode", codes(CLUSTER_DENIED, INVALID_REQUEST)),
    Deviation("denials", "OffsetForLeaderEpoch", r"Topics\.Partitions\.(ErrorCode|LeaderEpoch|EndOffset)",
              lambda d, s: s.model.cluster_action and d.around[-1][1]["ErrorCode"] == TOPIC_DENIED),
    Deviation("denials", "DeleteTopics", r"Responses\.ErrorCode",
              lambda d, s: codes(UNKNOWN_TOPIC, TOPIC_DENIED)(d, s) and d.around[-1][0]["Name"] not in s.model.topic_ids),
    Deviation("denials", "ConsumerGroupHeartbeat", "ErrorCode", lambda d, s: d.kafka in (TOPIC_DENIED, GROUP_DENIED) and d.ours == INVALID_REQUEST),
    Deviation("denials", "(Incremental)?AlterConfigs", r"Responses\.ErrorCode",
              lambda d, s: codes(INVALID_REQUEST, CLUSTER_DENIED)(d, s) and s.asked["Resources"][0]["ResourceType"] == 99),
    Deviation("denials", "Fetch|Produce", r"Responses\.(Partitions|PartitionResponses)\.ErrorCode",
              lambda d, s: codes(TOPIC_DENIED, UNKNOWN_TOPIC_ID)(d, s) and d.version >= TOPIC_IDS),
    Deviation("credentials at once", "AlterUserScramCredentials", r"Results\.ErrorCode", two_mechanisms),
    Deviation("quotas that do not exist", "AlterClientQuotas", r"Entries\.ErrorCode",
              lambda d, s: codes(0, INVALID_REQUEST)(d, s) and lifts_no_quota(s.asked["Entries"][0])),
    Deviation("hosts of ACLs", "CreateAcls", r"Results\.ErrorCode", lambda d, s: codes(0, INVALID_REQUEST)(d, s) and not s.asked["Creations"][0]["Host"]),
    Deviation("refused ACLs", "CreateAcls", r"Results\.ErrorCode", codes(UNKNOWN_SERVER_ERROR, INVALID_REQUEST)),
    Deviation("deleting offsets", "OffsetDelete", "ErrorCode", lambda d, s: codes(0, NON_EMPTY_GROUP)(d, s) and s.model.joined(s.asked["GroupId"])),
    Deviation("deleting offsets", "OffsetDelete", "Topics", lambda d, s: kafka_alone(d, s) and d.around[0][1]["ErrorCode"] == NON_EMPTY_GROUP),
)


def deviation(difference, situation):
    """The name of the deviation that allows it, or None."""
    return next((d.name for d in DEVIATIONS if d.allows(difference, situation)), None)
