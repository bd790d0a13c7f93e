"""Steps of consumer groups. A group has one member at a time: nobody waits for another one."""

import struct

from sides import SHARED, UNKNOWN_ID

UNKNOWN_MEMBER_ID = 25
# A subscription (version 0) to no topic, without user data. Kafka never answers one that it cannot read.
SUBSCRIPTION = struct.pack(">hii", 0, 0, -1)
CLASSIC = [{"Name": "range", "Metadata": SUBSCRIPTION}]
SESSION_MS = 300_000
STATIC = 5  # JoinGroup from which on there are static members


def find(m):
    kind = m.random.choice([0, 0, 1, 7])
    return "FindCoordinator", {"Key": m.group(), "KeyType": kind, "CoordinatorKeys": [m.group(), m.groups[0]][: m.random.choice([1, 2])]}


def member(m, group):
    """(member id, generation): mostly the right ones."""
    known = m.members.get(group, ("", -1))
    wrong = m.random.choice([("", -1), ("nobody", 1), (known[0], 77), ("", 3)])
    return wrong if m.chance(4) else known


def instance(m, group):
    """The group instance id of a request: mostly the right one."""
    return m.random.choice([None, "instance", "other"]) if m.chance(6) else group in m.members and m.instances.get(group) or None


def join(m):
    group = m.group()
    known = m.members.get(group, ("", -1))[0]

    def learn(m, answer):
        if answer["ErrorCode"] in (0, 79):  # 79: this is your id, now join
            m.members[group] = (answer["MemberId"], answer["GenerationId"])
            (m.pending.add if answer["ErrorCode"] else m.pending.discard)(group)
        if answer["ErrorCode"] in (0, 79) and not known:
            m.instances[group] = instance

    static = known and m.instances.get(group)
    instance = static if static else "instance" if not known and m.chance(3) else None
    who = "nobody" if m.chance(8) else "" if static and m.chance(3) else known  # a static member that comes back takes the place of itself
    asked = {"GroupId": group, "SessionTimeoutMs": SESSION_MS, "RebalanceTimeoutMs": 300_000, "MemberId": who, "GroupInstanceId": instance,
             "ProtocolType": m.random.choice(["consumer"] * 6 + [""]), "Protocols": CLASSIC, "Reason": "because"}
    return "JoinGroup", asked, learn, (STATIC if instance else 0, 99)


def sync(m):
    group = m.group()
    who, generation = member(m, group)
    asked = {"GroupId": group, "GenerationId": generation, "MemberId": who, "GroupInstanceId": instance(m, group), "ProtocolType": "consumer", "ProtocolName": "range",
             "Assignments": [{"MemberId": who, "Assignment": b"everything"}]}
    return "SyncGroup", asked


def heartbeat(m):
    group = m.group()
    who, generation = member(m, group)
    return "Heartbeat", {"GroupId": group, "GenerationId": generation, "MemberId": who, "GroupInstanceId": instance(m, group)}


def leave(m):
    group = m.group()
    who, named = member(m, group)[0], instance(m, group)
    asked = {"GroupId": group, "MemberId": who, "Members": [{"MemberId": who, "GroupInstanceId": named, "Reason": None}]}

    def learn(m, answer):
        errors = [answer["ErrorCode"], *(one["ErrorCode"] for one in answer.get("Members", []))]
        known = m.members.get(group, ("", -1))[0]
        if not any(errors) and known and (who == known or "Members" in answer and named and named == m.instances.get(group)):
            del m.members[group]
            m.pending.discard(group)

    return "LeaveGroup", asked, learn


def offsets_of(m, name, partition):
    return {"PartitionIndex": partition, "CommittedOffset": m.random.choice([0, 1, 5, 100]), "CommittedLeaderEpoch": m.random.choice([-1, 0]),
            "CommittedMetadata": m.random.choice(["", None, "note", "x" * 5000])}


def commit(m):
    group, name = m.group(), m.topic()
    who, generation = member(m, group) if m.chance(2) else ("", -1)
    offsets = offsets_of(m, name, m.partition())
    topic = {"Name": name, "TopicId": m.topic_ids.get(name, UNKNOWN_ID), "Partitions": [offsets]}

    def learn(m, answer):
        if answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0:
            m.kept.setdefault(group, set()).add((name, offsets["PartitionIndex"]))

    asked = {"GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": who, "GroupInstanceId": instance(m, group) if who else None, "RetentionTimeMs": -1,
             "Topics": [topic]}
    return "OffsetCommit", asked, learn


def fetch(m):
    name, group = m.topic(), m.group()
    topic = {"Name": name, "TopicId": m.topic_ids.get(name, UNKNOWN_ID), "PartitionIndexes": [0, 1]}
    topics = m.random.choice([[topic], [topic], None])
    before_groups = topics and [{"Name": name, "PartitionIndexes": [0, 1]}]
    groups = [{"GroupId": group, "MemberId": None, "MemberEpoch": -1, "Topics": topics}]
    return "OffsetFetch", {"GroupId": group, "Topics": before_groups, "Groups": groups, "RequireStable": m.chance(2)}


def deletable(m):
    return m.random.choice([*(group for group in m.groups if group not in m.pending), "nobody's group"])


def delete_offsets(m):
    group, name, partition = deletable(m), m.topic(), m.partition()

    def learn(m, answer):
        if answer["ErrorCode"] == 0 and answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0:
            m.kept.get(group, set()).discard((name, partition))

    return "OffsetDelete", {"GroupId": group, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": partition}]}]}, learn


def describe(m):
    return "DescribeGroups", {"Groups": [m.random.choice([m.group(), "nobody's group"])], "IncludeAuthorizedOperations": False}


def list_all(m):
    return "ListGroups", {"StatesFilter": m.random.choice([[], ["Empty"], ["Stable"]]), "TypesFilter": m.random.choice([[], ["classic"], ["consumer"]])}


def delete(m):
    group = deletable(m)

    def learn(m, answer):
        if answer["Results"][0]["ErrorCode"] == 0:
            m.kept.pop(group, None)

    return "DeleteGroups", {"GroupsNames": [group]}, learn


def consumer_heartbeat(m):
    group = f"{m.group()}-consumer"
    who, epoch = m.members.get(group, (None, 0))
    first, leaves = epoch == 0, m.chance(5)
    if first:  # versions from 1 on ask for an id of the client's
        who = m.random.choice(["", f"m{m.tag}-{m.random.randrange(1000)}"])
        named = "instance" if group in m.away else m.random.choice([None, None, "instance"])
    else:
        named = m.instances[group]
    last = m.random.choice([-1, -2]) if named else -1  # -2: it will come back

    def learn(m, answer):
        if answer["ErrorCode"] == 0:
            m.members[group], m.instances[group] = (answer["MemberId"], answer["MemberEpoch"]), named
            (m.away.add if leaves and last == -2 else m.away.discard)(group)
        if leaves or answer["ErrorCode"] == UNKNOWN_MEMBER_ID:  # after other errors it is still there, and a second member would be one too many
            m.members.pop(group, None)

    asked = {"GroupId": group, "MemberId": who, "MemberEpoch": last if leaves else 77 if m.chance(8) else epoch,
             "InstanceId": named if first or leaves else None, "RackId": None,
             "RebalanceTimeoutMs": 300_000 if first else -1, "SubscribedTopicNames": [SHARED] if first else None, "SubscribedTopicRegex": None,
             "ServerAssignor": m.random.choice([None, "range", "uniform", "guess"]) if first else None, "TopicPartitions": [] if first else None}
    return "ConsumerGroupHeartbeat", asked, learn


def describe_consumers(m):
    return "ConsumerGroupDescribe", {"GroupIds": [m.random.choice([f"{m.group()}-consumer", m.group(), "nobody's group"])], "IncludeAuthorizedOperations": False}


STEPS = [(2, find), (5, join), (5, sync), (4, heartbeat), (3, leave), (6, commit), (4, fetch), (2, delete_offsets), (3, describe), (2, list_all), (2, delete),
         (5, consumer_heartbeat), (3, describe_consumers)]
