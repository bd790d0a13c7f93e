"""The differences that are meant. The table in docs/kafka-compatibility.md gives the reason of each by its name."""

from compare import MISSING, Deviation

OWN_CONFIGS = ("message.timestamp.difference.max.ms", "millstream.durability")


def kafka_alone(difference, situation):
    return difference.ours == MISSING


def codes(kafka, ours):
    return lambda difference, situation: (difference.kafka, difference.ours) == (kafka, ours)


def is_own_config(difference):
    return difference.kafka == MISSING and difference.ours["Name"] in OWN_CONFIGS


ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND = 22, 23, 25, 68, 69
MESSAGE_TOO_LARGE, INVALID_TXN_STATE = 10, 48
DEVIATIONS = (
    Deviation("texts", ".*", r"(.*\.)?(BatchIndex)?ErrorMessage"),
    Deviation("configurations", "CreateTopics", r"Topics\.Configs", lambda d, s: kafka_alone(d, s) or is_own_config(d)),
    Deviation("configurations", "CreateTopics|DescribeConfigs", r"(Topics|Results)\.Configs\.ConfigSource", lambda d, s: d.kafka == 3),
    Deviation("configurations", "DescribeConfigs", r"Results\.Configs\.Synonyms(\..*)?"),
    Deviation("internal topics", "DescribeTransactions", r"TransactionStates\.Topics", lambda d, s: kafka_alone(d, s) and d.kafka["Topic"] == "__consumer_offsets"),
    Deviation("deleted topics", "DescribeTransactions", r"TransactionStates\.Topics", lambda d, s: kafka_alone(d, s) and d.kafka["Topic"] not in s.model.topic_ids),
    Deviation("empty groups", "ListGroups", "Groups", kafka_alone),
    Deviation("empty groups", "ListGroups|DescribeGroups", r"Groups\.ProtocolType", lambda d, s: {d.kafka, d.ours} == {"consumer", ""}),
    Deviation("empty groups", "JoinGroup", "ErrorCode", codes(INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID)),
    Deviation("empty groups", "ConsumerGroupDescribe", r"Groups\.(GroupState|AssignorName)", lambda d, s: not d.ours),
    Deviation("empty groups", "ConsumerGroupDescribe", r"Groups\.(GroupEpoch|AssignmentEpoch)", lambda d, s: d.ours is None),
    Deviation("empty groups", "ListGroups", "Groups", lambda d, s: d.kafka == MISSING and not d.ours["ProtocolType"]),
    Deviation("batches that come again", "Produce", r"Responses\.PartitionResponses\.LogAppendTimeMs", lambda d, s: d.ours == -1),
    Deviation("assignments", "DescribeGroups", r"Groups\.Members\.MemberAssignment", lambda d, s: d.ours == b""),
    Deviation("no aborted transactions", "Fetch", r"Responses\.Partitions\.AbortedTransactions", lambda d, s: not d.kafka and not d.ours),
    Deviation("more at a time", "Fetch", r"Responses\.Partitions\.Records", lambda d, s: d.kafka == MISSING),
    Deviation("named twice", "Metadata", "Topics", lambda d, s: d.kafka == MISSING),
    Deviation("offsets outside transactions", "TxnOffsetCommit", r"Topics\.Partitions\.ErrorCode", codes(0, INVALID_TXN_STATE)),
    Deviation("refused batches", "Produce", r"Responses\.PartitionResponses\.ErrorCode", lambda d, s: d.kafka != 0 and d.ours == MESSAGE_TOO_LARGE),
    Deviation("refused batches", "Produce", r"Responses\.PartitionResponses\.LogStartOffset", lambda d, s: d.ours == -1),
    Deviation("empty groups", "DescribeGroups", r"Groups\.GroupState", codes("Empty", "Dead")),
    Deviation("empty groups", "DeleteGroups", r"Results\.ErrorCode", codes(0, GROUP_ID_NOT_FOUND)),
    Deviation("empty groups", "OffsetDelete|ConsumerGroupDescribe|DescribeGroups", r"(Groups\.)?ErrorCode", codes(0, GROUP_ID_NOT_FOUND)),
    Deviation("members from before", "OffsetCommit", r"Topics\.Partitions\.ErrorCode", lambda d, s: d.kafka in (GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION) and d.ours == UNKNOWN_MEMBER_ID),
    Deviation("ended transactions", "DescribeTransactions", r"TransactionStates\.TransactionStartTimeMs", lambda d, s: d.ours == -1),
    Deviation("coordinator epochs", "DescribeProducers", r"Topics\.Partitions\.ActiveProducers\.CoordinatorEpoch", codes(-1, 0)),
    Deviation("epochs of markers", "DescribeProducers", r"Topics\.Partitions\.ActiveProducers\.ProducerEpoch"),
    Deviation("deleting offsets", "OffsetDelete", "ErrorCode", codes(0, NON_EMPTY_GROUP)),
    Deviation("deleting offsets", "OffsetDelete", "Topics", kafka_alone),
)


def deviation(difference, situation):
    """The name of the deviation that allows it, or None."""
    return next((d.name for d in DEVIATIONS if d.allows(difference, situation)), None)
