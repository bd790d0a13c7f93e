"""The rules of deviations.py allow what they are for, and not the same difference where it would be a fault."""

import pytest
from compare import Situation, differences
from deviations import deviation
from random_histories import Model
from sides import NOT_GIVEN, Batch

TOPIC, GROUP, CONSUMERS = "t1-a", "g1-a", "g1-a-consumer"


def model(**state):
    m = Model(1)
    for name, value in state.items():
        setattr(m, name, value)
    return m


def found(api, kafka, ours, asked=None, version=0, m=None, side=None):
    """The names of the deviations that allow the differences; None where none does."""
    situation = Situation(asked or {}, m or model(), side)
    return {deviation(d, situation) for d in differences(api, version, kafka, ours)}


def group(state="Empty", kind="consumer"):
    return {"GroupId": GROUP, "GroupState": state, "ProtocolType": kind}


MEMBER = {GROUP: ("m", 1)}
LISTED, NO_GROUPS = {"Groups": [group()]}, {"Groups": []}


def produced(error=0, appended=5, start=0):
    return {"Responses": [{"Name": TOPIC, "PartitionResponses": [{"Index": 0, "ErrorCode": error, "LogAppendTimeMs": appended, "LogStartOffset": start}]}]}


def sent(sequence=0, size=1):
    return {"TopicData": [{"Name": TOPIC, "PartitionData": [{"Index": 0, "Records": Batch((b"x" * size,), (1,), 7, 0, sequence)}]}]}


def assigned(state, assignment):
    return {"Groups": [{"GroupId": GROUP, "GroupState": state, "Members": [{"MemberId": "m", "MemberAssignment": assignment}]}]}


def fetched(records, error=0, aborted=None):
    return {"Responses": [{"Topic": TOPIC, "Partitions": [{"PartitionIndex": 0, "ErrorCode": error, "AbortedTransactions": aborted, "Records": records}]}]}


def fetch(most=1_000_000, isolation=0, forgotten=()):
    topic = {"Topic": TOPIC, "TopicId": "id", "Partitions": [{"Partition": 0, "PartitionMaxBytes": most}]}
    return {"IsolationLevel": isolation, "Topics": [topic], "ForgottenTopicsData": [{"Topic": TOPIC, "TopicId": "id", "Partitions": list(forgotten)}]}


ONE, TWO = ({"BaseOffset": at, "LastOffsetDelta": 0, "Body": str(at)} for at in range(2))


class Answers:
    """Kafka, which answers this."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self, *_):
        return self.answer


def described(state, start):
    return {"TransactionStates": [{"TransactionalId": "x", "TransactionState": state, "TransactionStartTimeMs": start}]}


def staged(error):
    return {"Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "ErrorCode": error}]}]}


def topic(name=TOPIC):
    return {"Name": name, "ErrorCode": 0}


def config(name, source=5, **more):
    return {"Results": [{"ResourceType": 2, "ErrorCode": 0, "Configs": [{"Name": name, "ConfigSource": source, **more}]}]}


def synonyms(*pairs):
    return config("retention.ms", Synonyms=[{"Name": name, "Source": source} for name, source in pairs])


def created(*names):
    return {"Topics": [{"Name": TOPIC, "Configs": [{"Name": name} for name in names]}]}


def served(key, low, high):
    return {"ApiKeys": [{"ApiKey": key, "MinVersion": low, "MaxVersion": high}]}


def sized(size):
    return {"Results": [{"LogDir": "d", "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "PartitionSize": size}]}]}]}


def offset(at):
    return {"Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "Offset": at}]}]}


def asked_offset(when):
    return {"Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "Timestamp": when}]}]}


def produces(epoch):
    return {"Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "ActiveProducers": [{"ProducerId": 7, "ProducerEpoch": epoch}]}]}]}


def altered(error):
    return {"Results": [{"User": "u", "ErrorCode": error}]}


def credentials(*mechanisms):
    return {"Deletions": [], "Upsertions": [{"Name": "u", "Mechanism": mechanism} for mechanism in mechanisms]}


TXN = {"TransactionalId": "x", "GroupId": GROUP}
KEPT = {GROUP: {(TOPIC, 0)}}
# (the deviation, how it is seen, the same as a fault)
CASES = [
    ("texts", ("EndTxn", {"ErrorCode": 3, "ErrorMessage": "a"}, {"ErrorCode": 3, "ErrorMessage": "b"}),
     ("EndTxn", {"ErrorCode": 0, "ErrorMessage": None}, {"ErrorCode": 0, "ErrorMessage": "b"})),
    ("empty groups", ("ListGroups", LISTED, NO_GROUPS), ("ListGroups", LISTED, NO_GROUPS, {}, 0, model(members=MEMBER))),
    ("empty groups", ("ListGroups", LISTED, NO_GROUPS), ("ListGroups", LISTED, NO_GROUPS, {}, 0, model(kept=KEPT))),
    ("empty groups", ("ListGroups", {"Groups": [group(kind="")]}, LISTED), ("ListGroups", {"Groups": [group(kind="")]}, LISTED, {}, 0, model(members=MEMBER))),
    ("empty groups", ("DeleteGroups", {"Results": [{"GroupId": GROUP, "ErrorCode": 0}]}, {"Results": [{"GroupId": GROUP, "ErrorCode": 69}]}),
     ("DeleteGroups", {"Results": [{"GroupId": GROUP, "ErrorCode": 0}]}, {"Results": [{"GroupId": GROUP, "ErrorCode": 69}]}, {}, 0, model(kept=KEPT))),
    ("empty groups", ("OffsetDelete", {"ErrorCode": 0, "Topics": [topic()]}, {"ErrorCode": 69, "Topics": []}, {"GroupId": GROUP}),
     ("OffsetDelete", {"ErrorCode": 0, "Topics": [topic()]}, {"ErrorCode": 0, "Topics": []}, {"GroupId": GROUP})),
    ("empty groups", ("JoinGroup", {"ErrorCode": 23}, {"ErrorCode": 25}, {"GroupId": GROUP}),
     ("JoinGroup", {"ErrorCode": 23}, {"ErrorCode": 25}, {"GroupId": GROUP}, 0, model(members=MEMBER))),
    ("deleting offsets", ("OffsetDelete", {"ErrorCode": 0, "Topics": [topic()]}, {"ErrorCode": 68, "Topics": []}, {"GroupId": GROUP}, 0, model(members=MEMBER)),
     ("OffsetDelete", {"ErrorCode": 0}, {"ErrorCode": 68}, {"GroupId": GROUP})),
    ("members from before", ("OffsetCommit", staged(69), staged(25), {"GroupId": GROUP}),
     ("OffsetCommit", staged(22), staged(25), {"GroupId": GROUP}, 0, model(members=MEMBER))),
    ("batches that come again", ("Produce", produced(), produced(appended=-1), sent(0), 9, model(sequences={(7, 0, TOPIC, 0): 1})),
     ("Produce", produced(), produced(appended=-1), sent(1), 9, model(sequences={(7, 0, TOPIC, 0): 1}))),
    ("refused batches", ("Produce", produced(87), produced(10), sent(size=6000)), ("Produce", produced(87), produced(10), sent(size=60))),
    ("refused batches", ("Produce", produced(87), produced(87, start=-1), sent()), ("Produce", produced(), produced(start=-1), sent())),
    ("assignments", ("DescribeGroups", assigned("CompletingRebalance", b"x"), assigned("CompletingRebalance", b"")),
     ("DescribeGroups", assigned("Stable", b"x"), assigned("Stable", b""))),
    ("no aborted transactions", ("Fetch", fetched([], 1, []), fetched([], 1, None), fetch()), ("Fetch", fetched([], 0, []), fetched([], 0, None), fetch())),
    ("no aborted transactions", ("Fetch", fetched([], 1, None), fetched([], 1, []), fetch(isolation=1)),
     ("Fetch", fetched([], 1, []), fetched([], 1, None), fetch(isolation=1))),
    ("more at a time", ("Fetch", fetched([ONE]), fetched([ONE, TWO]), fetch(), 12, None, Answers(fetched([TWO]))),
     ("Fetch", fetched([ONE]), fetched([ONE, TWO]), fetch(), 12, None, Answers(fetched([])))),
    ("more at a time", ("Fetch", fetched([ONE]), fetched([ONE, TWO]), fetch(), 12, None, Answers(fetched([TWO]))),
     ("Fetch", fetched([]), fetched([ONE]), fetch(), 12, None, Answers(fetched([ONE])))),
    ("more at a time", ("Fetch", fetched([ONE]), fetched([ONE, TWO]), fetch(), 12, None, Answers(fetched([TWO]))),
     ("Fetch", fetched([ONE]), fetched([ONE, TWO]), fetch(1), 12, None, Answers(fetched([TWO])))),
    ("forgotten at once", ("Fetch", {"Responses": []}, fetched([]), fetch(forgotten=[0])), ("Fetch", {"Responses": []}, fetched([]), fetch(forgotten=[1]))),
    ("named twice", ("Metadata", {"Topics": [topic()]}, {"Topics": [topic(), topic()]}, {"Topics": [{"Name": TOPIC}] * 2}),
     ("Metadata", {"Topics": []}, {"Topics": [topic()]}, {"Topics": [{"Name": TOPIC}]})),
    ("offsets outside transactions", ("TxnOffsetCommit", staged(0), staged(48), TXN, 3),
     ("TxnOffsetCommit", staged(0), staged(48), TXN, 3, model(added={("x", GROUP)}))),
    ("offsets outside transactions", ("TxnOffsetCommit", staged(0), staged(120), TXN, 4), ("TxnOffsetCommit", staged(0), staged(120), TXN, 5)),
    ("ended transactions", ("DescribeTransactions", described("CompleteCommit", 5), described("CompleteCommit", -1)),
     ("DescribeTransactions", described("Ongoing", 5), described("Ongoing", -1))),
    ("deleted topics", ("DescribeTransactions", {"TransactionStates": [{"Topics": [{"Topic": TOPIC}]}]}, {"TransactionStates": [{"Topics": []}]}),
     ("DescribeTransactions", {"TransactionStates": [{"Topics": [{"Topic": TOPIC}]}]}, {"TransactionStates": [{"Topics": []}]}, {}, 0, model(topic_ids={TOPIC: "id"}))),
    ("configurations", ("CreateTopics", created("remote.storage.enable"), created()), ("CreateTopics", created("retention.ms"), created())),
    ("configurations", ("DescribeConfigs", config("min.insync.replicas", 3), config("min.insync.replicas", 5)),
     ("DescribeConfigs", config("retention.ms", 3), config("retention.ms", 1))),
    ("configurations", ("DescribeConfigs", synonyms(("log.retention.ms", 5)), synonyms()), ("DescribeConfigs", synonyms(("retention.ms", 1)), synonyms())),
    ("versions", ("ApiVersions", served(2, 1, 11), served(2, 1, 10)), ("ApiVersions", served(2, 1, 11), served(2, 1, 9))),
    ("log directories", ("DescribeLogDirs", sized(5), sized(3), {}, 0, model(sized_apart={TOPIC})), ("DescribeLogDirs", sized(5), sized(3))),
    ("deleted records", ("ListOffsets", offset(0), offset(-1), asked_offset(-3), 7, model(sized_apart={TOPIC})),
     ("ListOffsets", offset(0), offset(-1), asked_offset(-3), 7)),
    ("deleted records", ("ListOffsets", offset(0), offset(-1), asked_offset(-3), 7, model(sized_apart={TOPIC})),
     ("ListOffsets", offset(0), offset(-1), asked_offset(-1), 7, model(sized_apart={TOPIC}))),
    ("deleted records", ("ListOffsets", offset(1), offset(2), asked_offset(-3), 7, model(sized_apart={TOPIC})),
     ("ListOffsets", offset(2), offset(1), asked_offset(-3), 7, model(sized_apart={TOPIC}))),
    ("empty sessions", ("Fetch", {"SessionId": 0, "Responses": []}, {"SessionId": 7, "Responses": []}, fetch(forgotten=[0]) | {"SessionId": 7}),
     ("Fetch", {"SessionId": 0, "Responses": []}, {"SessionId": 7, "Responses": []}, fetch() | {"SessionId": 7, "ForgottenTopicsData": []})),
    ("epochs of markers", ("DescribeProducers", produces(NOT_GIVEN), produces(4), {}, 0, model(epochs={(7, 4), (7, 5)})),
     ("DescribeProducers", produces(NOT_GIVEN), produces(3), {}, 0, model(epochs={(7, 4), (8, 3)}))),
    ("members from before", ("ConsumerGroupHeartbeat", {"ErrorCode": 69}, {"ErrorCode": 25}, {"GroupId": GROUP, "MemberId": "m"}),
     ("ConsumerGroupHeartbeat", {"ErrorCode": 69}, {"ErrorCode": 25}, {"GroupId": GROUP, "MemberId": "m"}, 0, model(members=MEMBER))),
    ("members from before", ("ConsumerGroupHeartbeat", {"ErrorCode": 112}, {"ErrorCode": 42}, {"GroupId": GROUP, "MemberId": "", "MemberEpoch": -2}),
     ("ConsumerGroupHeartbeat", {"ErrorCode": 112}, {"ErrorCode": 42}, {"GroupId": GROUP, "MemberId": "", "MemberEpoch": 0})),
    ("denials", ("OffsetFetch", {"ErrorCode": 30, "Topics": []}, {"ErrorCode": 30, "Topics": [topic() | {"ErrorCode": 30}]}, {"GroupId": GROUP}),
     ("OffsetFetch", {"ErrorCode": 0, "Topics": []}, {"ErrorCode": 0, "Topics": [topic()]}, {"GroupId": GROUP})),
    ("denials", ("DeleteTopics", {"Responses": [topic() | {"ErrorCode": 3}]}, {"Responses": [topic() | {"ErrorCode": 29}]}),
     ("DeleteTopics", {"Responses": [topic() | {"ErrorCode": 3}]}, {"Responses": [topic() | {"ErrorCode": 29}]}, {}, 0, model(topic_ids={TOPIC: "id"}))),
    ("denials", ("Produce", produced(29), produced(100), sent(), 13), ("Produce", produced(29), produced(100), sent(), 12)),
    ("credentials at once", ("AlterUserScramCredentials", altered(92), altered(0), credentials(1, 2)),
     ("AlterUserScramCredentials", altered(92), altered(0), credentials(1, 1))),
    ("versions", ("ApiVersions", served(27, 1, 2), {"ApiKeys": []}), ("ApiVersions", served(2, 1, 11), {"ApiKeys": []})),
]  # fmt: skip


@pytest.mark.parametrize("name, meant, fault", CASES)
def test_only_in_the_state_it_is_meant_for(name, meant, fault):
    assert found(*meant) == {name}
    assert None in found(*fault)
