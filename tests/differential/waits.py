"""Steps of requests that wait for another one: the second member of a classic group, a fetch for records that are not there yet."""

from groups import CLASSIC, SESSION_MS
from logs import batch, produce_batch
from protocol import Connection

MEMBER_ID_REQUIRED = 79
REBALANCES = "PreparingRebalance"


def asked_join(group, who, instance=None):
    return {"GroupId": group, "SessionTimeoutMs": SESSION_MS, "RebalanceTimeoutMs": 300_000, "MemberId": who, "GroupInstanceId": instance, "ProtocolType": "consumer",
            "Protocols": CLASSIC, "Reason": "because"}


def state(side, group):
    return side.ask("DescribeGroups", 5, {"Groups": [group], "IncludeAuthorizedOperations": False})["Groups"][0]["GroupState"]


def joins(side, version, group, first, second):
    """The answers to two members: the first waits until the second joins, too."""
    waiting = Connection(side.address)
    waiting.send("JoinGroup", version, side.from_symbols(first))
    while not waiting.has_answer() and state(side, group) != REBALANCES:
        pass
    answers = [side.ask("JoinGroup", version, second)]
    answers.append(side.to_symbols(waiting.receive("JoinGroup", version)))
    waiting.close()
    return answers


def visit(h):
    """A second member comes, gets its part, and goes."""
    m = h.model
    group, told = m.group(), []
    if not m.joined(group) or state(h.kafka, group) != "Stable":
        return
    h.step("JoinGroup", asked_join(group, ""), lambda m, answer: told.append(answer), (4, 99))
    if h.found or told[0]["ErrorCode"] != MEMBER_ID_REQUIRED:
        return
    here, guest = m.members[group][0], told[0]["MemberId"]
    version = h.version("JoinGroup", 5)
    requests = [asked_join(group, here, m.instances.get(group)), asked_join(group, guest)]
    both = [joins(side, version, group, *reversed(requests)) for side in (h.kafka, h.ours)]
    for asked, *answers in zip(requests, *both):
        h.judge("JoinGroup", version, asked, answers)
        if h.found:
            return
    generation, leader = both[0][0]["GenerationId"], both[0][0]["Leader"]
    m.members[group] = (here, generation)
    parts = [{"MemberId": who, "Assignment": b"of " + name} for who, name in ((here, b"host"), (guest, b"guest"))]
    generations = {here: generation, guest: both[0][1]["GenerationId"]}
    for who in sorted((here, guest), key=lambda who: who != leader):
        known = {"GroupId": group, "GenerationId": generations[who], "MemberId": who, "GroupInstanceId": m.instances.get(group) if who == here else None}
        h.step("SyncGroup", known | {"ProtocolType": "consumer", "ProtocolName": "range", "Assignments": parts if who == leader else []})
        if not h.found:
            h.step("Heartbeat", known)
        if h.found:
            return
    h.step("DescribeGroups", {"Groups": [group], "IncludeAuthorizedOperations": False})
    if not h.found:
        h.step("LeaveGroup", {"GroupId": group, "MemberId": guest, "Members": [{"MemberId": guest, "GroupInstanceId": None, "Reason": None}]})
    if not h.found:
        h.step("Heartbeat", {"GroupId": group, "GenerationId": generation, "MemberId": here, "GroupInstanceId": m.instances.get(group)})


def woken(h):
    """A fetch at the end of a partition waits, and somebody produces; which comes first is of no matter."""
    m = h.model
    name = m.random.choice(m.topics)
    if name not in m.topic_ids:
        return
    place = (name, m.topic_ids[name], 0)
    asked = {"ReplicaId": -1, "IsolationLevel": 0, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": -1}]}]}
    end = h.kafka.ask("ListOffsets", 7, asked)["Topics"][0]["Partitions"][0]["Offset"]
    wanted = {"Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": end, "LastFetchedEpoch": -1, "LogStartOffset": -1, "PartitionMaxBytes": 1_000_000}
    fetch = {"ReplicaId": -1, "MaxWaitMs": 10_000, "MinBytes": 1, "MaxBytes": 1_000_000, "IsolationLevel": 0, "SessionId": 0, "SessionEpoch": -1,
             "Topics": [{"Topic": name, "TopicId": place[1], "Partitions": [wanted]}], "ForgottenTopicsData": [], "RackId": ""}
    version, answers = h.version("Fetch"), []
    waiting = [Connection(side.address) for side in (h.kafka, h.ours)]
    for side, connection in zip((h.kafka, h.ours), waiting):
        connection.send("Fetch", version, side.from_symbols(fetch))
    sent = batch(m)
    while sum(map(len, sent.values)) > 1000:  # no topic refuses it
        sent = batch(m)
    h.step(*produce_batch(m, sent, place=place))
    for side, connection in zip((h.kafka, h.ours), waiting):
        answers.append(side.to_symbols(side.of_this_history("Fetch", connection.receive("Fetch", version))))
        connection.close()
    if not h.found:
        h.judge("Fetch", version, fetch, answers)


STEPS = [(2, visit), (1, woken)]
